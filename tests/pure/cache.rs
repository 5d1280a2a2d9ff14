//! `wheelwright cache` as a user sees it; no engine is needed.

use std::fs;
use std::path::Path;
use std::process::Command;
use std::time::{Duration, SystemTime};

use tempfile::TempDir;

/// What the command says and its exit status, the folder's path replaced.
fn said(cache: &Path, args: &[&str]) -> String {
    let output = Command::new(env!("CARGO_BIN_EXE_wheelwright"))
        .arg("cache")
        .args(args)
        .env("WHEELWRIGHT_CACHE_DIR", cache)
        .env_remove("WHEELWRIGHT_CACHE_SIZE")
        .output()
        .expect("the command");
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).replace(&cache.display().to_string(), "CACHE");
    let code = output.status.code().unwrap_or(-1);
    format!(
        "{}{}exit status {code}\n",
        text(&output.stdout),
        text(&output.stderr)
    )
}

fn filled() -> TempDir {
    let folder = TempDir::new().expect("a folder");
    said(folder.path(), &["show"]);
    // The large one was not used for longest.
    for (name, size, hours) in [("one", 1_200_000, 2), ("two", 3_000, 1)] {
        let wheel = folder.path().join("wheels").join(name.repeat(8));
        fs::create_dir_all(&wheel).expect("a folder");
        let path = wheel.join(format!("{name}-1-py3-none-any.whl"));
        fs::write(&path, vec![0; size]).expect("a file");
        let used = SystemTime::now() - Duration::from_hours(hours) - Duration::from_mins(5);
        let file = fs::File::open(path).expect("the file");
        file.set_modified(used).expect("another time");
    }
    folder
}

#[test]
fn the_cache_is_shown_and_pruned() {
    let cache = filled();
    let all = [
        said(cache.path(), &[]),
        said(cache.path(), &["prune"]),
        said(cache.path(), &["prune", "--keep-bytes", "10kB"]),
        said(cache.path(), &["prune", "--all"]),
        said(cache.path(), &["show", "--json"]),
        said(cache.path(), &["dir"]),
    ];
    insta::assert_snapshot!(all.join("\n"));
}

#[test]
fn what_cannot_be_is_told() {
    let folder = TempDir::new().expect("a folder");
    let file = folder.path().join("file");
    fs::write(&file, "").expect("a file");
    let all = [
        said(&file, &[]),
        said(folder.path(), &["prune", "--keep-bytes", "much"]),
        said(folder.path(), &["prune", "--all", "--keep-bytes", "1GB"]),
    ];
    insta::assert_snapshot!(all.join("\n"));
}
