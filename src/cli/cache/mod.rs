//! `wheelwright cache`: wheels and layers that are kept on this machine.

mod place;

use std::fmt::Write as _;
use std::time::SystemTime;

use clap::{Args, Subcommand};
use serde_json::json;

pub use self::place::CachePlace;
use super::Failure;
use crate::layers::local::Cache;
use crate::layers::local::cache::{Kind, Size, Usage};

const EXAMPLES: &str = "\
Examples:
  wheelwright cache                           what is in it
  wheelwright cache prune                     down to its limit
  wheelwright cache prune --keep-bytes 2GB    down to 2 GB
  wheelwright cache prune --all               everything that no build uses now
  du -sh \"$(wheelwright cache dir)\"         its folder";

/// Show or prune wheels and layers kept on this machine
///
/// `wheelwright build` and `wheelwright wheels push` keep the wheels that they download and the layers that they make of
/// them in a folder. It stays below a limit by itself. This is not the engine's cache: `docker buildx prune` and
/// `buildctl prune` are for that.
#[derive(Debug, Clone, Args)]
#[command(after_long_help = EXAMPLES, args_conflicts_with_subcommands = true)]
pub struct CacheArgs {
    #[command(subcommand)]
    command: Option<CacheCommand>,
    #[command(flatten)]
    show: ShowArgs,
}

#[derive(Debug, Clone, Subcommand)]
enum CacheCommand {
    /// Show entries, bytes by kind, and how long the oldest was not used
    Show(ShowArgs),
    /// Remove what was not used for longest; what a build uses now stays
    Prune(PruneArgs),
    /// Print the folder's path
    Dir(DirArgs),
}

#[derive(Debug, Clone, Args)]
struct ShowArgs {
    #[command(flatten)]
    place: CachePlace,
    /// As one JSON object
    #[arg(long)]
    json: bool,
}

#[derive(Debug, Clone, Args)]
struct PruneArgs {
    #[command(flatten)]
    place: CachePlace,
    /// Keep at most this much, such as 2GB; without it the cache's limit
    #[arg(long, value_name = "SIZE", conflicts_with = "all")]
    keep_bytes: Option<Size>,
    /// Keep nothing
    #[arg(long)]
    all: bool,
}

#[derive(Debug, Clone, Args)]
struct DirArgs {
    #[command(flatten)]
    place: CachePlace,
}

/// The text to print.
pub(super) fn run(args: &CacheArgs) -> Result<String, Failure> {
    match &args.command {
        None => show(&args.show),
        Some(CacheCommand::Show(show_args)) => show(show_args),
        Some(CacheCommand::Prune(prune_args)) => prune(prune_args),
        Some(CacheCommand::Dir(dir)) => Ok(format!("{}\n", dir.place.path()?.display())),
    }
}

fn show(args: &ShowArgs) -> Result<String, Failure> {
    let cache = args.place.open()?;
    let usage = cache.usage().map_err(|error| Failure::Local(error.to_string()))?;
    Ok(if args.json {
        object(&cache, &usage)
    } else {
        table(&cache, &usage)
    })
}

fn table(cache: &Cache, usage: &Usage) -> String {
    let line = |name: &str, kind: &Kind| {
        let bytes = Size(kind.bytes).to_string();
        format!("{name:<11} {:>7} {bytes:>11}\n", kind.entries)
    };
    let mut text = format!("{}\n\n", cache.root().display());
    // Writing to a string cannot fail.
    let _ = writeln!(text, "{:<11} {:>7} {:>11}", "kind", "entries", "size");
    text += &line("wheels", &usage.wheels);
    text += &line("layers", &usage.layers);
    if usage.metadata.entries > 0 {
        text += &line("metadata", &usage.metadata);
    }
    if usage.receipts.entries > 0 {
        text += &line("receipts", &usage.receipts);
    }
    if usage.unfinished.entries > 0 {
        text += &line("unfinished", &usage.unfinished);
    }
    let _ = writeln!(
        text,
        "\n{} of at most {}",
        Size(usage.bytes()),
        Size(cache.limit())
    );
    if let Some(oldest) = usage.oldest {
        let _ = writeln!(text, "not used for longest: {}", ago(oldest));
    }
    text
}

fn object(cache: &Cache, usage: &Usage) -> String {
    let oldest = usage
        .oldest
        .and_then(|oldest| oldest.duration_since(SystemTime::UNIX_EPOCH).ok())
        .map(|since| since.as_secs());
    let object = json!({
        "dir": cache.root(), "bytes": usage.bytes(), "limit": cache.limit(), "wheels": usage.wheels,
        "layers": usage.layers, "metadata": usage.metadata,
        "receipts": usage.receipts, "unfinished": usage.unfinished, "oldest": oldest,
    });
    format!("{object:#}\n")
}

/// `3 days ago`, in the largest unit that is not zero.
fn ago(time: SystemTime) -> String {
    let seconds = time.elapsed().unwrap_or_default().as_secs();
    let (count, unit) = match seconds {
        0..120 => return "just now".to_owned(),
        120..7200 => (seconds / 60, "minutes"),
        7200..172_800 => (seconds / 3600, "hours"),
        _ => (seconds / 86_400, "days"),
    };
    format!("{count} {unit} ago")
}

fn prune(args: &PruneArgs) -> Result<String, Failure> {
    let cache = args.place.open()?;
    let keep = match args.keep_bytes {
        _ if args.all => 0,
        Some(size) => size.0,
        None => cache.limit(),
    };
    let pruned = cache
        .prune(keep)
        .map_err(|error| Failure::Local(error.to_string()))?;
    let entries = match pruned.entries {
        1 => "1 entry".to_owned(),
        count => format!("{count} entries"),
    };
    let mut text = format!("removed {entries}, {}\n", Size(pruned.bytes));
    if pruned.in_use > 0 {
        // Writing to a string cannot fail.
        let _ = writeln!(text, "{} in use, kept", pruned.in_use);
    }
    Ok(text)
}
