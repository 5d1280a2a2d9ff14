//! `wheelwright wheels ls`: what is in the store.

use clap::Args;

use super::store::{Held, StoreArgs};
use super::table::{short, table};
use crate::cli::Failure;
use crate::layers::oci::Wheel;
use crate::python::PackageName;
use crate::report::{Printer, bytes, plural};

/// List the layers of the store
#[derive(Debug, Clone, Args)]
pub(super) struct LsArgs {
    #[command(flatten)]
    store: StoreArgs,
    /// Only layers that hold this package
    #[arg(value_name = "PACKAGE")]
    packages: Vec<String>,
    /// Everything that is known of them, as JSON
    #[arg(long)]
    json: bool,
}

pub(super) async fn run(args: &LsArgs) -> Result<String, Failure> {
    let opened = args.store.open()?;
    let store = args.store.store(opened.as_ref())?;
    let held = Held::by(&store).await?;
    held.warn();
    let mut layers = held.layers;
    let asked = args.packages.iter().map(|name| name.parse::<PackageName>());
    let asked = asked.collect::<Result<Vec<_>, _>>();
    let asked = asked.map_err(Failure::Usage)?;
    let named = |wheel: &Wheel| asked.iter().any(|name| name.as_str() == wheel.name);
    layers.retain(|layer| asked.is_empty() || layer.wheels.iter().any(named));
    if args.json {
        let text =
            serde_json::to_string_pretty(&layers).map_err(|error| Failure::Local(error.to_string()))?;
        return Ok(format!("{text}\n"));
    }
    let head = ["WHEELS", "PYTHON", "FORMAT", "SIZE", "UNPACKED", "KEY"];
    let mut rows = vec![head.map(str::to_owned).to_vec()];
    rows.extend(layers.iter().map(|layer| {
        vec![
            short(&layer.title, 48),
            layer.python.clone(),
            layer.format.to_string(),
            bytes(layer.size),
            bytes(layer.unpacked),
            layer.key.as_str()[..12].to_owned(),
        ]
    }));
    let sum = layers.iter().map(|layer| layer.size).sum();
    Printer::new().note(&format!(
        "{} in {}, {}",
        plural(layers.len(), "layer"),
        store.remote().repository(),
        bytes(sum)
    ));
    Ok(if layers.is_empty() {
        String::new()
    } else {
        table(&rows)
    })
}
