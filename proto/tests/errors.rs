//! Error details against those that BuildKit's Go code packs; `tests/golden` at the root of the repository makes them.

use buildkit_proto::errdefs::{
    Detail, Frontend, FrontendCap, Position, Range, Source, SourceInfo, Subrequest, Vertex,
};
use buildkit_proto::{pb, rpc};
use serde::Deserialize;
use std::collections::BTreeMap;
use std::fmt::Debug;
use std::path::Path;

#[derive(Deserialize)]
struct Golden {
    type_url: String,
    value: String,
}

fn golden() -> BTreeMap<String, Golden> {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../tests/golden/errors.json");
    serde_json::from_str(&std::fs::read_to_string(path).unwrap()).unwrap()
}

fn check<T: Detail + PartialEq + Debug>(golden: &mut BTreeMap<String, Golden>, name: &str, detail: &T) {
    let want = golden.remove(name).unwrap();
    let any = detail.to_any();
    assert_eq!(any.type_url, want.type_url, "{name}");
    assert_eq!(String::from_utf8_lossy(&any.value), want.value, "{name}");
    assert_eq!(T::from_any(&any).as_ref(), Some(detail), "{name}");
}

fn range(start: (i32, i32), end: (i32, i32)) -> Range {
    let position = |(line, character)| Position { line, character };
    Range {
        start: position(start),
        end: position(end),
    }
}

#[test]
fn details_are_those_of_go() {
    let mut golden = golden();
    let golden = &mut golden;
    let source = Source {
        info: Some(SourceInfo {
            filename: "service.yaml".to_owned(),
            data: "name: <ü>\n".into(),
            definition: None,
            language: "YAML".to_owned(),
        }),
        ranges: vec![range((1, 2), (1, 7)), range((3, 0), (4, 0))],
    };
    let definition = SourceInfo {
        filename: "Dockerfile".to_owned(),
        definition: Some(serde_json::json!({"def": ["AQ=="]})),
        ..SourceInfo::default()
    };
    check(golden, "source", &source);
    check(golden, "source-empty", &Source::default());
    check(
        golden,
        "source-definition",
        &Source {
            info: Some(definition),
            ranges: vec![],
        },
    );
    check(
        golden,
        "vertex",
        &Vertex {
            digest: format!("sha256:{}", "0".repeat(64)),
        },
    );
    let frontend = Frontend {
        name: "gateway.v0".to_owned(),
        source: "ghcr.io/example/frontend".to_owned(),
    };
    check(golden, "frontend", &frontend);
    check(
        golden,
        "frontend-cap",
        &FrontendCap {
            name: "moby.buildkit.frontend.inputs".to_owned(),
        },
    );
    check(
        golden,
        "subrequest",
        &Subrequest {
            name: "frontend.lint".to_owned(),
        },
    );
    assert!(golden.is_empty(), "not checked: {:?}", golden.keys());
}

#[test]
fn other_details_are_left_alone() {
    let vertex = Vertex {
        digest: "sha256:00".to_owned(),
    };
    let mut foreign = vertex.to_any();
    foreign.type_url = "github.com/moby/buildkit/stack.Stack+json".to_owned();
    let mut broken = vertex.to_any();
    broken.value = b"{".to_vec();
    let status = rpc::Status {
        code: 2,
        message: String::new(),
        details: vec![foreign, broken, vertex.to_any(), vertex.to_any()],
    };
    assert_eq!(Vertex::all(&status), [vertex.clone(), vertex]);
    assert_eq!(Source::all(&status), []);
}

#[test]
fn null_lists_are_empty() {
    let source: Source = serde_json::from_str(r#"{"info":{"data":null},"ranges":null}"#).unwrap();
    assert_eq!(
        source,
        Source {
            info: Some(SourceInfo::default()),
            ranges: vec![]
        }
    );
}

#[test]
fn ranges_convert_both_ways() {
    let range = range((1, 2), (3, 4));
    assert_eq!(Range::from(&pb::Range::from(range)), range);
    assert_eq!(Range::from(&pb::Range::default()), Range::default());
}
