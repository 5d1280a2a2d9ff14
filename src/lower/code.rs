//! The code layer: only the listed paths, from a local source narrowed to them, owned by root, never an exec.

use std::collections::BTreeMap;

use buildkit_llb::{Copy, Differ, FileOp, LocalSource, Source, State};

use super::context::{Context, EPOCH_NANOS, LocalContext};
use super::folders;
use crate::diag::Span;
use crate::manifest::ProjectPath;
use crate::plan::{CodePlan, FileFrom, FilePlan, Plan};
use crate::python::artifact::{Checkout, Folder};
use crate::python::requirements::CHECKOUTS;

/// A layer of code and files; none when the service has neither. Copied once, as the venv's layer is: a folder takes the
/// clock's time when something is put into it.
pub(super) fn layer(plan: &Plan, cx: &Context) -> Option<State> {
    let made = add(plan, cx, State::scratch())?;
    let copy = Copy::from(&made, "/", "/").dir_contents().timestamp(EPOCH_NANOS);
    let op = FileOp::on(State::scratch()).copy(copy);
    Some(cx.file_op(op, format!("[{}] code layer", plan.service), code_at(plan)))
}

/// Adds code and files to a tree; nothing when the service has neither.
pub(super) fn add(plan: &Plan, cx: &Context, on: State) -> Option<State> {
    if !is_needed(plan) {
        return None;
    }
    let source = context_source(cx, &plan.service, &paths(&plan.code, &plan.files));
    let op = folders::as_below(plan, cx, FileOp::on(on).timestamp(EPOCH_NANOS));
    let mut op = op.mkdir(&plan.image.working_dir, 0o755, true, None);
    for code in &plan.code {
        let from = if code.from.as_str() == "." {
            "/".to_owned()
        } else {
            format!("/{}", code.from)
        };
        op = folder_of(op, &code.to).copy(
            Copy::from(&source, from, &code.to)
                .dir_contents()
                .create_dest_path()
                .follow_symlink()
                .chown(0, 0),
        );
    }
    for file in &plan.files {
        let (state, from) = match &file.from {
            FileFrom::Path(path) => (source.clone(), format!("/{path}")),
            FileFrom::Url { url, sha256 } => {
                let fetched = Source::http(url)
                    .checksum(sha256.to_string())
                    .filename("file")
                    .perm(0o644)
                    .name(format!("[{}] download {}", plan.service, file.to))
                    .location(&cx.sources, cx.ranges(file.at))
                    .build();
                (fetched, "/file".to_owned())
            }
        };
        let copy = Copy::from(&state, from, &file.to).follow_symlink();
        op = folder_of(op, &file.to).copy(copy.chown(0, 0).mode(file.mode.0));
    }
    Some(cx.file_op(op, format!("[{}] code", plan.service), code_at(plan)))
}

/// Where the code is listed.
fn code_at(plan: &Plan) -> Span {
    plan.code.first().map_or(plan.at, |code| code.at)
}

/// Whether there is anything for the layer to hold.
pub(super) fn is_needed(plan: &Plan) -> bool {
    !plan.code.is_empty() || !plan.files.is_empty() || plan.image.working_dir != "/"
}

/// Makes the folder that a path is in. A copy would give a folder that it has to make the permissions of the file.
fn folder_of(op: FileOp, path: &str) -> FileOp {
    match path.trim_end_matches('/').rsplit_once('/') {
        Some((folder, _)) if !folder.is_empty() => op.mkdir(folder, 0o755, true, None),
        _ => op,
    }
}

/// The paths of the repository that a service's image holds.
pub fn paths(code: &[CodePlan], files: &[FilePlan]) -> Vec<ProjectPath> {
    let files = files.iter().filter_map(|file| match &file.from {
        FileFrom::Path(path) => Some(path.clone()),
        FileFrom::Url { .. } => None,
    });
    code.iter().map(|code| code.from.clone()).chain(files).collect()
}

/// The repository narrowed to the paths of a service.
pub fn context_source(cx: &Context, what: &str, paths: &[ProjectPath]) -> State {
    narrowed(&cx.context, what, paths)
}

/// The repository narrowed to some paths, and to what they lead to where they are links. `what` keeps the engine's snapshots of different sets apart: files
/// outside a set would be removed and sent again.
pub fn narrowed(context: &LocalContext, what: &str, paths: &[ProjectPath]) -> State {
    let paths = paths.iter().map(|path| escape(path.as_str())).collect();
    filtered(context, what, paths, &[])
}

