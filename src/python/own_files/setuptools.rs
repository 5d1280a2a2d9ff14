//! What setuptools makes a wheel of: packages and modules that the file names, folders that it is told to search, or all of
//! `src`. In a flat layout it searches the root, so there everything counts.

use toml::{Table, Value};

use super::{Code, Literal, OwnFiles, named, one, only, plain};

/// Keys of `tool.setuptools` that lead to no file outside of packages.
const PLAIN: [&str; 2] = ["include-package-data", "zip-safe"];
/// Keys with patterns that are looked for inside of packages.
const DATA: [&str; 2] = ["package-data", "exclude-package-data"];
const PLACES: [&str; 4] = ["packages", "package-dir", "py-modules", "dynamic"];

/// The files of a package that is understood.
pub(super) fn own_files(table: Option<&Table>, project: &Table) -> Option<OwnFiles> {
    only(table, &[&PLAIN[..], &DATA, &PLACES].concat())?;
    let get = |key: &str| table.and_then(|table| table.get(key));
    DATA.into_iter().filter_map(get).all(stays_inside).then_some(())?;
    let folders = Folders::of(get("package-dir"))?;
    let mut named = named(project)?;
    // Which files inside of packages are data; what it says of others is of no importance to a wheel.
    named.insert("MANIFEST.in".to_owned());
    let dynamic = Dynamic::of(project, get("dynamic"), &folders)?;
    named.extend(dynamic.files);
    named.extend(dynamic.version.iter().flat_map(|version| version.files.clone()));
    Some(OwnFiles {
        named,
        code: code(
            (get("packages"), get("py-modules")),
            &folders,
            project.get("name")?.as_str()?,
        )?,
        harmless: says_nothing,
        read: dynamic.version,
    })
}

fn code(
    (packages, modules): (Option<&Value>, Option<&Value>),
    folders: &Folders,
    name: &str,
) -> Option<Code> {
    let mut places = Vec::new();
    match packages {
        None if modules.is_none() => return folders.searched(name),
        None => {}
        Some(Value::Table(table)) => {
            only(Some(table), &["find"])?;
            places.extend(found(table.get("find")?.as_table()?, folders)?);
        }
        Some(list) => {
            for package in words(list)? {
                places.push(folders.place(package)?);
            }
        }
    }
    for module in modules.map_or(Some(Vec::new()), words)? {
        places.push(format!("{}.py", folders.place(module)?));
    }
    Some(Code::At(places))
}

/// Where packages are looked for: all of a folder, of the root what the patterns begin with.
fn found(find: &Table, folders: &Folders) -> Option<Vec<String>> {
    only(Some(find), &["where", "include", "exclude", "namespaces"])?;
    let folders_only = |at: &[&str]| {
        folders.0.is_empty() || matches!((at, folders.root()), ([at], Some(root)) if at == &root)
    };
    let at = find.get("where").map_or(Some(vec!["."]), words)?;
    folders_only(&at).then_some(())?;
    let mut places = Vec::new();
    for folder in at {
        if folder != "." {
            places.push(plain(folder)?);
            continue;
        }
        for pattern in words(find.get("include")?)? {
            let package = pattern.split('.').next().unwrap_or_default();
            let begin = package.split('*').next().unwrap_or_default();
            let known = |c: char| c.is_ascii_alphanumeric() || c == '_';
            (!begin.is_empty() && begin.chars().all(known)).then_some(())?;
            places.push(begin.to_owned());
            if package != begin {
                places.push(format!("{begin}*"));
            }
        }
    }
    Some(places)
}

/// `package-dir`: the folders of packages, and under `""` of all others.
struct Folders(Vec<(String, String)>);

impl Folders {
    fn of(table: Option<&Value>) -> Option<Self> {
        let table = table.map_or(Some(None), |table| table.as_table().map(Some))?;
        let folders = table.into_iter().flatten();
        let folders = folders.map(|(package, path)| match path.as_str()? {
            "" | "." => Some((package.clone(), String::new())),
            path => Some((package.clone(), plain(path)?)),
        });
        folders.collect::<Option<_>>().map(Self)
    }

