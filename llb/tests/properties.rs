//! What holds for every graph: the order of declaration never enters where it has no meaning, bytes survive decoding,
//! and definitions can be taken in again.

use buildkit_llb::{
    BindMount, Copy, Exec, FileOp, HttpSource, LocalSource, MarshalOptions, Mount, Owner, Sharing, Source,
    State, digest_of, encode_op, merge,
};
use buildkit_proto::pb;
use proptest::collection::vec;
use proptest::prelude::*;
use proptest::sample::Index;
use prost::Message as _;
use std::collections::BTreeSet;

type HttpStep = fn(HttpSource) -> HttpSource;
type LocalStep = fn(LocalSource) -> LocalSource;
type ExecStep = fn(Exec, &State, &State) -> Exec;

const HTTP: [HttpStep; 6] = [
    |http| http.checksum("sha256:00"),
    |http| http.filename("a.whl"),
    |http| http.perm(0o644),
    |http| http.uid(1000).gid(1000),
    |http| http.name("fetch a").ignore_cache(),
    |http| http.description("x", "1").description("y", "2"),
];

const LOCAL: [LocalStep; 5] = [
    |local| local.session_id("s"),
    |local| local.include_patterns(["src", "!src/x"]),
    |local| local.follow_paths(["a"]),
    |local| local.shared_key_hint("hint"),
    |local| {
        local
            .description("b", "2")
            .description("a", "1")
            .export_cache(true)
    },
];

/// Environment variables keep their order, so one step sets them all.
const EXEC: [ExecStep; 12] = [
    |exec, wheel, _| exec.mount(Mount::bind("/w", wheel.clone()).readonly()),
    |exec, _, code| exec.mount(Mount::bind("/code", code.clone()).selector("/src")),
    |exec, _, _| exec.mount(Mount::bind("/out", State::scratch())),
    |exec, _, code| exec.mount(Mount::bind("/again", code.clone()).no_output()),
    |exec, _, _| exec.mount(Mount::cache("/cache/uv", "uv").sharing(Sharing::Locked)),
    |exec, _, _| exec.mount(Mount::cache("/cache/pip", "pip")),
    |exec, _, _| exec.mount(Mount::tmpfs("/tmp").size(1 << 20)),
    |exec, _, _| exec.mount(Mount::secret("/run/secrets/b", "b").optional()),
    |exec, _, _| exec.mount(Mount::secret("/run/secrets/a", "a")),
    |exec, _, _| exec.secret_env("TOKEN", "t", true).env("A", "1").env("B", "2"),
    |exec, _, _| exec.secret_env("API_KEY", "k", false),
    |exec, _, _| exec.user("app").cwd("/src").name("run").description("k", "v"),
];

fn apply<T, S>(builder: T, steps: &[S], step: impl Fn(T, &S) -> T) -> T {
    steps.iter().fold(builder, step)
}

/// The graph of the order test; every argument is the same list in some order.
fn graph(http: &[HttpStep], local: &[LocalStep], exec: &[ExecStep]) -> State {
    let wheel = apply(Source::http("https://index.example/a.whl"), http, |b, step| {
        step(b)
    })
    .build();
    let code = apply(Source::local("context"), local, |b, step| step(b)).build();
    let root = Source::image("python").build();
    let exec = apply(Exec::new(["make"]).root(root), exec, |b, step| {
        step(b, &wheel, &code)
    })
    .build();
    let out = exec.output("/out").unwrap();
    let code = exec.output("/code").unwrap();
    merge([
        exec.root(),
        FileOp::on(out).copy(Copy::from(&code, "/", "/app")).build(),
    ])
}

/// An operation on states made before; the graph strategy picks them.
#[derive(Clone, Debug)]
enum Step {
    Image(String),
    Http(String, Option<String>),
    Local(Vec<String>),
    Exec {
        args: Vec<String>,
        env: Vec<(String, String)>,
        root: Index,
        mounts: Vec<(String, Index, u8)>,
    },
    File {
        base: Index,
        source: Index,
        paths: Vec<String>,
        owner: Option<(u32, u32)>,
        data: Vec<u8>,
        mode: u32,
    },
    Merge(Vec<Index>),
    Diff(Index, Index),
}

fn steps() -> impl Strategy<Value = Vec<Step>> {
    let text = "[ -~ü\n]{0,12}";
    let path = "[a-z/.]{1,8}";
    let mount = ("/[a-z]{1,6}", any::<Index>(), 0..6_u8);
    let step = prop_oneof![
        "[a-z]{1,8}".prop_map(Step::Image),
        (text, proptest::option::of(text)).prop_map(|(url, sum)| Step::Http(url, sum)),
        vec(text, 0..3).prop_map(Step::Local),
        (
            vec(text, 1..3),
            vec(("[A-Z]{1,3}", text), 0..3),
            any::<Index>(),
            vec(mount, 0..5)
        )
            .prop_map(|(args, env, root, mounts)| Step::Exec {
                args,
                env,
                root,
                mounts
            }),
        (
            any::<Index>(),
            any::<Index>(),
            vec(path, 1..4),
            proptest::option::of(any::<(u32, u32)>()),
            any::<Vec<u8>>(),
            any::<u32>()
        )
            .prop_map(|(base, source, paths, owner, data, mode)| Step::File {
                base,
                source,
                paths,
                owner,
                data,
                mode
            }),
        vec(any::<Index>(), 0..4).prop_map(Step::Merge),
        any::<(Index, Index)>().prop_map(|(lower, upper)| Step::Diff(lower, upper)),
    ];
    vec(step, 1..12)
}

