//! Filling the store: by builds and by pushes, and what an engine with nothing in it then has to do.

use std::path::Path;
use std::process::Command;

use tempfile::TempDir;

use crate::engine::{engines, run};
use crate::private::PrivateEngine;
use crate::store::Shop;

/// The parts of an engine's cache that take room, by what they say they are.
fn kept(address: &str) -> Vec<(String, String)> {
    let usage = run(Command::new("buildctl").args(["--addr", address, "du", "-v"])).ok();
    let records = usage.split("\n\n").filter(|record| record.starts_with("ID:"));
    let field = |record: &str, name: &str| {
        let line = record.lines().find(|line| line.starts_with(name));
        line.and_then(|line| line.split_once(":\t"))
            .map(|(_, value)| value.trim().to_owned())
    };
    let large = records.filter_map(|record| {
        let size = field(record, "Size").filter(|size| size != "0B")?;
        Some((field(record, "Description").unwrap_or_default(), size))
    });
    large.collect()
}

#[test]
fn a_build_fills_it_and_the_next_engine_unpacks_nothing() {
    let Some(engines) = engines() else { return };
    let mut shop = Shop::new(&engines, "fill");
    shop.edit("defaults: {bytecode: false}\n", "");
    shop.edit(
        "    lock: pylock.toml\n",
        "    lock: pylock.toml\n    user: app\n    working_dir: /srv/app\n",
    );
    let first = shop
        .run(&["build", "api", "--fill-store", "--progress=plain"])
        .ok();
    // Three wheels and their bytecode, light ones in groups that may fall together.
    assert!(first.contains("bytecode of alpha 1.0  stored"), "{first}");
    let again = shop
        .run(&["build", "api", "--fill-store", "--progress=plain"])
        .ok();
    assert!(again.contains(": 0 stored, 0 B sent"), "{again}");

    // Nobody has the wheels any more, and the engine has nothing: no base is unpacked, nothing compiled.
    shop.end_server();
    let buildkitd = run(Command::new("which").arg("buildkitd")).ok();
    let engine = PrivateEngine::start(&engines, Path::new(buildkitd.trim()));
    let address = engine.address();
    let image = engines.image("store-fill");
    engines.store_base(&image);
    let build = [
        "build",
        "api",
        "--addr",
        &address,
        "--push",
        "-t",
        &image,
        "--progress=plain",
    ];
    let said = shop.run(&build).ok();
    assert!(!said.contains("look at the Python"), "{said}");
    let kept = kept(&address);
    let own = |what: &str| what.starts_with("[api]") || what.starts_with("local source");
    assert!(
        !kept.is_empty() && kept.iter().all(|(what, _)| own(what)),
        "{kept:?}"
    );
    assert!(
        shop.layers()
            .is_subset(&crate::store::layers_of(&engines, &image))
    );

    let host = &engines.docker;
    let look = "import alpha; print(alpha.NAME, alpha.__loader__.get_code('alpha').co_filename, open(alpha.__cached__, 'rb').read()[4])";
    let ran = engines
        .docker(
            host,
            &["run", "--rm", "--pull=always", &image, "python", "-c", look],
        )
        .ok();
    assert!(
        ran.contains("alpha /opt/venv/lib/python3.11/site-packages/alpha/__init__.py 1"),
        "{ran}"
    );
    let who = engines.docker(host, &["run", "--rm", &image, "id"]).ok();
    assert!(who.contains("(app)"), "{who}");
}

#[test]
fn what_is_stored_is_what_the_engine_makes() {
    let Some(engines) = engines() else { return };
    let mut shop = Shop::new(&engines, "fill-trees");
    shop.edit("defaults: {bytecode: false}\n", "");
    let tree = |more: &[&str]| {
        let out = TempDir::new().expect("a folder");
        let output = format!("type=local,dest={}", out.path().display());
        let fixed = ["build", "api", "-o", &output, "--progress=plain"];
        shop.run(&[&fixed[..], more].concat()).ok();
        crate::trees::tree(&out.path().join("opt/venv"))
    };
    let from_graph = tree(&["--wheels-from=graph"]);
    shop.run(&["wheels", "push", "--record"]).ok();
    assert_eq!(from_graph, tree(&["--wheels-from=store"]));
    assert!(from_graph.keys().any(|path| path.contains("__pycache__")));
    let lock = std::fs::read_to_string(shop.path().join("pylock.toml")).expect("the lock");
    assert!(lock.contains("\nbase-"), "{lock}");
    // Made again elsewhere, everything is the same to the byte.
    let layers = shop.layers();
    shop.forget("again");
    shop.run(&["wheels", "push"]).ok();
    assert_eq!(layers, shop.layers());
}

#[test]
fn without_an_engine_only_wheels_are_pushed() {
    let Some(engines) = engines() else { return };
    let shop = Shop::new(&engines, "fill-none");
    shop.edit("defaults: {bytecode: false}\n", "");
    let said = shop.run(&["wheels", "push", "--no-engine"]).ok();
    assert!(
        said.contains("that only an engine makes not stored: bytecode of alpha 1.0"),
        "{said}"
    );
    assert!(said.contains("alpha 1.0  stored"), "{said}");
    let said = shop.run(&["wheels", "push"]).ok();
    assert!(
        !said.contains("not stored") && said.contains("bytecode of alpha 1.0  stored"),
        "{said}"
    );
    let nothing = run(Command::new(env!("CARGO_BIN_EXE_wheelwright"))
        .args(["build", "api", "--fill-store", "-C"])
        .arg(crate::project::Project::new().path()));
    assert_eq!(nothing.code, 2, "{}", nothing.text);
}

#[test]
fn a_lock_records_the_layers_that_a_push_stores() {
    let Some(engines) = engines() else { return };
    let project = crate::project::Project::new();
    let store = format!("{}/e2e/store-lock-{}", engines.registry, std::process::id());
    project.edit("services:\n", &format!("wheel_store: {store}\nservices:\n"));
    let folder = project.path().display().to_string();
    engines
        .wheelwright(&["lock", "--layers", "-C", &folder, "--progress=plain"])
        .ok();
    let read = || std::fs::read_to_string(project.path().join("pylock.api.toml")).expect("the lock");
    let recorded = read();
    assert!(
        recorded.contains("[tool.wheelwright.layers]\nbase-"),
        "{recorded}"
    );
    engines
        .wheelwright(&["wheels", "push", "--record", "-C", &folder, "--progress=plain"])
        .ok();
    assert_eq!(recorded, read());
    let said = engines
        .wheelwright(&["build", "api", "-C", &folder, "--progress=plain"])
        .ok();
    assert!(
        !said.contains("look at the Python") && !said.contains("not found"),
        "{said}"
    );
    // The licences come from the wheels.
    let listed = engines
        .wheelwright(&["wheels", "ls", "--json", "-C", &folder])
        .ok();
    assert!(
        listed.matches("\"license\": \"BSD License\"").count() >= 2,
        "{listed}"
    );
}
