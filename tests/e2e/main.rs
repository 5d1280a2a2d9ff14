//! Builds on real engines, checked by what the containers answer.
//!
//! `make engine` brings the engines up and leaves `.engine/env`; these tests read what it exports. Without
//! engines they are skipped with a word, unless CI or WHEELWRIGHT_E2E is set: then their absence is a failure.

mod broken;
mod built;
mod bytecode;
mod caches;
mod checked;
mod client;
mod code;
mod connections;
mod doors;
mod engine;
mod faults;
mod fill;
mod folders;
mod foreign;
mod front;
mod history;
mod index;
mod indexes;
mod layers;
mod locking;
mod locks;
mod mistakes;
mod older;
mod private;
mod project;
mod recorded;
mod resumed;
mod secrets;
mod session;
mod shellless;
mod smoke;
mod sources;
mod store;
mod stored;
mod tags;
mod tidy;
mod together;
mod trees;
mod unchanged;
mod uv_locks;
mod vcs;
