//! The client against a real engine: session, file transfers both ways, exporters, caches, cancellation.
//!
//! The graphs are made by hand here, so that what fails is the client and not the frontend. Each test takes the engine
//! from `BUILDKIT_HOST`, as `make engine` sets it.

use std::collections::BTreeMap;
use std::fs;
use std::io::Write as _;
use std::os::unix::fs::{MetadataExt as _, PermissionsExt as _, symlink};
use std::path::Path;
use std::process::{Command, Stdio};
use std::sync::Arc;
use std::time::{Duration, Instant};

use buildkit_proto::gateway::llb_bridge_client::LlbBridgeClient;
use buildkit_proto::gateway::{self, PingRequest, ReturnRequest, result::Result as Made};
use buildkit_proto::pb;
use prost::Message as _;
use sha2::{Digest as _, Sha256};
use tokio_util::sync::CancellationToken;
use wheelwright::client::connect::TlsFiles;
use wheelwright::client::spec::{Cache, Output, SecretSource, Ssh};
use wheelwright::client::{
    Address, BuildRequest, BuildResult, Building, Engine, Error, FailureKind, Source, Update, What,
    WorkError, build,
};
use wheelwright::registry::dockerconfig::DockerConfig;

/// A graph under construction: ops with their digests.
#[derive(Clone, Default)]
struct Graph {
    ops: Vec<(String, Vec<u8>)>,
    names: BTreeMap<String, String>,
}

impl Graph {
    fn add(&mut self, op: &pb::Op, name: &str) -> pb::Input {
        let bytes = op.encode_to_vec();
        let digest = format!("sha256:{}", wheelwright::client::hex(&Sha256::digest(&bytes)));
        self.names.insert(digest.clone(), name.to_owned());
        self.ops.push((digest.clone(), bytes));
        pb::Input { digest, index: 0 }
    }

    fn source(&mut self, identifier: &str, attrs: &[(&str, &str)]) -> pb::Input {
        let attrs = attrs
            .iter()
            .map(|(key, value)| ((*key).to_owned(), (*value).to_owned()))
            .collect();
        let source = pb::SourceOp {
            identifier: identifier.to_owned(),
            attrs,
        };
        self.add(
            &pb::Op {
                op: Some(pb::op::Op::Source(source)),
                ..Default::default()
            },
            identifier,
        )
    }

    /// Runs `sh -c script` in `root` with `extra` mounts, which refer to input 0 onwards.
    fn run(&mut self, root: pb::Input, script: &str, extra: Vec<pb::Mount>) -> pb::Input {
        let meta = pb::Meta {
            args: ["/bin/sh", "-c", script].map(str::to_owned).to_vec(),
            env: vec!["PATH=/usr/local/bin:/usr/bin:/bin".to_owned()],
            cwd: "/".to_owned(),
            ..Default::default()
        };
        let mut mounts = vec![pb::Mount {
            input: 0,
            dest: "/".to_owned(),
            output: 0,
            ..Default::default()
        }];
        mounts.extend(extra);
        let exec = pb::ExecOp {
            meta: Some(meta),
            mounts,
            ..Default::default()
        };
        let op = pb::Op {
            inputs: vec![root],
            op: Some(pb::op::Op::Exec(exec)),
            ..Default::default()
        };
        self.add(&op, &format!("run {script}"))
    }

    fn definition(mut self, result: pb::Input) -> pb::Definition {
        self.add(
            &pb::Op {
                inputs: vec![result],
                ..Default::default()
            },
            "",
        );
        let named = self.names.iter().filter(|(_, name)| !name.is_empty());
        let metadata = named.map(|(digest, name)| {
            let description = BTreeMap::from([("llb.customname".to_owned(), name.clone())]);
            (
                digest.clone(),
                pb::OpMetadata {
                    description,
                    ..Default::default()
                },
            )
        });
        pb::Definition {
            metadata: metadata.collect(),
            def: self.ops.into_iter().map(|op| op.1).collect(),
            ..Default::default()
        }
    }
}

