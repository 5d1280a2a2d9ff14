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
mod indexes;
mod pack;
mod probe;
mod resolve;
mod smoke;
mod uv;
mod uv_lock;
mod venv;
mod wheels;

pub use base::{rootfs, stand_rootfs};
pub use bytecode::Compiler;
pub use code::{context_source, escape, matching, narrowed, paths as context_paths, requirement_files};
pub use config::{base_config, config};
pub use context::{Context, EPOCH, LocalContext};
pub use download::{downloaded, unchecked};
pub use folders::{Folder, Folders, folders_of};
pub use probe::{Asking, PROBE_FILE, asked_image, probe};
pub use resolve::{Asked, REPORT_FILE, RESOLVED, ResolveInputs, lock_file, resolve};
pub use smoke::smoke;
pub use uv_lock::{UV_LOCK_FILE, WorkspaceInputs, lock_workspace};
pub use wheels::{JOINED as FACTS_FILE, bytecode_tree, facts, wheel};

use buildkit_llb::{Definition, MarshalOptions, Merge, State};

use crate::layers::Found;
use crate::plan::Plan;

/// A graph as BuildKit takes it.
pub fn marshal(state: &State) -> Definition {
    state.marshal(&MarshalOptions::default())
}

/// A service's image as a graph.
#[derive(Debug, Clone)]
pub struct Image {
    /// Its file system.
    pub tree: State,
    /// What each step that unpacks wheels for it leaves beside them, in the order of the layers.
    pub facts: Vec<State>,
}

/// The image of a service. `found` says where each of the plan's wheel layers comes from.
pub fn image(plan: &Plan, found: &[Found], cx: &Context) -> Image {
    let base = rootfs(plan, cx);
    if cx.merge {
        let layers = wheels::layers(plan, found, cx);
        let facts = layers.iter().filter_map(|layer| layer.facts.clone()).collect();
        let layers = layers.into_iter().map(|layer| layer.tree);
        let parts = std::iter::once(base).chain(layers).chain([venv::layer(plan, cx)]);
        let tree = Merge::new(parts.chain(code::layer(plan, cx)))
            .name(format!("[{}] image", plan.service))
            .build();
        return Image { tree, facts };
    }
    let installed = wheels::install_into(plan, cx, base);
    let with_venv = venv::skeleton(plan, cx, installed.tree);
    Image {
        tree: code::add(plan, cx, with_venv.clone()).unwrap_or(with_venv),
        facts: installed.facts.into_iter().collect(),
    }
}
