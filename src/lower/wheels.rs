//! The wheel stage: files by digest, built where they are sources, unpacked to layers.

use std::cell::OnceCell;

use buildkit_llb::{Copy, Exec, ExecHandle, FileOp, Mount, Network, Sharing, Source, State};

use super::code::{narrowed, package_folder};
use super::context::{Context, EPOCH, EPOCH_NANOS};
use super::download::download;
use super::uv::{uv, with_environment};
use super::{base, bytecode};
use crate::layers::{Found, Kind, Wanted};
use crate::manifest::ProjectPath;
use crate::plan::{BuildPlan, Plan};
use crate::python::{Artifact, Locked, Origin};

const BUILD: &str = include_str!("scripts/wheel.sh");
const REPACK: &str = include_str!("scripts/repack.py");
const UNWHEEL: &str = "/run/wheelwright/unwheel";
/// Where `unwheel` leaves what it knows of wheels.
const FACTS: &str = "/run/wheelwright/facts";
const FACTS_FILE: &str = "facts.json";

/// The plan's wheel layers, each a tree of its own.
pub(super) fn layers(plan: &Plan, found: &[Found], cx: &Context) -> Vec<State> {
    let wanted = plan.wanted();
    let wheels = Wheels::new(plan, cx);
    let layers = wanted.iter().zip(found);
    layers.map(|(layer, found)| one(&wheels, layer, found)).collect()
}

/// Trees that hold one wheel each, made when they are first asked for: the layer of a wheel and that of its bytecode
/// begin with the same.
pub(super) struct Wheels<'a> {
    pub(super) plan: &'a Plan,
    pub(super) cx: &'a Context,
    made: Vec<OnceCell<State>>,
}

impl<'a> Wheels<'a> {
    fn new(plan: &'a Plan, cx: &'a Context) -> Self {
        let made = vec![OnceCell::new(); plan.packages.len()];
        Self { plan, cx, made }
    }

    /// The tree of a package's wheel.
    pub(super) fn tree(&self, index: usize) -> State {
        let make = || wheel(self.plan, index, self.cx);
        self.made[index].get_or_init(make).clone()
    }
}

fn one(wheels: &Wheels<'_>, wanted: &Wanted<'_>, found: &Found) -> State {
    let (kind, name, cx) = (wanted.layer.kind, step(wanted), wheels.cx);
    match found {
        Found::Unpack if kind == Kind::Bytecode => bytecode::layer(wheels, wanted.layer, name),
        Found::Unpack => output(&unpack(wheels, wanted), "/out"),
        Found::Image { reference, .. } => Source::image(reference)
            .platform(cx.platform.clone())
            .name(name)
            .build(),
        Found::Layout { reference, store, .. } => Source::oci_layout(reference)
            .store_id(store)
            .session_id(&cx.context.session)
            .platform(cx.platform.clone())
            .name(name)
            .build(),
    }
}

fn step(wanted: &Wanted<'_>) -> String {
    format!("[{}] {}", wanted.layer.kind.name(), wanted.title())
}

/// The tree of a bytecode layer; none of other layers.
pub fn bytecode_tree(plan: &Plan, wanted: &Wanted<'_>, cx: &Context) -> Option<State> {
    let is_bytecode = wanted.layer.kind == Kind::Bytecode;
    is_bytecode.then(|| bytecode::layer(&Wheels::new(plan, cx), wanted.layer, step(wanted)))
}

/// An exec on nothing: no network, no Python, only `unwheel` and the wheels, each mounted read-only so that the
/// cache goes by their content. Nothing of the base or the service is in its key.
fn unpack(wheels: &Wheels<'_>, wanted: &Wanted<'_>) -> ExecHandle {
    let exec = unwheel(wheels, &wanted.layer.packages, "/out")
        .root(State::scratch())
        .mount(Mount::bind("/out", State::scratch()));
    wheels.cx.exec(exec, step(wanted), wheels.plan.at).build()
}

fn output(exec: &ExecHandle, mount: &str) -> State {
    exec.output(mount)
        .unwrap_or_else(|missing| unreachable!("every such exec mounts it: {missing}"))
}

/// Name of the file of a layer in the tree of [`facts`].
pub fn facts_file(layer: usize) -> String {
    format!("{layer}.json")
}

/// What is known of the wheels of those layers that are unpacked in the graph, a file each; nothing when there are none.
/// Comes out of the steps that unpack them, so it costs no step of its own.
pub fn facts(plan: &Plan, found: &[Found], cx: &Context) -> Option<State> {
    let wheels = Wheels::new(plan, cx);
    let trees = if cx.merge {
        let wanted = plan.wanted();
        let layers = wanted.iter().zip(found).enumerate();
        let unpacked =
            layers.filter(|(_, (layer, found))| layer.layer.kind == Kind::Wheels && **found == Found::Unpack);
        unpacked
            .map(|(at, (layer, _))| (at, output(&unpack(&wheels, layer), FACTS)))
            .collect()
    } else if plan.packages.is_empty() {
        Vec::new()
    } else {
        vec![(0, output(&install(&wheels, base::rootfs(plan, cx)), FACTS))]
    };
    if trees.is_empty() {
        return None;
    }
    let op = trees.iter().fold(
        FileOp::on(State::scratch()).timestamp(EPOCH_NANOS),
        |op, (at, tree)| {
            op.copy(Copy::from(
                tree,
                format!("/{FACTS_FILE}"),
                format!("/{}", facts_file(*at)),
            ))
        },
    );
    Some(cx.file_op(op, "[internal] what packages need".to_owned(), plan.at))
}

