//! Which files of a repository a package at its root is made of, where its pyproject.toml tells without a build.
//!
//! A folder that is also everybody else's would have the package built again for every change. So a package of a backend
//! whose rules are few and known is taken by name: its metadata, its licences, its code. Whatever is not fully understood
//! (plugins, hooks, tables with includes, code in other places) gets the whole folder: right comes before narrow. Most
//! backends fail where a file is missing. Setuptools and PDM leave out what they do not find, so nothing is taken by its
//! look: only where the file names places, or where one place is known to hold everything.

mod setuptools;
#[cfg(test)]
mod tests;

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
const SCRIPTS: [&str; 6] = [
    "setup.py",
    "setup.cfg",
    "build.py",
    "hatch.toml",
    "hatch_build.py",
    "pdm_build.py",
];

/// A package as its pyproject.toml has it, if all of it is understood.
#[derive(Debug)]
pub struct OwnFiles {
    /// Besides the code and [`BESIDE`].
    named: BTreeSet<String>,
    code: Code,
    /// Which of [`SCRIPTS`] may be there after all, by what they say.
    harmless: fn(&str, &str) -> bool,
    /// What the backend reads out of the code.
    read: Option<Literal>,
}

/// A text that a module assigns to a name.
#[derive(Debug)]
struct Literal {
    /// Where the module may be.
    files: [String; 2],
    name: String,
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
        let backend = match file.get("build-system") {
            None => "setuptools",
            Some(system) => backend(system.as_table()?)?,
        };
        let table = |name: &str| tool.and_then(|tool| tool.get(name)).and_then(Value::as_table);
        if backend == "setuptools" {
            only(table("distutils"), &[])?;
            return setuptools::own_files(table("setuptools"), project);
        }
        let dynamic = project.get("dynamic").and_then(Value::as_array);
        // Flit reads both from the code itself; elsewhere they may come from anywhere.
        if backend != "flit_core" && dynamic.is_some_and(|keys| !keys.is_empty()) {
            return None;
        }
        let name = project.get("name")?.as_str()?;
        let code = match backend {
            "hatchling" => hatchling(table("hatch"), name)?,
            "uv_build" => uv_build(table("uv"), name)?,
            "pdm-backend" => pdm(table("pdm"), name)?,
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
            harmless: |_, _| false,
            read: None,
        })
    }

    /// The files that [`Self::list`] asks for.
    pub fn asks(&self) -> impl Iterator<Item = &str> {
        let signs = match &self.code {
            Code::At(_) => &[][..],
            Code::One { signs, .. } => signs,
        };
        let read = self.read.iter().flat_map(|literal| &literal.files);
        SCRIPTS
            .into_iter()
            .chain(signs.iter().chain(read).map(String::as_str))
    }

    /// Paths of the root that hold the package, as patterns; empty where it has to be the whole folder. `text` has the
    /// files that are there.
    pub fn list<'a>(&self, text: impl Fn(&str) -> Option<&'a str>) -> Vec<String> {
        let harmful = |path: &&str| text(path).is_some_and(|text| !(self.harmless)(path, text));
        let unread = |literal: &Literal| !literal.is_in(&text);
        let code = match &self.code {
            _ if SCRIPTS.iter().any(harmful) || self.read.as_ref().is_some_and(unread) => return Vec::new(),
            Code::One { signs, .. } if !signs.iter().any(|sign| text(sign).is_some()) => return Vec::new(),
            Code::At(places) | Code::One { places, .. } => places,
        };
        let scripts = SCRIPTS.into_iter().filter(|path| text(path).is_some());
        let beside = BESIDE.into_iter().chain(scripts).map(str::to_owned);
        let all = beside
            .chain(self.named.iter().cloned())
            .chain(code.iter().cloned());
        all.collect::<BTreeSet<_>>().into_iter().collect()
    }
}

impl Literal {
    /// Whether one module alone assigns it, once and in plain words: then no backend runs the code for it.
    fn is_in<'a>(&self, text: impl Fn(&str) -> Option<&'a str>) -> bool {
        let mut found = self.files.iter().filter_map(|path| text(path));
        let (Some(module), None) = (found.next(), found.next()) else {
            return false;
        };
        let mut lines = module.lines().filter(|line| line.contains(&self.name));
        let (Some(line), None) = (lines.next(), lines.next()) else {
            return false;
        };
        let value = line.strip_prefix(&self.name).map(str::trim);
        let value = value.and_then(|rest| rest.strip_prefix('=')).map(str::trim);
        value.is_some_and(|value| {
            let plain = value.trim_matches('"');
            value.len() == plain.len() + 2
                && plain
                    .chars()
                    .all(|c| c.is_ascii_alphanumeric() || ".+!-_".contains(c))
        })
    }
}

/// A known backend that works alone.
fn backend(system: &Table) -> Option<&'static str> {
    let package = match system.get("build-backend")?.as_str()? {
        "hatchling.build" => "hatchling",
        "uv_build" => "uv_build",
        "poetry.core.masonry.api" => "poetry-core",
        "flit_core.buildapi" => "flit_core",
        "pdm.backend" => "pdm-backend",
        "setuptools.build_meta" => "setuptools",
        _ => return None,
    };
    let alone = |text: &Value| {
        let wanted = requirement::parse(text.as_str()?).ok()?;
        let name = wanted.name.as_ref();
        let belongs = package == "setuptools" && name == "wheel";
        (belongs || name == package.replace('_', "-")).then_some(())
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
    paths(wheel.get("packages")?).map(Code::At)
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

/// What is included by name, or all of `src` where it is there. Of a flat layout PDM takes every package that it sees.
fn pdm(table: Option<&Table>, name: &str) -> Option<Code> {
    only(
        table,
        &["build", "dev-dependencies", "scripts", "source", "resolution"],
    )?;
    let build = table.and_then(|pdm| pdm.get("build"));
    let build = build.map_or(Some(None), |build| build.as_table().map(Some))?;
    let plain_keys = ["is-purelib", "editable-backend", "excludes", "source-includes"];
    only(build, &[&plain_keys[..], &["includes", "package-dir"]].concat())?;
    let get = |key: &str| build.and_then(|build| build.get(key));
    match (get("includes"), get("package-dir")) {
        (Some(includes), _) => paths(includes).map(Code::At),
        (None, Some(folder)) => Some(Code::At(vec![plain(folder.as_str()?)?])),
        (None, None) => one(name, &["src/{}/__init__.py"]),
    }
}

/// At least one path.
fn paths(list: &Value) -> Option<Vec<String>> {
    let paths = list.as_array()?.iter();
    let paths = paths
        .map(|path| plain(path.as_str()?))
        .collect::<Option<Vec<_>>>()?;
    (!paths.is_empty()).then_some(paths)
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
