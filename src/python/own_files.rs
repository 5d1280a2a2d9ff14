//! Which files of a repository a package at its root is made of, where its pyproject.toml tells without a build.
//!
//! A folder that is also everybody else's would have the package built again for every change. So a package of a backend
//! whose rules are few and known is taken by name: its metadata, its licences, its code. Whatever is not fully understood
//! (plugins, hooks, tables with includes, code in other places) gets the whole folder: right comes before narrow. Only
//! backends are known here that fail where a file is missing; setuptools leaves out what it does not find.

use std::collections::BTreeSet;

use toml::{Table, Value};

use super::requirement;

/// The file that tells.
pub const PYPROJECT: &str = "pyproject.toml";

/// What may be beside any package and is part of its wheel or decides what is.
const BESIDE: [&str; 17] = [
    PYPROJECT,
    ".gitignore",
    ".hgignore",
    "README*",
    "AUTHORS*",
    "COPYING*",
    "LICENCE*",
    "LICENSE*",
    "LICENSES",
    "NOTICE*",
    // By name too, as links are followed only where they are named.
    "AUTHORS",
    "COPYING",
    "LICENCE",
    "LICENSE",
    "LICENSE.md",
    "LICENSE.txt",
    "NOTICE",
];

/// Files that can change what any of this means.
const SCRIPTS: [&str; 5] = [
    "setup.py",
    "setup.cfg",
    "build.py",
    "hatch.toml",
    "hatch_build.py",
];

/// A package as its pyproject.toml has it, if all of it is understood.
#[derive(Debug)]
pub struct OwnFiles {
    /// Besides the code and [`BESIDE`].
    named: BTreeSet<String>,
    code: Code,
}

#[derive(Debug)]
enum Code {
    /// Where the file tells.
    At(Vec<String>),
    /// In one of these places, of which a file must be there to be sure; then all that could be meant is taken.
    One { signs: Vec<String>, places: Vec<String> },
}

impl OwnFiles {
    /// What the text of a pyproject.toml tells; none where that is not enough.
    pub fn of(pyproject: &str) -> Option<Self> {
        let file = pyproject.parse::<Table>().ok()?;
        let project = file.get("project")?.as_table()?;
        let tool = file.get("tool").and_then(Value::as_table);
        let backend = backend(file.get("build-system")?.as_table()?)?;
        let dynamic = project.get("dynamic").and_then(Value::as_array);
        // Flit reads both from the code itself; elsewhere they may come from anywhere.
        if backend != "flit_core" && dynamic.is_some_and(|keys| !keys.is_empty()) {
            return None;
        }
        let table = |name: &str| tool.and_then(|tool| tool.get(name)).and_then(Value::as_table);
        let name = project.get("name")?.as_str()?;
        let code = match backend {
            "hatchling" => hatchling(table("hatch"), name)?,
            "uv_build" => uv_build(table("uv"), name)?,
            "poetry-core" => {
                let plain = ["requires-poetry", "requires-plugins", "source"];
                only(table("poetry"), &plain)?;
                anywhere(name)?
            }
            _ => {
                only(table("flit"), &["sdist"])?;
                anywhere(name)?
            }
        };
        Some(Self {
            named: named(project)?,
            code,
        })
    }

    /// The files whose presence [`Self::list`] asks for.
    pub fn asks(&self) -> impl Iterator<Item = &str> {
        let signs = match &self.code {
            Code::At(_) => &[][..],
            Code::One { signs, .. } => signs,
        };
        SCRIPTS.into_iter().chain(signs.iter().map(String::as_str))
    }

    /// Paths of the root that hold the package, as patterns; empty where it has to be the whole folder.
    pub fn list(&self, there: impl Fn(&str) -> bool) -> Vec<String> {
        let code = match &self.code {
            _ if SCRIPTS.into_iter().any(&there) => return Vec::new(),
            Code::One { signs, .. } if !signs.iter().any(|sign| there(sign)) => return Vec::new(),
            Code::At(places) | Code::One { places, .. } => places,
        };
        let beside = BESIDE.iter().map(|path| (*path).to_owned());
        let all = beside
            .chain(self.named.iter().cloned())
            .chain(code.iter().cloned());
        all.collect::<BTreeSet<_>>().into_iter().collect()
    }
}

/// A known backend that works alone.
fn backend(system: &Table) -> Option<&'static str> {
    let package = match system.get("build-backend")?.as_str()? {
        "hatchling.build" => "hatchling",
        "uv_build" => "uv_build",
        "poetry.core.masonry.api" => "poetry-core",
        "flit_core.buildapi" => "flit_core",
        _ => return None,
    };
    let alone = |text: &Value| {
        let wanted = requirement::parse(text.as_str()?).ok()?;
        (wanted.name.as_ref() == package.replace('_', "-")).then_some(())
    };
    only(Some(system), &["build-backend", "requires"])?;
    system.get("requires")?.as_array()?.iter().try_for_each(alone)?;
    Some(package)
}

