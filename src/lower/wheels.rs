//! The wheel stage: files by digest, unpacked to layers; what is a source is built first, in `building`.

use std::cell::OnceCell;

use buildkit_llb::{Copy, Exec, ExecHandle, FileOp, Mount, Network, Source, State};
use sha2::{Digest as _, Sha256};

use super::building::build;
use super::bytecode;
use super::code::narrowed;
use super::context::{Context, EPOCH_NANOS};
use super::download::download;
use crate::layers::{Found, Kind, Wanted, hex};
use crate::plan::Plan;
use crate::python::{Artifact, Locked, Origin, Pick};

const UNWHEEL: &str = "/run/wheelwright/unwheel";
/// Where `unwheel` leaves what it knows of wheels.
const FACTS: &str = "/run/wheelwright/facts";
const FACTS_FILE: &str = "facts.json";

/// Wheels laid down.
pub(super) struct Laid {
    /// The tree that has them.
    pub(super) tree: State,
    /// What is known of them, where a step of this graph unpacks them.
    pub(super) facts: Option<State>,
}

impl From<State> for Laid {
    fn from(tree: State) -> Self {
        Self { tree, facts: None }
    }
}

/// The plan's wheel layers, each a tree of its own.
pub(super) fn layers(plan: &Plan, found: &[Found], cx: &Context) -> Vec<Laid> {
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

fn one(wheels: &Wheels<'_>, wanted: &Wanted<'_>, found: &Found) -> Laid {
    let (kind, name, cx) = (wanted.layer.kind, step(wanted), wheels.cx);
    match found {
        Found::Unpack if kind == Kind::Bytecode => bytecode::layer(wheels, wanted.layer, name).into(),
        Found::Unpack => {
            let exec = unpack(wheels, wanted);
            Laid {
                tree: output(&exec, "/out"),
                facts: Some(output(&exec, FACTS)),
            }
        }
        Found::Image { reference, .. } => Source::image(reference)
            .platform(cx.platform.clone())
            .name(name)
            .build()
            .into(),
        Found::Layout { reference, store, .. } => Source::oci_layout(reference)
            .store_id(store)
            .session_id(&cx.context.session)
            .platform(cx.platform.clone())
            .name(name)
            .build()
            .into(),
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
        .env("WHEELWRIGHT_LAYER", content(wanted.packages(), wheels.cx))
        .mount(Mount::bind("/out", State::scratch()));
    wheels.cx.exec(exec, step(wanted), wheels.plan.at).build()
}

/// What tells a step on packages from those on other packages. BuildKit finds the results of steps that are equal but for their
/// inputs by any input that they share; where that is a folder of the session, as the tools of the command are, which
/// nobody knows in the next one, it exports the step to a cache without its result.
fn content<'p>(packages: impl IntoIterator<Item = &'p Pick>, cx: &Context) -> String {
    let mut hash = Sha256::new();
    for pick in packages {
        hash.update(pick.artifact.identity());
        if pick.artifact.is_built() {
            hash.update(cx.platform.to_string());
        }
        hash.update("\n");
    }
    hex(&hash.finalize())
}

pub(super) fn output(exec: &ExecHandle, mount: &str) -> State {
    exec.output(mount)
        .unwrap_or_else(|missing| unreachable!("every such exec mounts it: {missing}"))
}

/// The file in the tree of [`facts`].
pub const JOINED: &str = "/facts";

/// What is known of an image's wheels, from the [steps that unpack them](super::Image::facts); nothing when there are none.
/// Joined to one file: reading one from an engine takes milliseconds, and there would be one a layer in every build.
pub fn facts(trees: &[State], plan: &Plan, cx: &Context) -> Option<State> {
    if trees.is_empty() {
        return None;
    }
    let places = (0..trees.len()).map(|n| format!("{FACTS}/{n}"));
    let args = [UNWHEEL, "--join-facts", "/out/facts"].map(str::to_owned);
    let exec = tool(args.into_iter().chain(places.clone()), cx)
        .root(State::scratch())
        .env("WHEELWRIGHT_LAYER", content(&plan.packages, cx))
        .mount(Mount::bind("/out", State::scratch()));
    let exec = places.zip(trees).fold(exec, |exec, (place, tree)| {
        let file = Mount::bind(place, tree.clone()).selector(format!("/{FACTS_FILE}"));
        exec.mount(file.readonly())
    });
    Some(cx.output(exec, "[internal] what packages need".to_owned(), plan.at))
}

/// An exec of `unwheel` on the engine's own platform, without a network.
fn tool(args: impl Iterator<Item = String>, cx: &Context) -> Exec {
    Exec::new(args)
        .platform(cx.build_platform.clone())
        .cwd("/")
        .network(Network::None)
        .mount(
            Mount::bind(UNWHEEL, cx.tools.clone())
                .selector("/unwheel")
                .readonly(),
        )
}

/// All wheels at once onto the base, where the engine cannot merge.
pub(super) fn install_into(plan: &Plan, cx: &Context, base: State) -> Laid {
    if plan.packages.is_empty() {
        return base.into();
    }
    let wheels = Wheels::new(plan, cx);
    let exec = install(&wheels, base);
    Laid {
        tree: bytecode::compile_into(&wheels, exec.root()),
        facts: Some(output(&exec, FACTS)),
    }
}

fn install(wheels: &Wheels<'_>, base: State) -> ExecHandle {
    let (plan, cx) = (wheels.plan, wheels.cx);
    let all = (0..plan.packages.len()).collect::<Vec<_>>();
    let exec = unwheel(wheels, &all, "/")
        .root(base)
        .env("WHEELWRIGHT_LAYER", content(&plan.packages, cx));
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
    let exec = tool(args.into_iter(), cx).mount(Mount::bind(FACTS, State::scratch()));
    packages.iter().enumerate().fold(exec, |exec, (n, index)| {
        exec.mount(Mount::bind(format!("/run/wheels/{n}"), wheels.tree(*index)).readonly())
    })
}

/// A tree that holds one wheel.
pub fn wheel(plan: &Plan, index: usize, cx: &Context) -> State {
    match &plan.packages[index].artifact {
        Artifact::Wheel(file) => fetch(file, plan, cx),
        other => build(plan, index, other, cx),
    }
}

/// A file by digest. Files of the repository are copied to a tree of their own, so that nothing beside them counts.
pub(super) fn fetch(file: &Locked, plan: &Plan, cx: &Context) -> State {
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
