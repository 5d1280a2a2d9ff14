//! What a store holds on every engine: layers in every format, an engine that cannot take them, and a store in a folder.

use crate::engine::engines;
use crate::store::{Shop, layers_of};

/// What the service of a [`Shop`] prints.
const SAID: &str = "alpha beta gamma";

/// Layers in a format, pushed as asked and then found by what the manifest says.
fn in_format(format: &str) {
    let Some(engines) = engines() else { return };
    let mut shop = Shop::new(&engines, format);
    shop.run(&["wheels", "push", "--format", format]).ok();
    shop.pack(format);
    let again = shop.run(&["wheels", "push"]).ok();
    assert!(again.contains(": 0 stored, 0 B sent"), "{again}");
    assert!(shop.run(&["wheels", "verify"]).ok().contains(": 0 wrong"));
    shop.end_server();
    let layers = shop.layers();

    let image = engines.image(&format!("store-{format}"));
    let output = format!("--output=type=image,name={image},push=true");
    engines.buildctl(shop.path(), "api", &[&output]).ok();
    assert!(layers.is_subset(&layers_of(&engines, &image)), "buildkitd");
    // By the dockerd that shares nothing with the one that builds below.
    let host = &engines.docker_graph;
    let ran = engines.docker(host, &["run", "--rm", "--pull=always", &image]);
    assert!(ran.ok().contains(SAID));

    let image = engines.image(&format!("store-{format}-docker"));
    let host = &engines.docker;
    engines
        .buildx(
            host,
            shop.path(),
            "api",
            &image,
            &["--load", "--provenance=false"],
        )
        .ok();
    let ran = engines.docker(host, &["run", "--rm", "--pull=never", &image]);
    assert!(ran.ok().contains(SAID));
    engines.docker(host, &["push", &image]).ok();
    assert!(layers.is_subset(&layers_of(&engines, &image)), "dockerd");
}

#[test]
fn zstd_layers_are_built_from_and_run() {
    in_format("zstd");
}

#[test]
fn estargz_layers_are_built_from_and_run() {
    in_format("estargz");
}

#[test]
fn an_engine_that_cannot_merge_says_so_once() {
    let Some(engines) = engines() else { return };
    let shop = Shop::new(&engines, "graph");
    shop.run(&["wheels", "push"]).ok();
    let (host, image) = (&engines.docker_graph, "e2e/store-graph:latest");
    let note = "this engine cannot merge layers: the wheel store is not used";
    // buildx repeats a warning at the end, after its number of all.
    let said = engines.buildx(host, shop.path(), "api", image, &[]).ok();
    assert!(said.contains("1 warning found") && said.contains(note), "{said}");
    let plain = ["--load", "-t", image, "--progress=plain"];
    let build = ["build", "api", "--addr", host];
    let said = shop.run(&[&build[..], &plain].concat()).ok();
    assert_eq!(said.matches(note).count(), 1, "{said}");
    let ran = engines.docker(host, &["run", "--rm", image]).ok();
    assert!(ran.contains(SAID), "{ran}");
}

#[test]
fn a_store_in_a_folder_takes_the_stores_place() {
    let Some(engines) = engines() else { return };
    let mut shop = Shop::new(&engines, "folder");
    shop.run(&["wheels", "push"]).ok();
    let folder = shop.path().join("wheels.store").display().to_string();
    shop.run(&["wheels", "export", &folder]).ok();
    // What is known of the base is in it, so that nobody has to ask one.
    let blobs = std::fs::read_dir(format!("{folder}/blobs/sha256")).expect("blobs");
    let mut blobs = blobs.map(|blob| std::fs::read(blob.expect("a blob").path()).expect("its bytes"));
    let catalog = "io.wheelwright.catalog.base-";
    assert!(blobs.any(|blob| String::from_utf8_lossy(&blob).contains(catalog)));
    let layers = shop.layers();
    // Nobody else has the wheels any more.
    shop.end_server();
    let image = engines.image("store-folder");
    let context = format!("wheels=oci-layout://{folder}");
    let more = [
        "--build-context",
        &context,
        "--build-arg",
        "WHEELWRIGHT_WHEEL_STORE=none",
        "--load",
        "--provenance=false",
    ];
    let host = &engines.docker;
    engines.buildx(host, shop.path(), "api", &image, &more).ok();
    let ran = engines.docker(host, &["run", "--rm", "--pull=never", &image]);
    assert!(ran.ok().contains(SAID));
    engines.docker(host, &["push", &image]).ok();
    assert!(layers.is_subset(&layers_of(&engines, &image)));
}
