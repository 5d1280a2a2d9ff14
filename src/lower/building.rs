//! The building part of the wheel stage: a source to a wheel, on base and build packages.
//!
//! A file or a commit never changes, so it is built once, by uv in an environment of its own. A folder of the repository
//! changes all day: its environment is a step of its own, and building it again takes only its backend.

use buildkit_llb::{Copy, Exec, FileOp, Mount, Sharing, Source, State};

use super::base;
use super::code::{narrowed, package_folder};
use super::context::{Context, EPOCH, EPOCH_NANOS};
use super::uv::{uv, with_environment};
use super::wheels::{fetch, output};
use crate::manifest::ProjectPath;
use crate::plan::{BuildPlan, Plan};
use crate::python::Artifact;

const BUILD: &str = include_str!("scripts/wheel.sh");
const BACKEND: &str = include_str!("scripts/backend.sh");
const HOOK: &str = include_str!("scripts/hook.py");
const REPACK: &str = include_str!("scripts/repack.py");

/// A source as the build script takes it.
struct Unbuilt {
    /// Mounted read-only, so that its content decides.
    tree: State,
    /// The part of the tree that is mounted.
    selector: String,
    /// What the script finds there: `archive`, `tree`, or `own` where a tree has nothing but the package's own files.
    kind: &'static str,
    /// The folder in it that holds the package.
    subdirectory: String,
    /// Its pyproject.toml alone, where it is a folder of the repository: what it is built with depends on nothing else.
    project: Option<State>,
}

impl Unbuilt {
    fn of(artifact: &Artifact, plan: &Plan, cx: &Context) -> Self {
        match artifact {
            Artifact::Wheel(file) | Artifact::Source(file) => Self {
                tree: fetch(file, plan, cx),
                selector: "/".to_owned(),
                kind: "archive",
                subdirectory: ".".to_owned(),
                project: None,
            },
            Artifact::Directory(folder) => {
                let tree = package_folder(&cx.context, folder);
                let selector = match folder.path.as_str() {
                    "." => "/".to_owned(),
                    path => format!("/{path}"),
                };
                let project = Copy::from(&tree, &selector, "/").dir_contents();
                let op = FileOp::on(State::scratch())
                    .timestamp(EPOCH_NANOS)
                    .copy(project.include(["pyproject.toml"]).chown(0, 0));
                let name = format!("[internal] what builds {}", folder.path);
                Self {
                    project: Some(cx.file_op(op, name, plan.at)),
                    tree,
                    selector,
                    kind: if folder.only.is_empty() { "tree" } else { "own" },
                    subdirectory: ".".to_owned(),
                }
            }
            Artifact::Vcs(checkout) => Self {
                tree: Source::git(&checkout.url, &checkout.commit)
                    .keep_git_dir()
                    .name(format!("[wheels] {} at {}", checkout.url, checkout.commit))
                    .location(&cx.sources, cx.ranges(plan.at))
                    .build(),
                selector: "/".to_owned(),
                kind: "tree",
                subdirectory: checkout
                    .subdirectory
                    .as_ref()
                    .map_or(".", ProjectPath::as_str)
                    .to_owned(),
                project: None,
            },
        }
    }
}

/// Where the environment is that a folder of the repository is built in.
const ENVIRONMENT: &str = "/run/wheelwright/backend";
const CONSTRAINTS: &str = "/run/wheelwright/constraints";

/// uv's options for one build.
fn options(settings: &BuildPlan) -> Vec<String> {
    let constraints = settings.constraints.iter();
    let constraints = constraints.flat_map(|file| {
        [
            "--build-constraints".to_owned(),
            format!("{CONSTRAINTS}/{}", file.path),
        ]
    });
    let settings = settings.config_settings.iter();
    let settings =
        settings.flat_map(|(name, value)| ["--config-setting".to_owned(), format!("{name}={value}")]);
    constraints.chain(settings).collect()
}

/// Where uv finds what a source is built with.
fn public_indexes(cx: &Context, exec: Exec) -> Exec {
    let (default, more): (Vec<_>, Vec<_>) = cx.indexes.public().partition(|index| index.default);
    let exec = match default.first() {
        Some(index) => exec.env("UV_DEFAULT_INDEX", cx.indexes.mirrored(&index.url)),
        None => exec,
    };
    let more = more
        .iter()
        .map(|index| format!("{}={}", index.name, cx.indexes.mirrored(&index.url)));
    let more = more.collect::<Vec<_>>().join(" ");
    if more.is_empty() {
        exec
    } else {
        exec.env("UV_INDEX", more)
    }
}

/// Caches of ccache and cargo, where a builder has them. Each package has its own, as of uv: nobody verifies what is found
/// in them, and build code may write there what it likes.
fn compiler_caches(plan: &Plan, package: &str, cx: &Context, exec: Exec) -> Exec {
    let minor = plan.interpreter.minor.to_string();
    let platform = cx.platform.to_string();
    let id = |tool: &str| cx.cache_id(&[tool, &cx.project, package, &minor, &platform, &cx.image]);
    exec.mount(Mount::cache("/root/.cache/ccache", id("ccache")).sharing(Sharing::Shared))
        .mount(Mount::cache("/root/.cargo/registry", id("cargo")).sharing(Sharing::Locked))
        .env("CCACHE_DIR", "/root/.cache/ccache")
}