fn build(steps: &[Step]) -> State {
    let mut states = vec![State::scratch()];
    for step in steps {
        let get = |index: &Index| index.get(&states).clone();
        let state = match step {
            Step::Image(name) => Source::image(name).name(name).build(),
            Step::Http(url, sum) => {
                let http = Source::http(url);
                sum.iter().fold(http, HttpSource::checksum).build()
            }
            Step::Local(patterns) => Source::local("context").include_patterns(patterns).build(),
            Step::Exec {
                args,
                env,
                root,
                mounts,
            } => {
                let exec = Exec::new(args).root(get(root)).envs(env.clone());
                mounts
                    .iter()
                    .fold(exec, |exec, (dest, from, kind)| {
                        mount(exec, dest, get(from), *kind)
                    })
                    .build()
                    .root()
            }
            Step::File {
                base,
                source,
                paths,
                owner,
                data,
                mode,
            } => {
                let owner = owner.map(|(uid, gid)| Owner::ids(uid, gid));
                let op = FileOp::on(get(base)).mkfile(&paths[0], *mode, data.clone(), owner.clone());
                let source = get(source);
                paths
                    .iter()
                    .fold(op, |op, path| op.copy(Copy::from(&source, path, path)))
                    .mkdir(&paths[0], *mode, true, owner)
            }
            .build(),
            Step::Merge(inputs) => merge(inputs.iter().map(get)),
            Step::Diff(lower, upper) => buildkit_llb::diff(get(lower), get(upper)),
        };
        states.push(state);
    }
    states.pop().unwrap_or_default()
}

fn mount(exec: Exec, dest: &str, from: State, kind: u8) -> Exec {
    let bind = |change: fn(BindMount) -> BindMount| change(Mount::bind(dest, from.clone()));
    match kind {
        0 => exec.mount(bind(|m| m)),
        1 => exec.mount(bind(BindMount::readonly)),
        2 => exec.mount(bind(BindMount::no_output)),
        3 => exec.mount(Mount::cache(dest, "id").from(from)),
        4 => exec.mount(Mount::secret(dest, "id")),
        _ => exec.mount(Mount::ssh("id")),
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(1000))]

    #[test]
    fn order_of_declaration_does_not_matter(
        http in Just(HTTP.to_vec()).prop_shuffle(),
        local in Just(LOCAL.to_vec()).prop_shuffle(),
        exec in Just(EXEC.to_vec()).prop_shuffle(),
    ) {
        let options = MarshalOptions::default();
        let want = graph(&HTTP, &LOCAL, &EXEC).marshal(&options);
        let got = graph(&http, &local, &exec).marshal(&options);
        prop_assert_eq!(got.digest(), want.digest());
        prop_assert_eq!(got.to_pb(), want.to_pb());
        prop_assert_eq!(got.caps(), want.caps());
    }
}

proptest! {
    #[test]
    fn definitions_hold_together(steps in steps()) {
        let state = build(&steps);
        let options = MarshalOptions { local_unique_id: "u".to_owned(), ..MarshalOptions::default() };
        let definition = state.marshal(&options);
        let message = definition.to_pb();

        // A second marshalling, and one of a graph built a second time, give the same.
        prop_assert_eq!(&message, &state.marshal(&options).to_pb());
        prop_assert_eq!(&message, &build(&steps).marshal(&options).to_pb());

        let mut known = BTreeSet::new();
        for bytes in &message.def {
            let op = pb::Op::decode(bytes.as_slice()).unwrap();
            for input in &op.inputs {
                prop_assert!(known.contains(&input.digest), "an input after its user");
            }
            prop_assert_eq!(&encode_op(op), bytes);
            prop_assert!(known.insert(digest_of(bytes)), "an operation twice");
        }
        prop_assert_eq!(message.metadata.keys().cloned().collect::<BTreeSet<_>>(), known);

        // Sent over the wire and taken in again it is the same.
        let sent = pb::Definition::decode(message.encode_to_vec().as_slice()).unwrap();
        let imported = State::from_definition(&sent).unwrap().marshal(&MarshalOptions::default());
        prop_assert_eq!(imported.to_pb(), sent);
        prop_assert_eq!(imported.digest(), definition.digest());
    }
}
