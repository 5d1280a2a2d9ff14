//! What is taken of packages, backend by backend.

use super::*;

fn text(package: &str, backend: &str, more: &str) -> String {
    format!(
        "[build-system]\nrequires = [\"{package}\"]\nbuild-backend = \"{backend}\"\n[project]\nname = \"My-App\"\nversion = \"1\"\n{more}"
    )
}

/// What is taken besides what always is, when these files are there.
fn list(text: &str, there: &[&str]) -> Vec<String> {
    let Some(own) = OwnFiles::of(text) else {
        return Vec::new();
    };
    let asks = own.asks().map(str::to_owned).collect::<BTreeSet<_>>();
    let mut list = own.list(|path| {
        assert!(asks.contains(path), "{path} was not asked for");
        let mut files = there
            .iter()
            .map(|file| file.split_once('|').unwrap_or((file, "")));
        files.find(|(name, _)| *name == path).map(|(_, text)| text)
    });
    list.retain(|path| !BESIDE.contains(&path.as_str()));
    list
}

#[test]
fn code_is_taken_where_a_backend_finds_it() {
    let all = ["My_App", "My_App.py", "my_app", "my_app.py", "src"];
    for (package, backend) in [
        ("hatchling>=1.27", "hatchling.build"),
        ("poetry-core>=2,<3", "poetry.core.masonry.api"),
        ("flit_core>=3.2", "flit_core.buildapi"),
    ] {
        let text = text(package, backend, "");
        assert_eq!(list(&text, &["src/my_app/__init__.py"]), all, "{backend}");
        assert_eq!(list(&text, &["My_App.py"]), all, "{backend}");
        assert_eq!(list(&text, &["other/__init__.py"]), [""; 0], "{backend}");
    }
    let uv = |more: &str| text("uv_build>=0.8,<0.9", "uv_build", more);
    assert_eq!(list(&uv(""), &["src/my_app/__init__.py"]), all);
    assert_eq!(list(&uv(""), &["my_app/__init__.py"]), [""; 0]);
    let flat = uv("[tool.uv.build-backend]\nmodule-root = \"\"\nmodule-name = \"app\"\n");
    assert_eq!(list(&flat, &["app/__init__.py"]), ["app"]);
    let hatch = "[tool.hatch.build.targets.wheel]\npackages = [\"lib/app\", \"src/b/\"]\n";
    assert_eq!(
        list(&text("hatchling", "hatchling.build", hatch), &[]),
        ["lib/app", "src/b"]
    );
}

#[test]
fn named_files_belong_to_it() {
    let more = "readme = { file = \"docs/about.md\", content-type = \"text/markdown\" }\nlicense-files = [\"legal/a.txt\"]\n";
    let text = text("hatchling", "hatchling.build", more);
    let found = list(&text, &["my_app/__init__.py"]);
    assert!(found.contains(&"docs/about.md".to_owned()), "{found:?}");
    assert!(found.contains(&"legal/a.txt".to_owned()), "{found:?}");
}

#[test]
fn what_is_not_understood_takes_everything() {
    let there = ["my_app/__init__.py", "src/my_app/__init__.py"];
    for (package, backend, more) in [
        ("hatchling\", \"hatch-vcs", "hatchling.build", ""),
        ("hatchling", "hatchling.build", "dynamic = [\"version\"]\n"),
        ("hatchling", "hatchling.build", "readme = \"../README.md\"\n"),
        ("hatchling", "hatchling.build", "license-files = [\"legal/*\"]\n"),
        (
            "hatchling",
            "hatchling.build",
            "[tool.hatch.version]\npath = \"v.py\"\n",
        ),
        (
            "hatchling",
            "hatchling.build",
            "[tool.hatch.build.hooks.custom]\n",
        ),
        (
            "hatchling",
            "hatchling.build",
            "[tool.hatch.build.targets.wheel]\nforce-include = {}\n",
        ),
        (
            "poetry-core",
            "poetry.core.masonry.api",
            "[tool.poetry]\ninclude = [\"x\"]\n",
        ),
        (
            "pdm-backend",
            "pdm.backend",
            "[tool.pdm.build]\nincludes = [\"my_app/**/*.py\"]\n",
        ),
        (
            "pdm-backend",
            "pdm.backend",
            "[tool.pdm.build]\nrun-setuptools = true\n",
        ),
        (
            "uv_build",
            "uv_build",
            "[tool.uv.build-backend]\ndata = { data = \"x\" }\n",
        ),
        (
            "flit_core",
            "flit_core.buildapi",
            "[tool.flit.module]\nname = \"other\"\n",
        ),
    ] {
        assert_eq!(
            list(&text(package, backend, more), &there),
            [""; 0],
            "{package} {more}"
        );
    }
    let text = text("hatchling", "hatchling.build", "");
    assert!(!list(&text, &there).is_empty());
    assert_eq!(list(&text, &["my_app/__init__.py", "hatch.toml"]), [""; 0]);
    assert_eq!(list("not toml", &there), [""; 0]);
}

fn setuptools(more: &str) -> String {
    text("setuptools>=61\", \"wheel", "setuptools.build_meta", more)
}

