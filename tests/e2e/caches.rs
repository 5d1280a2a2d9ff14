//! Caches that travel: a second engine, with nothing in it, takes what the first has made and runs nothing again.

use std::path::Path;

use crate::engine::{Engines, Said, engines};
use crate::private::PrivateEngine;
use crate::project::Project;

/// Builds and pushes with the command.
fn build(engines: &Engines, project: &Project, image: &str, address: &str, more: &[&str]) -> Said {
    let folder = project.path().display().to_string();
    let fixed = [
        "build",
        "api",
        "-C",
        &folder,
        "--addr",
        address,
        "-t",
        image,
        "--push",
        "--progress=plain",
    ];
    engines.wheelwright(&[&fixed[..], more].concat())
}

/// The lines of wheels that were unpacked or built again. Their downloads are looked at and not made.
///
/// What resolves requirements is no part of an image, so no exporter puts it into a cache: a lock saves that.
fn unpacked(text: &str) -> Vec<&str> {
    text.lines()
        .filter(|line| line.contains("[wheels] ") && !line.contains(".whl ") && !line.ends_with("cached"))
        .collect()
}

#[test]
fn a_cache_is_all_that_another_engine_needs() {
    let Some(engines) = engines() else { return };
    let (project, image) = (Project::new(), engines.image("travels"));
    let own = std::env::var("BUILDKIT_HOST").expect("the engine's address");
    let second = PrivateEngine::start(&engines, Path::new("buildkitd"));
    let folder = project.path().join("cache").display().to_string();
    let registry = format!(
        "type=registry,ref={}/e2e/travelling-cache:latest",
        engines.registry
    );
    for (to, from) in [
        (format!("{registry},mode=max"), registry.clone()),
        (
            format!("type=local,dest={folder},mode=max"),
            format!("type=local,src={folder}"),
        ),
    ] {
        build(&engines, &project, &image, &own, &["--cache-to", &to]).ok();
        second.prune();
        let text = build(
            &engines,
            &project,
            &image,
            &second.address(),
            &["--cache-from", &from],
        )
        .ok();
        assert_eq!(unpacked(&text), Vec::<&str>::new(), "{from}:\n{text}");
        assert!(text.contains("[wheels] idna 3.10 cached"), "{from}:\n{text}");
    }
}

#[test]
fn an_image_carries_its_own_cache() {
    let Some(engines) = engines() else { return };
    let (project, image) = (Project::new(), engines.image("inline"));
    let own = std::env::var("BUILDKIT_HOST").expect("the engine's address");
    build(&engines, &project, &image, &own, &["--cache-to", "type=inline"]).ok();
    let second = PrivateEngine::start(&engines, Path::new("buildkitd"));
    let from = format!("type=registry,ref={image}");
    let text = build(
        &engines,
        &project,
        &image,
        &second.address(),
        &["--cache-from", &from],
    )
    .ok();
    // Of what was merged an inline cache keeps a part (docs/engines.md).
    let cached = text
        .lines()
        .filter(|line| line.contains("[wheels] ") && line.ends_with("cached"));
    assert_ne!(cached.count(), 0, "{text}");
}
