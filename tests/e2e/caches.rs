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

/// The steps that made something of a wheel: built it, unpacked it, compiled its bytecode.
fn made(text: &str) -> Vec<&str> {
    let compiles = |line: &&str| line.contains("[bytecode] ") && !line.contains("@sha256:");
    let is_step = |line: &&str| line.contains("[wheels] build ") || compiles(line);
    let steps = text
        .lines()
        .filter(|line| is_step(line) && !line.ends_with(" cached"));
    let unpacked = text.lines().filter(|line| line.contains("| installed "));
    steps.chain(unpacked).collect()
}

/// What resolves requirements is no part of an image, so it would be in no cache (docs/engines.md): there is a lock.
#[test]
fn an_engine_that_imports_a_cache_makes_nothing_of_any_wheel() {
    let Some(engines) = engines() else { return };
    let (project, image) = (Project::new(), engines.image("travels"));
    project.write(
        "requirements.txt",
        "idna==3.10\ndocopt==0.6.2\nsix==1.17.0\n-r more.txt\n",
    );
    let folder = project.path().display().to_string();
    let own = std::env::var("BUILDKIT_HOST").expect("the engine's address");
    engines.wheelwright(&["lock", "-C", &folder, "--addr", &own]).ok();
    let second = PrivateEngine::start(&engines, Path::new("buildkitd"));
    let none = build(&engines, &project, &image, &second.address(), &[]).ok();
    assert!(
        made(&none).iter().any(|line| line.contains("build docopt")),
        "{none}"
    );
    // What is found in an engine's own cache is what used to get lost on the way.
    build(&engines, &project, &image, &own, &[]).ok();
    let registry = format!("type=registry,ref={}/e2e/travelling", engines.registry);
    for (to, from) in [
        (format!("{registry}-max,mode=max"), format!("{registry}-max")),
        (format!("{registry}-min,mode=min"), format!("{registry}-min")),
        ("type=inline".to_owned(), format!("type=registry,ref={image}")),
    ] {
        build(&engines, &project, &image, &own, &["--cache-to", &to]).ok();
        second.prune();
        let import = ["--cache-from", &from];
        let text = build(&engines, &project, &image, &second.address(), &import).ok();
        assert!(made(&text).is_empty(), "{from}: {:#?}\n{text}", made(&text));
    }

    // With another package the layer of a group is another one; what was built is in a cache with mode=max all the same.
    let more = "idna==3.10\ndocopt==0.6.2\nsix==1.17.0\ncolorama==0.4.6\n-r more.txt\n";
    project.write("requirements.txt", more);
    engines.wheelwright(&["lock", "-C", &folder, "--addr", &own]).ok();
    second.prune();
    let import = ["--cache-from", &format!("{registry}-max")];
    let text = build(&engines, &project, &image, &second.address(), &import).ok();
    let built = made(&text).into_iter().filter(|line| line.contains("build "));
    assert_eq!(built.collect::<Vec<_>>(), [""; 0], "{text}");
    assert!(text.contains("[wheels] build docopt 0.6.2 cached"), "{text}");
}