#[test]
fn setuptools_takes_what_is_named() {
    let cases = [
        (
            "[tool.setuptools]\npackages = [\"app\", \"app.sub\"]\n",
            &["app", "app/sub"][..],
        ),
        (
            "[tool.setuptools]\npy-modules = [\"one\", \"two\"]\n",
            &["one.py", "two.py"],
        ),
        (
            "[tool.setuptools]\npackages = [\"a.b\", \"c\"]\npackage-dir = {\"\" = \"lib\", c = \"other/c\"}\n",
            &["lib/a/b", "other/c"],
        ),
        ("[tool.setuptools.packages.find]\nwhere = [\"lib\"]\n", &["lib"]),
        (
            "[tool.setuptools.packages.find]\ninclude = [\"app*\", \"tool\", \"deep.sub.*\"]\n",
            &["app", "app*", "deep", "tool"],
        ),
        (
            "dynamic = [\"version\", \"dependencies\"]\n[tool.setuptools]\npackages = [\"app\"]\n[tool.setuptools.dynamic]\nversion = {file = \"VERSION\"}\ndependencies = {file = [\"req.txt\"]}\n",
            &["VERSION", "app", "req.txt"],
        ),
    ];
    for (more, expected) in cases {
        let mut found = list(&setuptools(more), &[]);
        found.retain(|path| path != "MANIFEST.in");
        assert_eq!(found, expected, "{more}");
    }
}

#[test]
fn setuptools_takes_all_of_src_where_the_package_is_there() {
    let there = ["src/my_app/__init__.py"];
    let src = ["MANIFEST.in", "src"];
    assert_eq!(list(&setuptools(""), &there), src);
    assert_eq!(list(&setuptools(""), &["my_app/__init__.py"]), [""; 0]);
    let without = setuptools("").split_once("[project]").unwrap().1.to_owned();
    assert_eq!(list(&format!("[project]{without}"), &there), src);
    // Scripts that say nothing are no reason, and are part of it.
    let plain = "setup.py|# x\nfrom setuptools import setup\n\nsetup()\n";
    let lint = "setup.cfg|[flake8]\nmax-line-length = 100\n";
    assert_eq!(
        list(&setuptools(""), &[there[0], plain, lint]),
        ["MANIFEST.in", "setup.cfg", "setup.py", "src"]
    );
    for says in [
        "setup.py|setup(name='x')",
        "setup.cfg|[options]\npackages = x",
        "build.py",
    ] {
        assert_eq!(list(&setuptools(""), &[there[0], says]), [""; 0], "{says}");
    }
}

#[test]
fn a_version_in_the_code_is_read_where_no_code_has_to_run() {
    let text = setuptools(
        "dynamic = [\"version\"]\n[tool.setuptools.packages.find]\nwhere = [\"src\"]\n[tool.setuptools.package-dir]\n\"\" = \"src\"\n[tool.setuptools.dynamic]\nversion = {attr = \"my_app.__version__\"}\n",
    );
    let is_narrow = |module: &str| !list(&text, &[&format!("src/my_app/__init__.py|{module}")]).is_empty();
    assert!(is_narrow("import os\n__version__ = \"1.2\"\n"));
    for module in [
        "",
        "__version__ = read()",
        "__version__ = \"1\"\nif x: __version__ = \"2\"",
        "  __version__ = \"1\"",
    ] {
        assert!(!is_narrow(module), "{module}");
    }
    assert!(!list(&text, &["src/my_app.py|__version__ = \"1\""]).is_empty());
    assert_eq!(list(&text, &[]), [""; 0]);
}

#[test]
fn what_setuptools_may_find_elsewhere_takes_everything() {
    let there = ["my_app/__init__.py", "src/my_app/__init__.py"];
    for more in [
        "dynamic = [\"version\"]\n",
        "[tool.setuptools]\ndata-files = {x = [\"y\"]}\n",
        "[tool.setuptools]\nscript-files = [\"x\"]\n",
        "[tool.setuptools.package-data]\n\"*\" = [\"../x\"]\n",
        "[tool.setuptools.packages.find]\n",
        "[tool.setuptools.packages.find]\ninclude = [\"*\"]\n",
        "[tool.setuptools.packages.find]\ninclude = [\"my[_]app\"]\n",
        "[tool.setuptools.packages.find]\nwhere = [\"..\"]\n",
        "[tool.setuptools]\npackage-dir = {\"\" = \".\"}\n",
        "[tool.distutils.bdist_wheel]\nuniversal = true\n",
    ] {
        assert_eq!(list(&setuptools(more), &there), [""; 0], "{more}");
    }
    let scm = text("setuptools\", \"setuptools-scm", "setuptools.build_meta", "");
    assert_eq!(list(&scm, &there), [""; 0]);
}

#[test]
fn pdm_takes_src_or_what_is_included() {
    let pdm = |more: &str| text("pdm-backend", "pdm.backend", more);
    let src = ["src/my_app/__init__.py"];
    assert!(list(&pdm(""), &src).contains(&"src".to_owned()));
    assert_eq!(list(&pdm(""), &["my_app/__init__.py"]), [""; 0]);
    assert_eq!(
        list(&pdm("[tool.pdm.build]\nincludes = [\"my_app\"]\n"), &[]),
        ["my_app"]
    );
    assert_eq!(
        list(&pdm("[tool.pdm.build]\npackage-dir = \"lib\"\n"), &[]),
        ["lib"]
    );
    assert_eq!(list(&pdm(""), &[src[0], "pdm_build.py"]), [""; 0]);
}
