//! Caches that travel: a second engine, with nothing in it, takes what the first has made.

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
        "--wheels-from=graph",
    ];
    engines.wheelwright(&[&fixed[..], more].concat())
}

/// How many wheels were unpacked again, by what `unwheel` says.
fn unpacked(text: &str) -> usize {
    text.lines().filter(|line| line.contains("| installed ")).count()
}

/// Not all of it: of what is merged BuildKit now and then exports a part only, and what resolves requirements is no part
/// of an image (docs/engines.md). But never nothing.
#[test]
fn a_cache_saves_another_engine_from_unpacking() {
    let Some(engines) = engines() else { return };
    let (project, image) = (Project::new(), engines.image("travels"));
    let own = std::env::var("BUILDKIT_HOST").expect("the engine's address");
    let second = PrivateEngine::start(&engines, Path::new("buildkitd"));
    let none = build(&engines, &project, &image, &second.address(), &[]).ok();
    assert_eq!(unpacked(&none), 2, "{none}");
    let registry = format!(
        "type=registry,ref={}/e2e/travelling-cache:latest",
        engines.registry
    );
    for (to, from) in [
        (format!("{registry},mode=max"), registry),
        ("type=inline".to_owned(), format!("type=registry,ref={image}")),
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
        assert!(text.contains("importing cache manifest"), "{text}");
        assert!(unpacked(&text) < 2, "{from}:\n{text}");
    }
}
