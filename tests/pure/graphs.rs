//! Properties of whole graphs.

use wheelwright::bridge::{Refs, Stat};

use crate::scripted::{build, engine, examples, graph, show};

#[test]
fn without_merge_one_exec_installs_everything() {
    let folder = examples().join("hello");
    let (engine, outcome) = build(engine(&folder, &["mergeop", "diffop"]), &[]);
    outcome.expect("a build");
    insta::assert_snapshot!(show(&graph(&engine)));
}

#[test]
fn without_links_in_file_operations_an_archive_has_them() {
    let folder = examples().join("hello");
    let names = |lacks: &[&str]| {
        let (engine, outcome) = build(engine(&folder, lacks), &[]);
        outcome.expect("a build");
        show(&graph(&engine))
    };
    assert!(!names(&[]).contains(PACK));
    assert!(names(&["file.symlink.create"]).contains(PACK));
}

/// The vertex of an archive with folders and links.
const PACK: &str = "[internal] folders and links";

#[test]
fn folders_of_the_base_are_laid_down_as_they_are_there() {
    let folder = examples().join("hello");
    let names = |mode: u32, lacks: &[&str]| {
        let mut engine = engine(&folder, lacks);
        let stat = Stat {
            folder: true,
            mode,
            uid: 0,
            gid: 0,
        };
        engine.folders.insert("/app".to_owned(), stat);
        let (engine, outcome) = build(engine, &[]);
        outcome.expect("a build");
        show(&graph(&engine))
    };
    assert!(!names(0o755, &[]).contains(PACK));
    assert!(names(0o1777, &[]).contains(PACK));
    assert!(
        !names(0o1777, &["mergeop"]).contains(PACK),
        "a file put into the base's own tree changes no folder"
    );
}

#[test]
fn a_graph_is_stable_to_the_byte() {
    let folder = examples().join("voice");
    let once = || graph(&build(engine(&folder, &[]), &[("target", "stt")]).0);
    let first = once();
    for _ in 0..20 {
        assert_eq!(once(), first);
    }
}

#[test]
fn a_patched_base_changes_no_wheel_vertex() {
    let folder = examples().join("voice");
    let vertices = |config: &str, name: &str| {
        let mut engine = engine(&folder, &[]);
        engine.image_config = config.as_bytes().to_vec();
        let definition = graph(&build(engine, &[("target", "stt")]).0);
        let named = definition.metadata.into_iter().filter(|(_, meta)| {
            meta.description
                .get("llb.customname")
                .is_some_and(|known| known.starts_with(name))
        });
        named.map(|(digest, _)| digest).collect::<Vec<_>>()
    };
    let (old, new) = (
        r#"{"architecture":"amd64","os":"linux"}"#,
        r#"{"architecture":"amd64","os":"linux","a":1}"#,
    );
    for wheel in ["[wheels] numpy", "[wheels] fastapi", "[wheels] anyio"] {
        assert_eq!(vertices(old, wheel), vertices(new, wheel), "{wheel}");
        assert!(!vertices(old, wheel).is_empty(), "{wheel}");
    }
    assert_ne!(
        vertices(old, "[base]"),
        vertices(new, "[base]"),
        "the base itself is another"
    );
}

#[test]
fn imported_caches_are_passed_on_with_every_graph_that_runs() {
    let folder = examples().join("voice");
    let imports = r#"[{"Type":"registry","Attrs":{"ref":"registry.example/cache"}}]"#;
    let (engine, outcome) = build(
        engine(&folder, &[]),
        &[("target", "stt"), ("cache-imports", imports)],
    );
    outcome.expect("a build");
    let solved = engine.solved();
    let with = solved.iter().filter(|(_, caches)| caches.len() == 1).count();
    assert!(
        with >= 3,
        "probe, resolve and image: only {with} of {}",
        solved.len()
    );
    assert_eq!(
        solved.last().expect("a graph").1[0].attrs["ref"],
        "registry.example/cache"
    );
}

#[test]
fn several_platforms_are_one_result_each_with_its_config() {
    let folder = examples().join("hello");
    let (engine, outcome) = build(
        engine(&folder, &[]),
        &[("platform", "linux/arm64,linux/amd64"), ("label:a", "b")],
    );
    let failure = outcome
        .expect_err("numpy has no wheel for arm64 in this lock")
        .to_string();
    assert!(
        failure.contains("`numpy 1.0` has no wheel for linux/arm64"),
        "{failure}"
    );
    assert!(
        failure.contains("in the lock: cp311-cp311-manylinux_2_17_x86_64"),
        "{failure}"
    );
    drop(engine);
}

#[test]
fn the_result_carries_config_and_platform() {
    let folder = examples().join("hello");
    let (engine, outcome) = build(
        engine(&folder, &[]),
        &[("label:a", "b"), ("build-arg:SOURCE_DATE_EPOCH", "0")],
    );
    outcome.expect("a build");
    let outcome = engine.outcome().expect("an end").expect("a result");
    assert!(matches!(outcome.refs, Refs::One(_)));
    let config: serde_json::Value =
        serde_json::from_slice(&outcome.metadata["containerimage.config"]).expect("JSON");
    insta::assert_snapshot!(format!("{config:#}"));
    let platforms = String::from_utf8_lossy(&outcome.metadata["refs.platforms"]).into_owned();
    assert_eq!(
        platforms,
        r#"{"Platforms":[{"ID":"linux/amd64","Platform":{"architecture":"amd64","os":"linux"}}]}"#
    );
    assert_eq!(outcome.metadata["source.date.epoch"], b"0");
}

#[test]
fn subrequests_are_answered() {
    let folder = examples().join("voice");
    for name in [
        "subrequests.describe",
        "targets",
        "outline",
        "lint",
        "wheelwright.schema",
    ] {
        let request = format!("frontend.{name}");
        let (engine, outcome) = build(
            engine(&folder, &[]),
            &[("requestid", &request), ("target", "stt")],
        );
        outcome.unwrap_or_else(|failure| panic!("{name}: {failure}"));
        let metadata = engine.outcome().expect("an end").expect("a result").metadata;
        serde_json::from_slice::<serde_json::Value>(&metadata["result.json"]).expect("JSON");
        assert!(!metadata["result.txt"].is_empty(), "{name}");
        assert_eq!(metadata["result.statuscode"], b"0");
    }
    let (_, outcome) = build(engine(&folder, &[]), &[("requestid", "frontend.unheard")]);
    assert_eq!(
        outcome.expect_err("unknown").to_string(),
        "unsupported request frontend.unheard"
    );
}

#[test]
fn mistakes_reach_buildkit_with_their_place() {
    let folder = examples().join("hello");
    let mut engine = engine(&folder, &[]);
    engine.files.insert(
        "/wheelwright.yaml".to_owned(),
        b"services:\n  a: {bse: x}\n".to_vec(),
    );
    let (engine, outcome) = build(engine, &[]);
    outcome.expect_err("a mistake");
    let status = engine.outcome().expect("an end").expect_err("a failure");
    assert_eq!(status.code, 3);
    let source = status
        .details
        .iter()
        .find(|detail| detail.type_url.ends_with("errdefs.Source+json"));
    let source = String::from_utf8_lossy(&source.expect("a place").value).into_owned();
    assert!(
        source.contains(r#""line":2"#) && source.contains("wheelwright.yaml"),
        "{source}"
    );
}