/// A source built to a wheel on base and build packages. No secret of an index is mounted here: build code could
/// read it.
pub(super) fn build(plan: &Plan, index: usize, artifact: &Artifact, cx: &Context) -> State {
    let source = Unbuilt::of(artifact, plan, cx);
    let pick = &plan.packages[index];
    let settings = plan.builds[index].clone().unwrap_or_default();
    let python = &plan.interpreter.executable;
    let script = "/run/wheelwright/script/wheel.sh";
    let words = [
        "/bin/sh",
        script,
        python,
        source.kind,
        &source.subdirectory,
        pick.name.as_str(),
        &pick.version,
    ]
    .map(str::to_owned);
    let args = words.into_iter().chain(options(&settings)).collect::<Vec<_>>();
    let exec = cx
        .online(args.iter().map(String::as_str))
        .mount(
            Mount::bind("/src", source.tree.clone())
                .selector(&source.selector)
                .readonly(),
        )
        .mount(Mount::bind("/out", State::scratch()));
    let exec = match &source.project {
        None => exec,
        Some(project) => {
            exec.mount(Mount::bind(ENVIRONMENT, environment(plan, index, project, cx)).readonly())
        }
    };
    let scripts = [("wheel.sh", BUILD), ("hook.py", HOOK), ("repack.py", REPACK)];
    let exec = on_builder(plan, index, cx, exec, &scripts);
    let exec = compiler_caches(plan, pick.name.as_str(), cx, exec);
    // Debug information would name the folder that build requirements happen to be in.
    let exec = exec
        .env("CFLAGS", "-g0")
        .env("CXXFLAGS", "-g0")
        .env("PYTHONHASHSEED", "0");
    let exec = settings
        .environment
        .iter()
        .fold(exec, |exec, (name, value)| exec.env(name, value));
    let exec = exec.env("SOURCE_DATE_EPOCH", EPOCH.to_string());
    let name = format!("[wheels] build {} {}", pick.name, pick.version);
    cx.output(exec, name.trim_end().to_owned(), plan.at)
}

/// The environment that a folder of the repository is built in: made again when its pyproject.toml changes, so that a
/// change of its code asks no index and installs nothing.
fn environment(plan: &Plan, index: usize, project: &State, cx: &Context) -> State {
    let pick = &plan.packages[index];
    let settings = plan.builds[index].clone().unwrap_or_default();
    let constraints = settings.constraints.iter();
    let constraints =
        constraints.flat_map(|file| ["--constraints".to_owned(), format!("{CONSTRAINTS}/{}", file.path)]);
    let script = "/run/wheelwright/script/backend.sh";
    let words = ["/bin/sh", script, &plan.interpreter.executable].map(str::to_owned);
    let args = words.into_iter().chain(constraints).collect::<Vec<_>>();
    let exec = cx
        .online(args.iter().map(String::as_str))
        .mount(Mount::bind("/src", project.clone()).readonly())
        .mount(Mount::bind(ENVIRONMENT, State::scratch()));
    let scripts = [("backend.sh", BACKEND), ("hook.py", HOOK)];
    let exec = on_builder(plan, index, cx, exec, &scripts);
    let exec = exec.env("SOURCE_DATE_EPOCH", EPOCH.to_string());
    let handle = cx
        .exec(exec, format!("[wheels] what builds {}", pick.name), plan.at)
        .build();
    output(&handle, ENVIRONMENT)
}

/// Tells apart builds of one folder on builders with different system packages: caches tell the image, the Python and the
/// platform already. Steps that are otherwise equal and share a folder of the session are taken for one by a cache.
fn apart(plan: &Plan, index: usize, exec: Exec) -> Exec {
    if !matches!(plan.packages[index].artifact, Artifact::Directory(_)) {
        return exec;
    }
    let own = plan.builds[index].iter().flat_map(|settings| &settings.packages);
    let packages = [&plan.base.packages, &plan.base.service_packages];
    let packages = packages.into_iter().flatten().chain(own).map(String::as_str);
    match packages.collect::<Vec<_>>().join(" ") {
        none if none.is_empty() => exec,
        packages => exec.env("WHEELWRIGHT_PACKAGES", packages),
    }
}

/// An exec on the builder of a package: base and build packages, uv with what it finds, and scripts.
fn on_builder(plan: &Plan, index: usize, cx: &Context, exec: Exec, scripts: &[(&str, &str)]) -> Exec {
    let pick = &plan.packages[index];
    let settings = plan.builds[index].clone().unwrap_or_default();
    let tool = uv(cx, base::rootfs(plan, cx), &plan.interpreter.executable, plan.at);
    let exec = exec
        .root(base::builder(plan, cx, &settings.packages))
        .platform(cx.platform.clone())
        .cwd("/")
        .mount(
            Mount::bind("/run/wheelwright/uv", tool)
                .selector("/uv")
                .readonly(),
        )
        .mount(Mount::bind("/run/wheelwright/script", cx.script(scripts)).readonly())
        .mount(Mount::tmpfs("/tmp"));
    let exec = with_environment(
        cx,
        cx.with_base_environment(exec),
        &format!("build-{}", pick.name),
        &plan.interpreter,
    );
    let exec = apart(plan, index, exec);
    let exec = public_indexes(cx, exec);
    let exec = match settings.constraints.as_slice() {
        [] => exec,
        files => {
            let files = files.iter().map(|file| file.path.clone()).collect::<Vec<_>>();
            let source = narrowed(&cx.context, "build constraints", &files);
            exec.mount(Mount::bind(CONSTRAINTS, source).readonly())
        }
    };
    match &settings.exclude_newer {
        Some(moment) => exec.env("UV_EXCLUDE_NEWER", moment),
        None => exec,
    }
}
