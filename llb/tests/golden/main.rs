//! Compares definitions byte for byte with those that BuildKit's Go client makes of the same graphs. The Go side is in
//! `tests/golden` at the root of the repository, which also says how to make its output anew.

mod compare;
mod execs;
mod files;
mod graphs;
mod sources;

use buildkit_llb::{MarshalOptions, Platform, Source, State};

/// A graph, and what it is marshalled with.
type Case = (&'static str, State, MarshalOptions);

const ZEROS: &str = "0000000000000000000000000000000000000000000000000000000000000000";

fn platform(text: &str) -> Platform {
    text.parse().unwrap()
}

/// What the Go side marshals with, so that nothing of this machine enters.
fn defaults() -> MarshalOptions {
    MarshalOptions {
        platform: Some(platform("linux/amd64")),
        caps: None,
        local_unique_id: "unique".to_owned(),
    }
}

fn plain(name: &'static str, state: State) -> Case {
    (name, state, defaults())
}

fn base() -> State {
    Source::image("python:3.11-slim").build()
}