/// Files that the standard table names.
fn named(project: &Table) -> Option<BTreeSet<String>> {
    let mut named = BTreeSet::new();
    match project.get("readme") {
        None => {}
        Some(Value::String(path)) => drop(named.insert(plain(path)?)),
        Some(table) => named.extend(file_of(table)?),
    }
    if let Some(license @ Value::Table(_)) = project.get("license") {
        named.extend(file_of(license)?);
    }
    let files = project.get("license-files");
    for path in files.map_or(Some(&[][..]), |files| Some(files.as_array()?.as_slice()))? {
        named.insert(plain(path.as_str()?)?);
    }
    Some(named)
}

/// The file of a table that has either a file or a text.
fn file_of(table: &Value) -> Option<Vec<String>> {
    let path = table.get("file").into_iter();
    path.map(|path| plain(path.as_str()?)).collect()
}

fn hatchling(table: Option<&Table>, name: &str) -> Option<Code> {
    only(table, &["envs", "publish", "build"])?;
    let found = || one(name, &["{}/__init__.py", "src/{}/__init__.py", "{}.py"]);
    let Some(build) = table.and_then(|table| table.get("build")) else {
        return found();
    };
    only(Some(build.as_table()?), &["targets"])?;
    let targets = build.get("targets")?.as_table()?;
    only(Some(targets), &["sdist", "wheel"])?;
    let Some(wheel) = targets.get("wheel") else {
        return found();
    };
    only(Some(wheel.as_table()?), &["packages"])?;
    let packages = wheel.get("packages")?.as_array()?.iter();
    let places = packages
        .map(|path| plain(path.as_str()?))
        .collect::<Option<Vec<_>>>()?;
    (!places.is_empty()).then_some(Code::At(places))
}

fn uv_build(table: Option<&Table>, name: &str) -> Option<Code> {
    let Some(backend) = table.and_then(|uv| uv.get("build-backend")) else {
        return one(name, &["src/{}/__init__.py"]);
    };
    let backend = backend.as_table()?;
    only(Some(backend), &["module-name", "module-root"])?;
    let text = |key: &str| {
        backend
            .get(key)
            .map_or(Some(None), |value| value.as_str().map(Some))
    };
    let root = text("module-root")?.unwrap_or("src");
    let module = word(text("module-name")?.unwrap_or(name))?;
    let place = if root.is_empty() {
        module
    } else {
        format!("{}/{module}", plain(root)?)
    };
    Some(Code::One {
        signs: vec![format!("{place}/__init__.py")],
        places: vec![place],
    })
}

/// Where most backends look.
fn anywhere(name: &str) -> Option<Code> {
    one(
        name,
        &["{}/__init__.py", "src/{}/__init__.py", "{}.py", "src/{}.py"],
    )
}

fn one(name: &str, signs: &[&str]) -> Option<Code> {
    let written = word(name)?;
    let names = BTreeSet::from([written.to_lowercase(), written]);
    let modules = names.iter().flat_map(|name| [name.clone(), format!("{name}.py")]);
    Some(Code::One {
        signs: names
            .iter()
            .flat_map(|name| signs.iter().map(move |sign| sign.replace("{}", name)))
            .collect(),
        places: modules.chain(["src".to_owned()]).collect(),
    })
}

/// A name as a module has it.
fn word(name: &str) -> Option<String> {
    let known = |c: char| c.is_ascii_alphanumeric() || c == '-' || c == '_';
    (!name.is_empty() && name.chars().all(known)).then(|| name.replace('-', "_"))
}

/// A path below the root that is no pattern.
fn plain(path: &str) -> Option<String> {
    let path = path.strip_prefix("./").unwrap_or(path).trim_end_matches('/');
    let known = |part: &str| {
        !matches!(part, "" | "." | "..") && !part.contains(['*', '?', '[', ']', '{', '}', '!', '\\'])
    };
    path.split('/').all(known).then(|| path.to_owned())
}

/// Nothing where a table has a key that is not known.
fn only(table: Option<&Table>, keys: &[&str]) -> Option<()> {
    let known = |key: &String| keys.contains(&key.as_str());
    table.is_none_or(|table| table.keys().all(known)).then_some(())
}

#[cfg(test)]
mod tests {
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
            there.contains(&path)
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
            ("setuptools", "setuptools.build_meta", ""),
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
}