/// What the resolver reads: files of the repository, some of them in other words, and commits in folders of their
/// own. A tree that is the resolver's to write to has a key of its content all the same, since it is a copy.
pub fn requirement_files(
    context: &LocalContext,
    what: &str,
    paths: &[ProjectPath],
    texts: &BTreeMap<ProjectPath, String>,
    checkouts: &BTreeMap<String, Checkout>,
    writable: bool,
) -> State {
    let source = narrowed(context, what, paths);
    if texts.is_empty() && checkouts.is_empty() && !writable {
        return source;
    }
    let all = Copy::from(&source, "/", "/")
        .dir_contents()
        .allow_empty_wildcard();
    let op = texts
        .iter()
        .fold(FileOp::on(State::scratch()).copy(all), |op, (path, text)| {
            op.mkfile(format!("/{path}"), 0o644, text.as_bytes().to_vec(), None)
        });
    let op = checkouts.values().fold(op, |op, checkout| {
        let tree = Source::git(&checkout.url, &checkout.commit)
            .keep_git_dir()
            .name(format!("[requirements] {} at {}", checkout.url, checkout.commit))
            .build();
        let to = format!("/{CHECKOUTS}/{}", checkout.commit);
        op.copy(Copy::from(&tree, "/", to).dir_contents().create_dest_path())
    });
    op.timestamp(EPOCH_NANOS)
        .name(format!("[internal] {what}"))
        .build()
}

/// A folder that a package is built from, without what builds and tests leave in it and without other packages.
pub(super) fn package_folder(context: &LocalContext, folder: &Folder) -> State {
    let inside = |name: &&str| match folder.path.as_str() {
        "." => format!("**/{name}"),
        path => format!("{}/**/{name}", escape(path)),
    };
    let others = folder.without.iter().map(|path| escape(path.as_str()));
    let excludes = LEFTOVERS.iter().map(inside).chain(others).collect::<Vec<_>>();
    let paths = if folder.only.is_empty() {
        vec![escape(folder.path.as_str())]
    } else {
        folder.only.clone()
    };
    filtered(context, &format!("package {}", folder.path), paths, &excludes)
}

/// What is found in the folder of a package and is no source.
const LEFTOVERS: [&str; 9] = [
    ".git",
    ".venv",
    "__pycache__",
    "*.egg-info",
    ".pytest_cache",
    ".mypy_cache",
    ".ruff_cache",
    ".tox",
    "node_modules",
];

/// The repository narrowed to what some patterns match.
fn filtered(context: &LocalContext, what: &str, mut include: Vec<String>, excludes: &[String]) -> State {
    if let Some(state) = &context.state {
        return state.clone();
    }
    let excludes = context.excludes.iter().chain(excludes).cloned();
    let mut local = local(context, what).exclude_patterns(excludes);
    include.sort();
    include.dedup();
    if !include.iter().any(|path| path == ".") {
        local = local.follow_paths(include);
    }
    local.build()
}

/// The repository narrowed to files that match patterns in any folder, and to some paths.
pub fn matching(context: &LocalContext, what: &str, patterns: &[&str], paths: &[ProjectPath]) -> State {
    if let Some(state) = &context.state {
        return state.clone();
    }
    let paths = paths.iter().map(|path| escape(path.as_str()));
    let include = patterns.iter().map(|pattern| (*pattern).to_owned()).chain(paths);
    let local = local(context, what).exclude_patterns(context.excludes.clone());
    local.include_patterns(include).build()
}

/// The repository as a source, for the engine to keep apart from others.
fn local(context: &LocalContext, what: &str) -> LocalSource {
    Source::local(&context.name)
        .session_id(&context.session)
        .shared_key_hint(format!("{}-{what}{}", context.name, context.shared_key))
        .differ(Differ::Metadata)
        .name(format!("[internal] load {what} from the build context"))
}

/// The pattern that matches a path and nothing else but what is under it: paths are names, not patterns.
pub fn escape(path: &str) -> String {
    let mut escaped = String::with_capacity(path.len());
    for c in path.chars() {
        if matches!(c, '*' | '?' | '[' | ']' | '\\' | '!') {
            escaped.push('\\');
        }
        escaped.push(c);
    }
    escaped
}