/// The work of a build: solve one definition and return it as the result.
async fn submit(building: Building, definition: pb::Definition) -> Result<(), WorkError> {
    let other = |status: tonic::Status| WorkError::Other(status.message().to_owned());
    let mut bridge =
        LlbBridgeClient::with_interceptor(building.channel, move |mut request: tonic::Request<()>| {
            request
                .metadata_mut()
                .insert("buildkit-controlapi-buildid", building.build_ref.parse().unwrap());
            Ok(request)
        })
        .max_decoding_message_size(16 << 20);
    let pong = bridge.ping(PingRequest {}).await.map_err(other)?.into_inner();
    assert!(!pong.llb_caps.is_empty());
    let imports: Vec<serde_json::Value> =
        serde_json::from_str(building.cache_imports.as_deref().unwrap_or("[]")).unwrap();
    let import = |import: &serde_json::Value| gateway::CacheOptionsEntry {
        r#type: import["Type"].as_str().unwrap().to_owned(),
        attrs: serde_json::from_value(import["Attrs"].clone()).unwrap(),
    };
    let request = gateway::SolveRequest {
        definition: Some(definition),
        allow_result_return: true,
        allow_result_array_ref: true,
        evaluate: true,
        cache_imports: imports.iter().map(import).collect(),
        ..Default::default()
    };
    let solved = bridge.solve(request).await;
    let (result, error) = match solved {
        Ok(response) => (response.into_inner().result, None),
        Err(status) => (
            None,
            Some(buildkit_proto::rpc::Status::decode(status.details()).unwrap()),
        ),
    };
    let result = result.map(|mut result| {
        let config =
            br#"{"architecture":"amd64","os":"linux","rootfs":{"type":"layers"},"config":{"Cmd":["true"]}}"#;
        result
            .metadata
            .insert("containerimage.config".to_owned(), config.to_vec());
        assert!(matches!(result.result, Some(Made::Ref(_))));
        result
    });
    bridge
        .r#return(ReturnRequest { result, error })
        .await
        .map_err(other)?;
    Ok(())
}

async fn engine() -> Option<Engine> {
    std::env::var_os("WHEELWRIGHT_E2E")?;
    let address: Address = std::env::var("BUILDKIT_HOST")
        .expect("BUILDKIT_HOST is set")
        .parse()
        .unwrap();
    Some(Engine::connect(&address, &TlsFiles::default()).await.unwrap())
}

async fn docker(variable: &str) -> Option<Engine> {
    std::env::var_os("WHEELWRIGHT_E2E")?;
    let address = Address::docker_host(&std::env::var(variable).ok()?).unwrap();
    Some(Engine::connect(&address, &TlsFiles::default()).await.unwrap())
}

/// Says something that a passing test shows with `--nocapture`.
macro_rules! note {
    ($($text:tt)*) => { drop(writeln!(std::io::stderr(), $($text)*)) };
}

/// Ends the test where there is no engine, saying so.
macro_rules! engine {
    ($engine:expr) => {
        match $engine.await {
            Some(engine) => engine,
            None => return note!("skipped: WHEELWRIGHT_E2E or the engine's address is not set"),
        }
    };
}

async fn run(
    engine: &Engine,
    request: BuildRequest,
    definition: pb::Definition,
) -> Result<BuildResult, Error> {
    watched(engine, request, definition).await.0
}

async fn watched(
    engine: &Engine,
    request: BuildRequest,
    definition: pb::Definition,
) -> (Result<BuildResult, Error>, Vec<Update>) {
    let (sender, mut receiver) = tokio::sync::mpsc::unbounded_channel();
    let cancel = CancellationToken::new();
    let result = build(engine, request, sender, &cancel, |building| {
        submit(building, definition)
    })
    .await;
    let mut updates = Vec::new();
    while let Ok(update) = receiver.try_recv() {
        updates.push(update);
    }
    (result, updates)
}

fn request(dir: &Path, outputs: &[&str]) -> BuildRequest {
    BuildRequest {
        sources: BTreeMap::from([("context".to_owned(), Source::Directory(dir.to_owned()))]),
        outputs: outputs
            .iter()
            .map(|output| Output::parse(output).unwrap())
            .collect(),
        shared_key: format!("test-{}", dir.display()),
        ..BuildRequest::default()
    }
}

fn copy_of_context(attrs: &[(&str, &str)]) -> pb::Definition {
    let mut graph = Graph::default();
    let source = graph.source("local://context", attrs);
    graph.definition(source)
}

