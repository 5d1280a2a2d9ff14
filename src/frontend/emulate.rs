//! What needs the target's own processor, told before it fails in the middle of a build.

use buildkit_llb::Platform;

use super::Failure;
use crate::bridge::Engine;
use crate::diag::{Diagnostic, Diagnostics, SourceFile, Span};
use crate::plan::{BasePlan, Plan};

/// Whether programs of a platform run on the engine, natively or by an emulator that it has.
fn runs(engine: &Engine, platform: &Platform) -> bool {
    let mut known = engine.platforms.iter();
    known.any(|known| known.os == platform.os && known.architecture == platform.architecture)
}

/// System packages are installed by programs of the base.
pub(super) fn base(
    engine: &Engine,
    platform: &Platform,
    file: &SourceFile,
    stand: &BasePlan,
) -> Result<(), Failure> {
    let lists = [
        (&stand.packages, stand.packages_at),
        (&stand.service_packages, stand.service_packages_at),
    ];
    let listed = lists.into_iter().filter(|(packages, _)| !packages.is_empty());
    told(
        engine,
        platform,
        listed.map(|(_, at)| missing(platform, "installing system packages", file, at)),
    )
}

/// Source distributions are built on the base, and smoke tests run in the image.
pub(super) fn service(
    engine: &Engine,
    platform: &Platform,
    file: &SourceFile,
    plan: &Plan,
) -> Result<(), Failure> {
    let built = plan.packages.iter().zip(&plan.builds);
    let built = built.filter(|(_, build)| build.is_some()).map(|(pick, _)| {
        let what = format!(
            "building `{} {}`, which has no wheel for it,",
            pick.name, pick.version
        );
        missing(platform, &what, file, plan.at)
    });
    let smoke = plan.smoke.first();
    let smoke = smoke.map(|module| missing(platform, "the smoke test", file, module.span));
    told(engine, platform, built.chain(smoke))
}

fn told(
    engine: &Engine,
    platform: &Platform,
    missing: impl Iterator<Item = Diagnostic>,
) -> Result<(), Failure> {
    if runs(engine, platform) {
        return Ok(());
    }
    let missing = missing.collect::<Diagnostics>();
    if missing.is_empty() {
        Ok(())
    } else {
        Err(missing.into())
    }
}

fn missing(platform: &Platform, what: &str, file: &SourceFile, at: Span) -> Diagnostic {
    Diagnostic::error(format!(
        "{what} for {platform} needs an emulator, which this engine does not have"
    ))
    .at(file, at)
    .help(format!(
        "install one on the engine's machine (`docker run --privileged --rm tonistiigi/binfmt --install {}`), or use a builder of that architecture",
        platform.architecture
    ))
    .help("a service of wheels alone, on a base without `packages`, needs none")
}
