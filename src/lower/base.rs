//! The base stage: an image by digest and the system packages on it.

use buildkit_llb::{Mount, Sharing, Source, State};

use super::context::Context;
use crate::diag::Span;
use crate::plan::{BasePlan, Plan};

const SCRIPT: &str = include_str!("scripts/packages.sh");
const APT_CONF: &str = include_str!("scripts/apt.conf");

/// The image alone, for a platform.
pub(super) fn image(cx: &Context, platform: &buildkit_llb::Platform, at: Span) -> State {
    Source::image(&cx.image)
        .platform(platform.clone())
        .resolve_mode(cx.resolve_mode)
        .name(format!("[base] {}", cx.image))
        .location(&cx.sources, cx.ranges(at))
        .build()
}

/// The runtime's root file system before any Python package: image, the base's packages, the service's packages.
pub fn rootfs(plan: &Plan, cx: &Context) -> State {
    stand_rootfs(&plan.base, &plan.service, cx)
}

/// The same from what the manifest alone says.
pub fn stand_rootfs(base: &BasePlan, service: &str, cx: &Context) -> State {
    let label = base.name.as_deref().unwrap_or(service);
    let state = image(cx, &cx.platform, base.image_at);
    let state = packages(cx, state, &base.packages, label, base.packages_at);
    packages(
        cx,
        state,
        &base.service_packages,
        service,
        base.service_packages_at,
    )
}

/// A root file system with build packages on top.
pub(super) fn builder(plan: &Plan, cx: &Context, extra: &[String]) -> State {
    packages(
        cx,
        rootfs(plan, cx),
        extra,
        &format!("{} builder", plan.service),
        plan.at,
    )
}

/// Installs system packages, in the order given. None leaves the tree as it is.
fn packages(cx: &Context, root: State, packages: &[String], label: &str, at: Span) -> State {
    if packages.is_empty() {
        return root;
    }
    let args = ["/bin/sh", "/run/wheelwright/packages.sh"];
    let scripts = cx.script(&[("apt.conf", APT_CONF), ("packages.sh", SCRIPT)]);
    let platform = cx.platform.to_string();
    // The package lists of two distributions must not meet in one cache.
    let cache = |folder: &str| cx.cache_id(&[folder, &cx.image, &platform]);
    let exec = cx
        .online(args.into_iter().chain(packages.iter().map(String::as_str)))
        .root(root)
        .platform(cx.platform.clone())
        .cwd("/")
        .mount(Mount::bind("/run/wheelwright", scripts).readonly())
        .mount(Mount::cache("/var/cache/apt", cache("apt")).sharing(Sharing::Locked))
        .mount(Mount::cache("/var/lib/apt", cache("apt-lists")).sharing(Sharing::Locked))
        .mount(Mount::cache("/var/cache/apk", cache("apk")).sharing(Sharing::Locked));
    let exec = cx
        .with_base_environment(exec)
        .env("DEBIAN_FRONTEND", "noninteractive");
    cx.exec(exec, format!("[{label}] install {}", packages.join(" ")), at)
        .build()
        .root()
}