fn base(graph: &mut Graph) -> pb::Input {
    let registry = std::env::var("WHEELWRIGHT_REGISTRY").expect("WHEELWRIGHT_REGISTRY is set");
    graph.source(
        &format!("docker-image://{registry}/library/python:3.11-slim"),
        &[],
    )
}

#[tokio::test(flavor = "multi_thread")]
async fn a_directory_goes_there_and_back() {
    let engine = engine!(engine());
    let (from, to) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    fs::create_dir_all(from.path().join("a/b")).unwrap();
    fs::write(from.path().join("a/b/file"), "content").unwrap();
    fs::write(from.path().join("a-b"), vec![7; 3 << 20]).unwrap();
    fs::write(from.path().join("naïve name"), "").unwrap();
    fs::write(from.path().join("skipped.pyc"), "").unwrap();
    fs::set_permissions(from.path().join("a/b/file"), fs::Permissions::from_mode(0o4750)).unwrap();
    fs::hard_link(from.path().join("a/b/file"), from.path().join("z")).unwrap();
    symlink("../a-b", from.path().join("a/link")).unwrap();

    let output = format!("type=local,dest={}", to.path().display());
    let definition = copy_of_context(&[("local.excludepatterns", r#"["**/*.pyc","ünknown"]"#)]);
    run(&engine, request(from.path(), &[&output]), definition)
        .await
        .unwrap();

    let file = fs::metadata(to.path().join("a/b/file")).unwrap();
    let original = fs::metadata(from.path().join("a/b/file")).unwrap();
    assert_eq!(
        (file.mode(), file.mtime_nsec()),
        (original.mode(), original.mtime_nsec())
    );
    assert_eq!(
        (file.nlink(), file.ino()),
        (2, fs::metadata(to.path().join("z")).unwrap().ino())
    );
    assert_eq!(fs::read(to.path().join("a-b")).unwrap(), vec![7; 3 << 20]);
    assert_eq!(
        fs::read_link(to.path().join("a/link")).unwrap(),
        Path::new("../a-b")
    );
    assert!(to.path().join("naïve name").exists());
    assert!(!to.path().join("skipped.pyc").exists());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_hundred_thousand_files_leave_the_session_alive() {
    let engine = engine!(engine());
    let (from, to) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    for dir in 0..100 {
        let path = from.path().join(format!("d{dir}"));
        fs::create_dir(&path).unwrap();
        for file in 0..1000 {
            fs::write(path.join(format!("f{file}")), format!("{dir}/{file}")).unwrap();
        }
    }
    let begun = Instant::now();
    let output = format!("type=local,dest={}", to.path().display());
    run(&engine, request(from.path(), &[&output]), copy_of_context(&[]))
        .await
        .unwrap();
    note!(
        "100,000 files there and back in {:.1} s",
        begun.elapsed().as_secs_f64()
    );
    let count = fs::read_dir(to.path())
        .unwrap()
        .map(|dir| fs::read_dir(dir.unwrap().path()).unwrap().count());
    assert_eq!(count.sum::<usize>(), 100_000);
    assert_eq!(fs::read_to_string(to.path().join("d99/f999")).unwrap(), "99/999");
}

#[tokio::test(flavor = "multi_thread")]
async fn follow_paths_and_includes_narrow_a_source() {
    let engine = engine!(engine());
    let (from, to) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    for path in ["real/manifest.yaml", "src/a.py", "src/b.txt", "other/c.py"] {
        fs::create_dir_all(from.path().join(path).parent().unwrap()).unwrap();
        fs::write(from.path().join(path), path).unwrap();
    }
    symlink("real/manifest.yaml", from.path().join("manifest.yaml")).unwrap();
    let output = format!("type=local,dest={}", to.path().display());
    let attrs = [
        ("local.followpaths", r#"["manifest.yaml"]"#),
        ("local.includepattern", r#"["src/**/*.py"]"#),
    ];
    run(&engine, request(from.path(), &[&output]), copy_of_context(&attrs))
        .await
        .unwrap();
    for (path, there) in [
        ("manifest.yaml", true),
        ("real/manifest.yaml", true),
        ("src/a.py", true),
        ("src/b.txt", false),
        ("other", false),
    ] {
        assert_eq!(to.path().join(path).exists(), there, "{path}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn archives_and_several_exporters_at_once() {
    let engine = engine!(engine());
    let (from, to) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    fs::write(from.path().join("file"), "content").unwrap();
    let at = |name: &str| to.path().join(name).display().to_string();
    let outputs = [
        format!("type=tar,dest={}", at("sub/a.tar")),
        format!("type=oci,dest={}", at("b.tar")),
        format!("type=docker,name=example/c:1,dest={}", at("c.tar")),
        format!("type=local,dest={}", at("d")),
    ];
    let outputs: Vec<_> = outputs.iter().map(String::as_str).collect();
    let result = run(&engine, request(from.path(), &outputs), copy_of_context(&[]))
        .await
        .unwrap();
    assert!(result.digest().unwrap().starts_with("sha256:"));
    for (archive, member) in [
        ("sub/a.tar", "file"),
        ("b.tar", "oci-layout"),
        ("c.tar", "manifest.json"),
    ] {
        let listed = std::process::Command::new("tar")
            .arg("-tf")
            .arg(at(archive))
            .output()
            .unwrap();
        assert!(
            String::from_utf8(listed.stdout)
                .unwrap()
                .lines()
                .any(|line| line == member),
            "{archive}"
        );
    }
    assert_eq!(fs::read_to_string(to.path().join("d/file")).unwrap(), "content");
    assert_eq!(
        fs::read_dir(to.path()).unwrap().count(),
        4,
        "no temporary files are left"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn an_image_is_pushed() {
    let engine = engine!(engine());
    let from = tempfile::tempdir().unwrap();
    fs::write(from.path().join("file"), "content").unwrap();
    let name = format!("{}/client-test:1", std::env::var("WHEELWRIGHT_REGISTRY").unwrap());
    let output = format!("type=registry,name={name}");
    let result = run(&engine, request(from.path(), &[&output]), copy_of_context(&[]))
        .await
        .unwrap();
    assert_eq!(result.names(), [name]);
    assert!(result.digest().is_some());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_refused_push_is_the_registrys_doing() {
    let engine = engine!(engine());
    let from = tempfile::tempdir().unwrap();
    let output = "type=registry,name=127.0.0.1:9/nobody/listens:1";
    let error = run(&engine, request(from.path(), &[output]), copy_of_context(&[]))
        .await
        .unwrap_err();
    let Error::Failed(failure) = error else {
        panic!("{error:?}")
    };
    assert_eq!(failure.kind, FailureKind::Registry, "{}", failure.message);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_failing_step_is_named_with_its_output() {
    let engine = engine!(engine());
    let dir = tempfile::tempdir().unwrap();
    let mut graph = Graph::default();
    let root = base(&mut graph);
    let failing = graph.run(root, "echo last words; exit 3", Vec::new());
    let mut definition = graph.definition(failing.clone());
    let info = pb::SourceInfo {
        filename: "wheelwright.yaml".to_owned(),
        data: b"one\ntwo\nthree\n".to_vec(),
        ..Default::default()
    };
    let line = |line| Some(pb::Position { line, character: 0 });
    let location = pb::Location {
        source_index: 0,
        ranges: vec![pb::Range {
            start: line(2),
            end: line(2),
        }],
    };
    definition.source = Some(pb::Source {
        infos: vec![info],
        locations: BTreeMap::from([(
            failing.digest.clone(),
            pb::Locations {
                locations: vec![location],
            },
        )]),
    });
    let (result, updates) = watched(&engine, request(dir.path(), &[]), definition).await;
    let Err(Error::Failed(failure)) = result else {
        panic!("{result:?}")
    };
    assert_eq!(failure.kind, FailureKind::Build);
    assert!(
        failure
            .message
            .ends_with("did not complete successfully: exit code: 3"),
        "{}",
        failure.message
    );
    assert_eq!(failure.step.as_ref(), Some(&failing.digest));
    let mut log = updates.iter().filter(|update| update.step == failing.digest);
    assert!(log.any(|update| matches!(&update.what, What::Log { text } if text == b"last words\n")));
}

#[tokio::test(flavor = "multi_thread")]
async fn secrets_reach_the_step_that_mounts_them() {
    let engine = engine!(engine());
    let dir = tempfile::tempdir().unwrap();
    fs::write(dir.path().join("token"), "hidden").unwrap();
    let mut graph = Graph::default();
    let root = base(&mut graph);
    let secret = |id: &str, optional| pb::Mount {
        input: -1,
        output: -1,
        dest: format!("/run/secrets/{id}"),
        mount_type: pb::MountType::Secret.into(),
        secret_opt: Some(pb::SecretOpt {
            id: id.to_owned(),
            mode: 0o400,
            optional,
            ..Default::default()
        }),
        ..Default::default()
    };
    let unique = format!(": {:?}", Instant::now());
    let script =
        format!("{unique}; test \"$(cat /run/secrets/token)\" = hidden && ! test -e /run/secrets/absent");
    let step = graph.run(
        root,
        &script,
        vec![secret("token", false), secret("absent", true)],
    );
    let mut request = request(dir.path(), &[]);
    request
        .secrets
        .insert("token".to_owned(), SecretSource::File(dir.path().join("token")));
    run(&engine, request, graph.definition(step)).await.unwrap();
}

/// An ssh agent with one key, in a folder of its own.
struct Agent {
    process: std::process::Child,
    folder: tempfile::TempDir,
}

impl Agent {
    fn start() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let (socket, key) = (folder.path().join("agent.sock"), folder.path().join("key"));
        let process = Command::new("ssh-agent")
            .args(["-D", "-a"])
            .arg(&socket)
            .stdout(Stdio::null())
            .spawn()
            .expect("`ssh-agent` of OpenSSH's client is needed");
        let done = |command: &mut Command| command.stderr(Stdio::null()).status().unwrap().success();
        assert!(done(
            Command::new("ssh-keygen")
                .args(["-q", "-t", "ed25519", "-N", "", "-f"])
                .arg(&key)
        ));
        let added = || done(Command::new("ssh-add").env("SSH_AUTH_SOCK", &socket).arg(&key));
        assert!((0..50).any(|_| {
            std::thread::sleep(Duration::from_millis(20));
            added()
        }));
        Self { process, folder }
    }
}

impl Drop for Agent {
    fn drop(&mut self) {
        drop(self.process.kill());
        drop(self.process.wait());
    }
}

/// Asks the agent which keys it has, as `ssh-add -l` does, and says how many.
const ASK_THE_AGENT: &str = "import socket, struct, sys
agent = socket.socket(socket.AF_UNIX)
agent.connect('/run/agent.sock')
agent.sendall(struct.pack('>IB', 1, 11))
answer = agent.recv(4096)
assert answer[4] == 12, answer
assert struct.unpack('>I', answer[5:9]) == (1,), answer";

#[tokio::test(flavor = "multi_thread")]
async fn an_ssh_agent_answers_the_step_that_mounts_it() {
    let engine = engine!(engine());
    let (dir, agent) = (tempfile::tempdir().unwrap(), Agent::start());
    let mut graph = Graph::default();
    let root = base(&mut graph);
    let mount = pb::Mount {
        input: -1,
        output: -1,
        dest: "/run/agent.sock".to_owned(),
        mount_type: pb::MountType::Ssh.into(),
        ssh_opt: Some(pb::SshOpt {
            id: "default".to_owned(),
            mode: 0o600,
            ..Default::default()
        }),
        ..Default::default()
    };
    let script = format!(": {:?}; python3 -c \"{ASK_THE_AGENT}\"", Instant::now());
    let step = graph.run(root, &script, vec![mount]);
    let mut request = request(dir.path(), &[]);
    let socket = agent.folder.path().join("agent.sock");
    request.ssh = vec![Ssh::parse(&format!("default={}", socket.display())).unwrap()];
    run(&engine, request, graph.definition(step)).await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_local_cache_is_written_and_read() {
    let engine = engine!(engine());
    let dir = tempfile::tempdir().unwrap();
    let mut graph = Graph::default();
    let root = base(&mut graph);
    let step = graph.run(root, &format!("echo {:?} > /made", Instant::now()), Vec::new());
    let definition = graph.definition(step);
    let cache = dir.path().join("cache");
    let mut first = request(dir.path(), &[]);
    first.cache_exports = vec![
        Cache::parse(
            &format!("type=local,dest={},mode=max", cache.display()),
            "cache export",
        )
        .unwrap(),
    ];
    run(&engine, first, definition.clone()).await.unwrap();
    assert!(cache.join("index.json").exists());
    assert!(fs::read_dir(cache.join("ingest")).unwrap().next().is_none());

    let mut second = request(dir.path(), &[]);
    second.cache_imports =
        vec![Cache::parse(&format!("type=local,src={}", cache.display()), "cache import").unwrap()];
    let (result, updates) = watched(&engine, second, definition).await;
    result.unwrap();
    let imported = |update: &Update| matches!(&update.what, What::Known { name } if name.contains("importing cache manifest"));
    assert!(updates.iter().any(imported));
}

#[tokio::test(flavor = "multi_thread")]
async fn cancelling_stops_the_engine() {
    let engine = engine!(engine());
    let dir = tempfile::tempdir().unwrap();
    let mut graph = Graph::default();
    let root = base(&mut graph);
    let marker = format!("31{}", std::process::id());
    let step = graph.run(root, &format!("sleep {marker}"), Vec::new());
    let definition = graph.definition(step);
    let cancel = CancellationToken::new();
    let (sender, _updates) = tokio::sync::mpsc::unbounded_channel();
    let watcher = {
        let (cancel, marker) = (cancel.clone(), marker.clone());
        tokio::spawn(async move {
            for _ in 0..300 {
                tokio::time::sleep(Duration::from_millis(100)).await;
                if sleeps(&marker) {
                    return cancel.cancel();
                }
            }
            panic!("the step never ran");
        })
    };
    let result = build(&engine, request(dir.path(), &[]), sender, &cancel, |building| {
        submit(building, definition)
    })
    .await;
    assert!(matches!(result, Err(Error::Cancelled)), "{result:?}");
    watcher.await.unwrap();
    // The engine answers first and ends the container's processes then.
    let answered = Instant::now();
    while sleeps(&marker) {
        assert!(
            answered.elapsed() < Duration::from_secs(10),
            "the step still runs"
        );
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    note!(
        "the step ended {:.1} s after the build",
        answered.elapsed().as_secs_f64()
    );
}

/// True if a `sleep` with this argument runs on this machine.
fn sleeps(argument: &str) -> bool {
    let commands = fs::read_dir("/proc")
        .unwrap()
        .filter_map(|entry| fs::read(entry.ok()?.path().join("cmdline")).ok());
    commands
        .into_iter()
        .any(|command| command.starts_with(b"sleep") && command.ends_with(format!("{argument}\0").as_bytes()))
}

#[tokio::test(flavor = "multi_thread")]
async fn dockerd_builds_over_its_own_api() {
    let engine = engine!(docker("DOCKER_HOST"));
    assert!(
        engine.info().is_docker() && !engine.info().is_graph_driver(),
        "{:?}",
        engine.info()
    );
    let (from, to) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    fs::write(from.path().join("file"), "content").unwrap();
    let outputs = [
        "type=docker,name=wheelwright-client-test:1",
        &format!("type=local,dest={}", to.path().display()),
    ];
    let result = run(&engine, request(from.path(), &outputs), copy_of_context(&[]))
        .await
        .unwrap();
    assert!(result.digest().is_some(), "{result:?}");
    assert_eq!(fs::read_to_string(to.path().join("file")).unwrap(), "content");
}

#[tokio::test(flavor = "multi_thread")]
async fn dockerd_with_the_graph_driver_is_told_apart() {
    let engine = engine!(docker("WHEELWRIGHT_DOCKER_GRAPH"));
    assert!(engine.info().is_graph_driver(), "{:?}", engine.info());
    let from = tempfile::tempdir().unwrap();
    fs::write(from.path().join("file"), "content").unwrap();
    let output = "type=docker,name=wheelwright-client-test:1";
    let result = run(&engine, request(from.path(), &[output]), copy_of_context(&[]))
        .await
        .unwrap();
    assert!(result.config_digest().or(result.digest()).is_some(), "{result:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_source_nobody_shared_is_an_error_of_the_build() {
    let engine = engine!(engine());
    let mut request = request(Path::new("/nonexistent"), &[]);
    request.docker_config = Arc::new(DockerConfig::default());
    request.sources = BTreeMap::from([("other".to_owned(), Source::Directory("/nonexistent".into()))]);
    let error = run(&engine, request, copy_of_context(&[])).await.unwrap_err();
    assert!(
        error.to_string().contains("no access allowed to dir \"context\""),
        "{error}"
    );
}
