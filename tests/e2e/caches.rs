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

/// The lines of steps that ran, of those that take an engine's work.
fn ran(text: &str) -> Vec<&str> {
    let steps = ["[wheels] ", "resolve requirements", "fetch uv"];
    text.lines()
        .filter(|line| steps.iter().any(|step| line.contains(step)) && !line.ends_with("cached"))
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
        assert_eq!(ran(&text), Vec::<&str>::new(), "{from}:\n{text}");
        assert!(text.contains("cached"), "{text}");
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
    let unpacked = ran(&text).into_iter().filter(|line| line.contains("[wheels] "));
    assert_eq!(unpacked.collect::<Vec<_>>(), Vec::<&str>::new(), "{text}");
}
