//! The wheel stage: files by digest, built where they are sources, unpacked to layers.

use buildkit_llb::{Exec, Mount, Network, Source, State};

use super::base;
use super::context::{Context, EPOCH};
use super::resolve::{uv, with_uv_environment};
use crate::diag::Span;
use crate::layers::{Found, Wanted, WheelLayer};
use crate::plan::Plan;
use crate::python::Artifact;
use crate::python::choose::Locked;

const BUILD: &str = include_str!("scripts/wheel.sh");
const UNWHEEL: &str = "/run/wheelwright/unwheel";

/// The plan's wheel layers, each a tree of its own.
pub(super) fn layers(plan: &Plan, found: &[Found], cx: &Context) -> Vec<State> {
    let wanted = plan.wanted();
    let layers = wanted.iter().zip(found);
    layers.map(|(layer, found)| one(plan, layer, found, cx)).collect()
}

fn one(plan: &Plan, wanted: &Wanted<'_>, found: &Found, cx: &Context) -> State {
    let name = format!("[wheels] {}", wanted.title());
    match found {
        Found::Unpack => unpack(plan, wanted.layer, cx, name),
        Found::Image { reference } => Source::image(reference)
            .platform(cx.platform.clone())
            .name(name)
            .build(),
        Found::Layout { reference, store } => Source::oci_layout(reference)
            .store_id(store)
            .session_id(&cx.context.session)
            .platform(cx.platform.clone())
            .name(name)
            .build(),
    }
}

/// An exec on nothing: no network, no Python, only `unwheel` and the wheels, each mounted read-only so that the
/// cache goes by their content. Nothing of the base or the service is in its key.
fn unpack(plan: &Plan, layer: &WheelLayer, cx: &Context, name: String) -> State {
    let exec = unwheel(plan, &layer.packages, "/out", cx)
        .root(State::scratch())
        .mount(Mount::bind("/out", State::scratch()));
    cx.output(exec, name, plan.at)
}

/// All wheels at once onto the base, where the engine cannot merge.
pub(super) fn install_into(plan: &Plan, cx: &Context, base: State) -> State {
    if plan.packages.is_empty() {
        return base;
    }
    let all = (0..plan.packages.len()).collect::<Vec<_>>();
    let exec = unwheel(plan, &all, "/", cx).root(base);
    let count = plan.packages.len();
    cx.exec(
        exec,
        format!("[{}] install {count} packages", plan.service),
        plan.at,
    )
    .build()
    .root()
}

fn unwheel(plan: &Plan, packages: &[usize], root: &str, cx: &Context) -> Exec {
    let minor = plan.interpreter.minor.to_string();
    let mut args = [UNWHEEL, "--root", root, "--venv", &plan.venv, "--python", &minor]
        .map(str::to_owned)
        .to_vec();
    args.extend((0..packages.len()).map(|n| format!("/run/wheels/{n}")));
    let exec = Exec::new(args)
        .platform(cx.build_platform.clone())
        .cwd("/")
        .network(Network::None)
        .mount(
            Mount::bind(UNWHEEL, cx.tools.clone())
                .selector("/unwheel")
                .readonly(),
        );
    packages.iter().enumerate().fold(exec, |exec, (n, index)| {
        exec.mount(Mount::bind(format!("/run/wheels/{n}"), wheel(plan, *index, cx)).readonly())
    })
}

/// A tree that holds one wheel.
fn wheel(plan: &Plan, index: usize, cx: &Context) -> State {
    match &plan.packages[index].artifact {
        Artifact::Wheel(file) => fetch(file, plan.at, cx),
        Artifact::Source(file) => build(plan, index, file, cx),
    }
}

/// A file by digest: the engine needs no network to know whether it has it. Each is a step of its own in the progress:
/// in a group, a file with another digest would fail without its name.
fn fetch(file: &Locked, at: Span, cx: &Context) -> State {
    Source::http(&file.url)
        .checksum(file.sha256.to_string())
        .filename(&file.filename)
        .perm(0o644)
        .name(format!("[wheels] {}", file.filename))
        .location(&cx.sources, cx.ranges(at))
        .build()
}

/// A source distribution built to a wheel on base and build packages. No secret of an index is mounted here:
/// build code could read it.
fn build(plan: &Plan, index: usize, file: &Locked, cx: &Context) -> State {
    let pick = &plan.packages[index];
    let settings = plan.builds[index].clone().unwrap_or_default();
    let python = &plan.interpreter.executable;
    let tool = uv(cx, base::rootfs(plan, cx), python, plan.at);
    let exec = Exec::new(["/bin/sh", "/run/wheelwright/script/wheel.sh", python])
        .root(base::builder(plan, cx, &settings.packages))
        .platform(cx.platform.clone())
        .cwd("/")
        .mount(Mount::bind("/src", fetch(file, plan.at, cx)).readonly())
        .mount(
            Mount::bind("/run/wheelwright/uv", tool)
                .selector("/uv")
                .readonly(),
        )
        .mount(Mount::bind("/run/wheelwright/script", cx.script(&[("wheel.sh", BUILD)])).readonly())
        .mount(Mount::bind("/out", State::scratch()))
        .mount(Mount::tmpfs("/tmp"));
    let exec = with_uv_environment(cx, cx.online(cx.with_base_environment(exec)), &plan.interpreter);
    let exec = settings
        .environment
        .iter()
        .fold(exec, |exec, (name, value)| exec.env(name, value));
    let exec = exec.env("SOURCE_DATE_EPOCH", EPOCH.to_string());
    cx.output(
        exec,
        format!("[wheels] build {} {}", pick.name, pick.version),
        plan.at,
    )
}