/// All wheels at once onto the base, where the engine cannot merge.
pub(super) fn install_into(plan: &Plan, cx: &Context, base: State) -> State {
    if plan.packages.is_empty() {
        return base;
    }
    let wheels = Wheels::new(plan, cx);
    bytecode::compile_into(&wheels, install(&wheels, base).root())
}

fn install(wheels: &Wheels<'_>, base: State) -> ExecHandle {
    let (plan, cx) = (wheels.plan, wheels.cx);
    let all = (0..plan.packages.len()).collect::<Vec<_>>();
    let exec = unwheel(wheels, &all, "/").root(base);
    let count = plan.packages.len();
    let name = format!("[{}] install {count} packages", plan.service);
    cx.exec(exec, name, plan.at).build()
}

fn unwheel(wheels: &Wheels<'_>, packages: &[usize], root: &str) -> Exec {
    let (plan, cx) = (wheels.plan, wheels.cx);
    let minor = plan.interpreter.minor.to_string();
    let facts = format!("{FACTS}/{FACTS_FILE}");
    let place = ["--root", root, "--venv", &plan.venv, "--python", &minor];
    let words = [UNWHEEL].into_iter().chain(place);
    // Which of two different files for one path stays is told when all layers are known.
    let mut args = words
        .chain(["--allow-conflicts", "--facts", &facts])
        .map(str::to_owned)
        .collect::<Vec<_>>();
    args.extend((0..packages.len()).map(|n| format!("/run/wheels/{n}")));
    let exec = Exec::new(args)
        .platform(cx.build_platform.clone())
        .cwd("/")
        .network(Network::None)
        .mount(
            Mount::bind(UNWHEEL, cx.tools.clone())
                .selector("/unwheel")
                .readonly(),
        )
        .mount(Mount::bind(FACTS, State::scratch()));
    packages.iter().enumerate().fold(exec, |exec, (n, index)| {
        exec.mount(Mount::bind(format!("/run/wheels/{n}"), wheels.tree(*index)).readonly())
    })
}

/// A tree that holds one wheel.
pub fn wheel(plan: &Plan, index: usize, cx: &Context) -> State {
    match &plan.packages[index].artifact {
        Artifact::Wheel(file) => fetch(file, plan, cx),
        other => build(plan, index, &Unbuilt::of(other, plan, cx), cx),
    }
}

/// A file by digest. Files of the repository are copied to a tree of their own, so that nothing beside them counts.
fn fetch(file: &Locked, plan: &Plan, cx: &Context) -> State {
    match &file.origin {
        Origin::Url(url) => download(file, url, plan, cx),
        Origin::Path(path) => {
            let source = narrowed(&cx.context, path.as_str(), std::slice::from_ref(path));
            let copy = Copy::from(&source, format!("/{path}"), format!("/{}", file.filename));
            let op = FileOp::on(State::scratch())
                .timestamp(EPOCH_NANOS)
                .copy(copy.chown(0, 0).mode(0o644));
            cx.file_op(op, format!("[wheels] {path}"), plan.at)
        }
    }
}

/// A source as the build script takes it.
struct Unbuilt {
    /// Mounted read-only, so that its content decides.
    tree: State,
    /// The part of the tree that is mounted.
    selector: String,
    /// What the script finds there: `archive` or `tree`.
    kind: &'static str,
    /// The folder in it that holds the package.
    subdirectory: String,
}

impl Unbuilt {
    fn of(artifact: &Artifact, plan: &Plan, cx: &Context) -> Self {
        match artifact {
            Artifact::Wheel(file) | Artifact::Source(file) => Self {
                tree: fetch(file, plan, cx),
                selector: "/".to_owned(),
                kind: "archive",
                subdirectory: ".".to_owned(),
            },
            Artifact::Directory(folder) => Self {
                tree: package_folder(&cx.context, folder),
                selector: match folder.path.as_str() {
                    "." => "/".to_owned(),
                    path => format!("/{path}"),
                },
                kind: "tree",
                subdirectory: ".".to_owned(),
            },
            Artifact::Vcs(checkout) => Self {
                tree: Source::git(&checkout.url, &checkout.commit)
                    .keep_git_dir()
                    .name(format!("[wheels] {} at {}", checkout.url, checkout.commit))
                    .location(&cx.sources, cx.ranges(plan.at))
                    .build(),
                selector: "/".to_owned(),
                kind: "tree",
                subdirectory: checkout
                    .subdirectory
                    .as_ref()
                    .map_or(".", ProjectPath::as_str)
                    .to_owned(),
            },
        }
    }
}