    fn get(&self, package: &str) -> Option<&str> {
        let mut folders = self.0.iter();
        folders
            .find(|(name, _)| name == package)
            .map(|(_, path)| path.as_str())
    }

    fn root(&self) -> Option<&str> {
        self.get("")
    }

    /// The folder of a package: that of the nearest parent which has one, and its own name below.
    fn place(&self, package: &str) -> Option<String> {
        let mut above = package;
        let mut below = Vec::new();
        let folder = loop {
            if let Some(folder) = self.get(above).filter(|_| !above.is_empty()) {
                break folder;
            }
            if let Some((parent, name)) = above.rsplit_once('.') {
                below.push(name);
                above = parent;
            } else {
                below.push(above);
                break self.root().unwrap_or_default();
            }
        };
        let parts = Some(folder).filter(|folder| !folder.is_empty()).into_iter();
        let parts = parts.chain(below.into_iter().rev()).collect::<Vec<_>>();
        plain(&parts.join("/"))
    }

    /// Where setuptools looks when it is told nothing, if it finds the package there and does not go on to the root.
    fn searched(&self, name: &str) -> Option<Code> {
        let folder = match self.0.as_slice() {
            [] => "src",
            [(package, folder)] if package.is_empty() && !folder.is_empty() => folder,
            _ => return None,
        };
        match one(name, &[&format!("{folder}/{{}}/__init__.py")])? {
            Code::One { signs, .. } => Some(Code::One {
                signs,
                places: vec![folder.to_owned()],
            }),
            at @ Code::At(_) => Some(at),
        }
    }
}

/// What keys of the metadata are read from.
#[derive(Default)]
struct Dynamic {
    files: Vec<String>,
    version: Option<Literal>,
}

impl Dynamic {
    fn of(project: &Table, table: Option<&Value>, folders: &Folders) -> Option<Self> {
        let mut found = Self::default();
        for key in project.get("dynamic").map_or(Some(Vec::new()), words)? {
            let from = table?.get(key)?.as_table()?;
            match (from.get("file"), from.get("attr")) {
                (Some(Value::String(path)), None) => found.files.push(plain(path)?),
                (Some(list), None) => {
                    for path in words(list)? {
                        found.files.push(plain(path)?);
                    }
                }
                (None, Some(attribute)) if key == "version" => {
                    found.version = Some(in_module(attribute.as_str()?, folders)?);
                }
                _ => return None,
            }
        }
        Some(found)
    }
}

fn in_module(attribute: &str, folders: &Folders) -> Option<Literal> {
    let (module, name) = attribute.rsplit_once('.')?;
    let place = folders.place(module)?;
    Some(Literal {
        files: [format!("{place}.py"), format!("{place}/__init__.py")],
        name: name.to_owned(),
    })
}

fn words(list: &Value) -> Option<Vec<&str>> {
    list.as_array()?.iter().map(Value::as_str).collect()
}

/// Patterns of data that do not leave their package.
fn stays_inside(patterns: &Value) -> bool {
    match patterns {
        Value::String(pattern) => !pattern.starts_with('/') && !pattern.split('/').any(|part| part == ".."),
        Value::Array(list) => list.iter().all(stays_inside),
        Value::Table(table) => table.values().all(stays_inside),
        _ => false,
    }
}

/// A setup.py that only calls setuptools, a setup.cfg that is for other tools.
fn says_nothing(path: &str, text: &str) -> bool {
    let mut lines = text.lines().map(str::trim);
    match path {
        "setup.py" => lines.all(|line| {
            line.is_empty()
                || line.starts_with('#')
                || matches!(
                    line,
                    "import setuptools"
                        | "from setuptools import setup"
                        | "setup()"
                        | "setuptools.setup()"
                        | "if __name__ == \"__main__\":"
                        | "if __name__ == '__main__':"
                )
        }),
        "setup.cfg" => lines
            .filter_map(|line| line.strip_prefix('['))
            .all(|section| OTHERS.iter().any(|other| section.starts_with(other))),
        _ => false,
    }
}

/// Sections of setup.cfg that are other tools'.
const OTHERS: [&str; 8] = [
    "tool:",
    "flake8",
    "mypy",
    "isort",
    "coverage:",
    "pycodestyle",
    "pydocstyle",
    "pylint",
];
