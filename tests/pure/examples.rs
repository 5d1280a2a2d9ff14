//! Every folder of `examples/` is a test: all its services become graphs, and each graph is written down.

use std::fs;

use wheelwright::diag::SourceFile;
use wheelwright::manifest;

use crate::scripted::{build, engine, examples, graph, show};

#[test]
fn every_example_is_well_described_and_its_graphs_are_as_written_down() {
    let mut seen = 0;
    for folder in fs::read_dir(examples())
        .expect("examples")
        .map(|entry| entry.expect("an entry").path())
    {
        let text = fs::read_to_string(folder.join("wheelwright.yaml")).expect("a manifest");
        let name = folder
            .file_name()
            .unwrap_or_default()
            .to_string_lossy()
            .into_owned();
        let (manifest, warnings) =
            manifest::parse(&SourceFile::new("wheelwright.yaml", text)).expect("no mistakes");
        assert!(warnings.is_empty(), "{warnings:?}");
        for (service, _) in &manifest.services {
            let (engine, outcome) = build(engine(&folder, &[]), &[("target", &service.value)]);
            outcome.unwrap_or_else(|failure| panic!("{name} {}: {failure}", service.value));
            insta::assert_snapshot!(format!("{name}-{}", service.value), show(&graph(&engine)));
            seen += 1;
        }
    }
    assert!(seen >= 7, "only {seen} services");
}