const CONSTRAINTS: &str = "/run/wheelwright/constraints";

/// uv's options for one build.
fn options(settings: &BuildPlan) -> Vec<String> {
    let constraints = settings.constraints.iter();
    let constraints = constraints.flat_map(|file| {
        [
            "--build-constraints".to_owned(),
            format!("{CONSTRAINTS}/{}", file.path),
        ]
    });
    let settings = settings.config_settings.iter();
    let settings =
        settings.flat_map(|(name, value)| ["--config-setting".to_owned(), format!("{name}={value}")]);
    constraints.chain(settings).collect()
}

/// Where uv finds what a source is built with.
fn public_indexes(cx: &Context, exec: Exec) -> Exec {
    let (default, more): (Vec<_>, Vec<_>) = cx.indexes.public().partition(|index| index.default);
    let exec = match default.first() {
        Some(index) => exec.env("UV_DEFAULT_INDEX", cx.indexes.mirrored(&index.url)),
        None => exec,
    };
    let more = more
        .iter()
        .map(|index| format!("{}={}", index.name, cx.indexes.mirrored(&index.url)));
    let more = more.collect::<Vec<_>>().join(" ");
    if more.is_empty() {
        exec
    } else {
        exec.env("UV_INDEX", more)
    }
}

/// Caches of ccache and cargo, where a builder has them. Each package has its own, as of uv: nobody verifies what is found
/// in them, and build code may write there what it likes.
fn compiler_caches(plan: &Plan, package: &str, cx: &Context, exec: Exec) -> Exec {
    let minor = plan.interpreter.minor.to_string();
    let platform = cx.platform.to_string();
    let id = |tool: &str| cx.cache_id(&[tool, &cx.project, package, &minor, &platform, &cx.image]);
    exec.mount(Mount::cache("/root/.cache/ccache", id("ccache")).sharing(Sharing::Shared))
        .mount(Mount::cache("/root/.cargo/registry", id("cargo")).sharing(Sharing::Locked))
        .env("CCACHE_DIR", "/root/.cache/ccache")
}

/// A source built to a wheel on base and build packages. No secret of an index is mounted here: build code could
/// read it.
fn build(plan: &Plan, index: usize, source: &Unbuilt, cx: &Context) -> State {
    let pick = &plan.packages[index];
    let settings = plan.builds[index].clone().unwrap_or_default();
    let python = &plan.interpreter.executable;
    let tool = uv(cx, base::rootfs(plan, cx), python, plan.at);
    let script = "/run/wheelwright/script/wheel.sh";
    let words = [
        "/bin/sh",
        script,
        python,
        source.kind,
        &source.subdirectory,
        pick.name.as_str(),
        &pick.version,
    ]
    .map(str::to_owned);
    let args = words.into_iter().chain(options(&settings)).collect::<Vec<_>>();
    let scripts = cx.script(&[("wheel.sh", BUILD), ("repack.py", REPACK)]);
    let exec = cx
        .online(args.iter().map(String::as_str))
        .root(base::builder(plan, cx, &settings.packages))
        .platform(cx.platform.clone())
        .cwd("/")
        .mount(
            Mount::bind("/src", source.tree.clone())
                .selector(&source.selector)
                .readonly(),
        )
        .mount(
            Mount::bind("/run/wheelwright/uv", tool)
                .selector("/uv")
                .readonly(),
        )
        .mount(Mount::bind("/run/wheelwright/script", scripts).readonly())
        .mount(Mount::bind("/out", State::scratch()))
        .mount(Mount::tmpfs("/tmp"));
    let exec = with_environment(
        cx,
        cx.with_base_environment(exec),
        &format!("build-{}", pick.name),
        &plan.interpreter,
    );
    let exec = compiler_caches(plan, pick.name.as_str(), cx, public_indexes(cx, exec));
    let exec = match settings.constraints.as_slice() {
        [] => exec,
        files => {
            let files = files.iter().map(|file| file.path.clone()).collect::<Vec<_>>();
            let source = narrowed(&cx.context, "build constraints", &files);
            exec.mount(Mount::bind(CONSTRAINTS, source).readonly())
        }
    };
    let exec = match &settings.exclude_newer {
        Some(moment) => exec.env("UV_EXCLUDE_NEWER", moment),
        None => exec,
    };
    // Debug information would name the folder that build requirements happen to be in.
    let exec = exec
        .env("CFLAGS", "-g0")
        .env("CXXFLAGS", "-g0")
        .env("PYTHONHASHSEED", "0");
    let exec = settings
        .environment
        .iter()
        .fold(exec, |exec, (name, value)| exec.env(name, value));
    let exec = exec.env("SOURCE_DATE_EPOCH", EPOCH.to_string());
    let name = format!("[wheels] build {} {}", pick.name, pick.version);
    cx.output(exec, name.trim_end().to_owned(), plan.at)
}
