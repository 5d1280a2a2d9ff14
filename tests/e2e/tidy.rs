//! Stores that are copied and tidied up: layers and what is known of bases.

use std::collections::BTreeSet;
use std::process::Command;

use crate::built::source;
use crate::engine::{engines, run, wheelwright};
use crate::index::Index;
use crate::project::Project;
use crate::store::Shop;

/// The tags of a store that are of bases.
fn bases(store: &str) -> BTreeSet<String> {
    let (host, path) = store.split_once('/').expect("a registry");
    let list = run(Command::new("curl").args(["-s", &format!("http://{host}/v2/{path}/tags/list")])).ok();
    let list: serde_json::Value = serde_json::from_str(&list).expect("JSON");
    let tags = list["tags"].as_array().into_iter().flatten();
    let tags = tags.filter_map(|tag| tag.as_str().filter(|tag| tag.starts_with("base-")));
    tags.map(str::to_owned).collect()
}

#[test]
fn stores_are_mirrored_and_pruned() {
    let Some(engines) = engines() else { return };
    let shop = Shop::new(&engines, "tidy");
    // A base whose registry this machine reaches.
    let base = format!("{}/library/python", engines.registry);
    shop.edit("python:3.11-slim", &format!("{base}:3.11-slim"));
    shop.run(&["wheels", "push"]).ok();
    let all = shop.layers().len();
    let known = bases(shop.store());
    assert_eq!(known.len(), 1, "{known:?}");
    let mirror = format!("{}-mirror", shop.store());
    let copied = shop.run(&["wheels", "mirror", &mirror]).ok();
    assert!(copied.contains(&format!("{all} copied")), "{copied}");
    assert_eq!(bases(&mirror), known);
    assert!(
        shop.run(&["wheels", "mirror", &mirror])
            .ok()
            .contains(": 0 copied")
    );
    assert!(shop.run(&["wheels", "prune"]).ok().contains("0 layers of"));

    // Without alpha its layer is not needed.
    let lock = shop.path().join("pylock.toml");
    let text = std::fs::read_to_string(&lock).expect("the lock");
    let (head, rest) = text
        .split_once("\n[[packages]]\nname = \"alpha\"")
        .expect("alpha");
    let (_, tail) = rest.split_once("\n[[packages]]").expect("what follows");
    std::fs::write(&lock, format!("{head}\n[[packages]]{tail}")).expect("a file");
    let shown = shop.run(&["wheels", "prune"]).ok();
    assert!(
        shown.contains("1 layer of") && shown.contains("would be removed") && shown.contains("alpha 1.0"),
        "{shown}"
    );
    assert_eq!(shop.layers().len(), all);
    shop.run(&["wheels", "prune", "--yes"]).ok();
    assert_eq!(shop.layers().len(), all - 1);
    assert_eq!(bases(shop.store()), known);

    // Another base is another image, unless a lock says that it is the one.
    let nothing = "0".repeat(64);
    shop.edit(":3.11-slim", &format!("@sha256:{nothing}"));
    let key = known.first().expect("a base");
    let record = format!("\n[tool.wheelwright.layers]\n{key} = {{ manifest = \"sha256:{nothing}\" }}\n");
    let text = std::fs::read_to_string(&lock).expect("the lock");
    std::fs::write(&lock, text.clone() + &record).expect("a file");
    let shown = shop.run(&["wheels", "prune"]).ok();
    assert!(!shown.contains(key.as_str()), "{shown}");
    std::fs::write(&lock, text).expect("a file");
    let shown = shop.run(&["wheels", "prune"]).ok();
    assert!(
        shown.contains("0 layers and what is known of 1 base of") && shown.contains(key.as_str()),
        "{shown}"
    );
    assert_eq!(bases(shop.store()), known);
    shop.run(&["wheels", "prune", "--yes"]).ok();
    assert!(bases(shop.store()).is_empty());

    // Who cannot look a base up removes nothing that is known of any.
    shop.edit(&format!("{base}@sha256:{nothing}"), "127.0.0.1:9/python:1");
    let shown = shop.run(&["wheels", "prune", "--wheel-store", &mirror]).ok();
    assert!(shown.contains("all that is known of bases is kept"), "{shown}");
}

#[test]
fn layers_that_were_built_stay_while_a_lock_has_their_source() {
    let Some(engines) = engines() else { return };
    let project = Project::new();
    let folder = source(&project, "untidy", "untidy", include_str!("untidy.py"));
    let index = Index::serve("", &[&format!("untidy==1.0@{}", folder.display()), "aa==1.0"]);
    let root = index.root();
    let port = root.rsplit(':').next().expect("a port");
    let store = format!("{}/e2e/store-built-{port}", engines.registry);
    project.edit("requirements: [requirements.txt]", "lock: pylock.toml");
    project.edit(
        "services:\n",
        &format!("wheel_store: {store}\ndefaults: {{bytecode: false}}\nservices:\n"),
    );
    let wheel = index.lock(&root, &["aa"]);
    let built = format!(
        "\n[[packages]]\nname = \"untidy\"\nversion = \"1.0\"\nsdist = {{ url = \"{}\", hashes = {{ sha256 = \"{}\" }} }}\n",
        index.file("untidy", "untidy-1.0.tar.gz"),
        index.sha256("untidy")
    );
    project.write("pylock.toml", &(wheel.clone() + &built));
    let command = |args: &[&str]| run(wheelwright(args).current_dir(project.path()));
    let pushed = command(&["wheels", "push", "--progress=plain"]).ok();
    assert!(pushed.contains("untidy 1.0  stored"), "{pushed}");
    let shown = command(&["wheels", "prune"]).ok();
    assert!(shown.contains("0 layers of"), "{shown}");
    project.write("pylock.toml", &wheel);
    let shown = command(&["wheels", "prune"]).ok();
    assert!(
        shown.contains("1 layer of") && shown.contains("untidy 1.0"),
        "{shown}"
    );
}
