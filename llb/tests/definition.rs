//! What a definition tells about itself, and what is refused when one is taken in.

use buildkit_llb::{
    Copy, Diff, Exec, FileOp, ImportError, MarshalOptions, Mount, OpKind, Range, Source, SourceMap, State,
    cap, merge,
};
use buildkit_proto::pb;
use prost::Message as _;

fn options() -> MarshalOptions {
    MarshalOptions::default()
}

#[test]
fn missing_capabilities_name_their_steps() {
    let layer = |name: &str| {
        Exec::new([name])
            .mount(Mount::bind("/x", State::scratch()))
            .build()
            .root()
    };
    let merged = buildkit_llb::Merge::new([layer("a"), layer("b")])
        .name("merge wheels")
        .build();
    let diffed = Diff::new(merged.clone(), layer("c")).name("one").build();
    let local = Source::local("context").build();
    let code = |name| {
        let copy = Copy::from(&local, "/", "/").include(["src"]);
        FileOp::on(diffed.clone()).copy(copy).name(name).build()
    };
    let definition = merge([code("code"), code("more code").clone()]).marshal(&options());

    definition.check(|_| true).unwrap();
    let error = definition
        .check(|c| c != cap::DIFF_OP && c != cap::FILE_COPY_INCLUDE_EXCLUDE)
        .unwrap_err();
    // Both copies have equal bytes: they are one step, which has the later name.
    assert_eq!(
        error.to_string(),
        "the build engine lacks `diffop`, needed by `one`; \
         `file.copy.includeexcludepatterns`, needed by `more code`"
    );
    let error = definition.check(|cap| cap != "mergeop").unwrap_err();
    assert_eq!(error.missing[0].steps, ["merge wheels", "merge 2"]);
    assert_eq!(
        error.to_string(),
        "the build engine lacks `mergeop`, needed by `merge wheels` and 1 more"
    );
    let error = definition.check(|cap| cap != cap::CONSTRAINTS).unwrap_err();
    assert_eq!(error.to_string(), "the build engine lacks `constraints`");
}

#[test]
fn never_asks_for_what_no_daemon_lists() {
    let local = Source::local("context").build();
    let copied = FileOp::on(State::scratch())
        .copy(Copy::from(&local, "/", "/").mode_str("u+x").always_replace())
        .build();
    let exec = Exec::new(["x"]).root(copied).build().root().marshal(&options());
    let caps = exec.caps();
    assert!(caps.contains(cap::FILE_COPY_ALWAYS_REPLACE), "{caps:?}");
    assert!(!caps.contains("file.copy.modestring"), "{caps:?}");
    assert!(!caps.contains("exec.meta.removemountstubs.recursive"), "{caps:?}");
}

#[test]
fn tells_its_steps() {
    let image = Source::image("python").name("base").build();
    let definition = FileOp::on(image)
        .mkdir("/a", 0o755, false, None)
        .rm("/b", true, false)
        .build()
        .marshal(&options());
    let steps: Vec<_> = definition
        .vertices()
        .map(|v| (v.kind, v.name.to_owned(), v.inputs.to_vec()))
        .collect();
    let base = definition.vertices().next().unwrap().digest.to_owned();
    assert_eq!(
        steps,
        [
            (OpKind::Source, "base".to_owned(), vec![]),
            (OpKind::File, "mkdir /a, rm /b".to_owned(), vec![(base, 0)]),
        ]
    );
    assert_eq!(definition.head(), definition.vertices().last().map(|v| v.digest));
    let scratch = State::scratch().marshal(&options());
    assert!(scratch.is_scratch() && scratch.head().is_none() && scratch.vertices().next().is_none());
    assert_eq!(scratch.to_pb(), pb::Definition::default());
}

#[test]
fn an_exec_says_which_mounts_it_keeps() {
    let exec = Exec::new(["x"])
        .root_readonly()
        .mount(Mount::bind("/out", State::scratch()))
        .mount(Mount::cache("/c", "id"))
        .build();
    assert!(exec.output("/out").is_ok());
    assert!(exec.root().is_scratch());
    assert_eq!(
        exec.output("/c").unwrap_err().to_string(),
        "the exec keeps nothing of `/c`; expected a writable mount with an output: `/out`"
    );
}

#[test]
fn operations_from_the_future_pass_unchanged() {
    // Field 99 of the operation, which no version has.
    let mut op = Source::image("a").build().marshal(&options()).to_pb().def[0].clone();
    op.extend([0x9a, 0x06, 1, b'x']);
    let digest = buildkit_llb::digest_of(&op);
    let result = pb::Op {
        inputs: vec![pb::Input {
            digest: digest.clone(),
            index: 3,
        }],
        ..pb::Op::default()
    };
    let name = pb::OpMetadata {
        description: [("llb.customname".into(), "new".into())].into(),
        ..Default::default()
    };
    let definition = pb::Definition {
        def: vec![op.clone(), result.encode_to_vec()],
        metadata: [(digest.clone(), name)].into(),
        source: None,
    };
    let state = State::from_definition(&definition).unwrap();
    let copied = FileOp::on(state)
        .mkdir("/a", 0o755, false, None)
        .build()
        .marshal(&options())
        .to_pb();
    assert_eq!(copied.def[0], op);
    assert_eq!(copied.metadata[&digest].description["llb.customname"], "new");
    let user = pb::Op::decode(copied.def[1].as_slice()).unwrap();
    assert_eq!(user.inputs, [pb::Input { digest, index: 3 }]);
}

#[test]
fn refuses_what_is_no_graph() {
    let map = SourceMap::new("a.yaml", "YAML", "x");
    let located = FileOp::on(Source::image("a").build())
        .mkdir("/a", 0o755, false, None)
        .location(&map, [Range::line(1)]);
    let good = located.build().marshal(&options()).to_pb();
    let error = |change: fn(&mut pb::Definition)| {
        let mut definition = good.clone();
        change(&mut definition);
        State::from_definition(&definition).unwrap_err()
    };
    let decode = error(|definition| definition.def[0] = vec![0xff]);
    assert!(matches!(decode, ImportError::Decode { index: 0, .. }), "{decode}");
    let unknown = error(|definition| drop(definition.def.remove(0)));
    assert!(matches!(unknown, ImportError::UnknownInput { .. }), "{unknown}");
    let terminal = error(|definition| definition.def.truncate(1));
    assert_eq!(terminal, ImportError::Terminal { inputs: 0 });
    let file = error(|definition| definition.source.as_mut().unwrap().infos.clear());
    assert!(
        matches!(
            file,
            ImportError::UnknownFile {
                index: 0,
                files: 0,
                ..
            }
        ),
        "{file}"
    );
}

#[test]
fn debug_output_stays_small() {
    let mut state = Source::image("a").build();
    for _ in 0..64 {
        state = merge([state.clone(), state]);
    }
    assert_eq!(
        format!("{state:?}"),
        "State { output: Some(merge[0]), platform: None }"
    );
}

#[test]
fn a_long_chain_needs_no_deep_stack() {
    let mut state = Source::image("a").build();
    for number in 0..20_000 {
        state = FileOp::on(state)
            .mkdir(format!("/{number}"), 0o755, false, None)
            .build();
    }
    let definition = state.marshal(&options());
    assert_eq!(definition.vertices().count(), 20_001);
    State::from_definition(&definition.to_pb()).unwrap();
}
