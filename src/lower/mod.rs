//! A plan to a graph: the only stage that knows both.
//!
//! One file a part of the image; [`image`] puts them together. Every vertex carries a short name for progress and
//! the place in the manifest that asked for it, so a failing step underlines the manifest.

mod base;
mod building;
mod bytecode;
mod code;
mod config;
mod context;
mod download;
mod folders;
mod history;
mod pack;
mod probe;
mod resolve;
mod smoke;
mod uv;
mod venv;
mod wheels;

pub use base::{rootfs, stand_rootfs};
pub use bytecode::Compiler;
pub use code::{context_source, escape, narrowed, paths as context_paths, requirement_files};
pub use config::{base_config, config};
pub use context::{Context, EPOCH, LocalContext};
pub use folders::{Folder, Folders, folders_of};
pub use probe::{PROBE_FILE, probe};
pub use resolve::{Asked, REPORT_FILE, RESOLVED, ResolveInputs, lock_file, resolve};
pub use smoke::smoke;
pub use wheels::{JOINED as FACTS_FILE, bytecode_tree, facts, wheel};

use buildkit_llb::{Definition, MarshalOptions, Merge, State};

use crate::layers::Found;
use crate::plan::Plan;

/// A graph as BuildKit takes it.
pub fn marshal(state: &State) -> Definition {
    state.marshal(&MarshalOptions::default())
}

/// The file system of a service's image. `found` says where each of the plan's wheel layers comes from.
pub fn image(plan: &Plan, found: &[Found], cx: &Context) -> State {
    let base = rootfs(plan, cx);
    if cx.merge {
        let layers = wheels::layers(plan, found, cx);
        let parts = std::iter::once(base).chain(layers).chain([venv::layer(plan, cx)]);
        return Merge::new(parts.chain(code::layer(plan, cx)))
            .name(format!("[{}] image", plan.service))
            .build();
    }
    let installed = wheels::install_into(plan, cx, base);
    let with_venv = venv::skeleton(plan, cx, installed);
    code::add(plan, cx, with_venv.clone()).unwrap_or(with_venv)
}
