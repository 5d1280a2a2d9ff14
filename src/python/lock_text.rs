//! The text of a lock (PEP 751): what was resolved for each platform, merged into one file.
//!
//! Each platform is resolved for itself, so that every lock holds exactly what the resolver would install there,
//! versions that have no wheel for the platform passed over included. Packages that all platforms have in one version are
//! written once, with the wheels of all; others say for which machines they are. Equal input gives equal text.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;

use toml::{Table, Value};

use super::stamp::Stamp;

const HEADER: &str =
    "# Written by `wheelwright lock`. Not to be edited: change the requirement files, and lock again.\n";

/// What was resolved for one platform.
#[derive(Debug, Clone)]
pub struct Resolved {
    /// The machine as markers have it, such as x86_64.
    pub machine: String,
    /// The packages as the resolver wrote them.
    pub packages: Vec<Table>,
}

impl Resolved {
    /// Reads what the resolver wrote.
    pub fn parse(machine: &str, text: &str) -> Result<Self, String> {
        let mut document: Table = text.parse().map_err(|error| format!("{error}"))?;
        let packages = match document.remove("packages") {
            Some(Value::Array(packages)) => packages,
            _ => Vec::new(),
        };
        let packages = packages.into_iter().filter_map(|package| match package {
            Value::Table(table) => Some(table),
            _ => None,
        });
        Ok(Self {
            machine: machine.to_owned(),
            packages: packages.collect(),
        })
    }

    /// Applies `edit` to every address in it.
    pub fn edit_urls(&mut self, edit: impl Fn(&str) -> Option<String>) {
        self.edit("url", edit);
    }

    /// Applies `edit` to every path in it.
    pub fn edit_paths(&mut self, edit: impl Fn(&str) -> Option<String>) {
        self.edit("path", edit);
    }

    fn edit(&mut self, key: &str, edit: impl Fn(&str) -> Option<String>) {
        for source in self.packages.iter_mut().flat_map(sources) {
            if let Some(Value::String(text)) = source.get_mut(key)
                && let Some(edited) = edit(text)
            {
                *text = edited;
            }
        }
    }
}

/// The tables of a package that say where something is.
fn sources(package: &mut Table) -> Vec<&mut Table> {
    let mut found = Vec::new();
    for (key, value) in package.iter_mut() {
        match value {
            Value::Table(table) if matches!(key.as_str(), "sdist" | "archive" | "directory" | "vcs") => {
                found.push(table);
            }
            Value::Array(array) if key == "wheels" => {
                found.extend(array.iter_mut().filter_map(Value::as_table_mut));
            }
            _ => {}
        }
    }
    found
}

/// One package in one version, and the machines it is for.
struct Merged {
    table: Table,
    machines: BTreeSet<String>,
}

/// The text of the lock.
pub fn lock_text(resolved: &[Resolved], stamp: &Stamp) -> String {
    let machines = resolved
        .iter()
        .map(|one| one.machine.clone())
        .collect::<BTreeSet<_>>();
    let mut packages: BTreeMap<(String, String), Merged> = BTreeMap::new();
    for one in resolved {
        for table in &one.packages {
            add(&mut packages, table, &one.machine);
        }
    }
    let environments = machines
        .iter()
        .map(|machine| format!("sys_platform == 'linux' and {}", on(machine)).into())
        .collect::<Vec<Value>>();
    let mut text = HEADER.to_owned();
    line(&mut text, "lock-version", &"1.0".into());
    line(&mut text, "environments", &Value::Array(environments));
    line(
        &mut text,
        "requires-python",
        &format!("=={}.*", stamp.python).into(),
    );
    line(&mut text, "created-by", &"wheelwright".into());
    for merged in packages.into_values() {
        package(&mut text, merged, &machines);
    }
    text.push_str(&stamp.text());
    text
}

fn add(packages: &mut BTreeMap<(String, String), Merged>, table: &Table, machine: &str) {
    let word = |key: &str| {
        table
            .get(key)
            .and_then(Value::as_str)
            .unwrap_or_default()
            .to_owned()
    };
    let merged = packages
        .entry((word("name"), word("version")))
        .or_insert_with(|| Merged {
            table: table.clone(),
            machines: BTreeSet::new(),
        });
    merged.machines.insert(machine.to_owned());
    if let (Some(Value::Array(known)), Some(Value::Array(more))) =
        (merged.table.get_mut("wheels"), table.get("wheels"))
    {
        let new = more.iter().filter(|wheel| !known.contains(wheel));
        let new = new.cloned().collect::<Vec<_>>();
        known.extend(new);
    } else if let Some(wheels) = table.get("wheels") {
        merged.table.insert("wheels".to_owned(), wheels.clone());
    }
}

fn on(machine: &str) -> String {
    format!("platform_machine == '{machine}'")
}

fn package(text: &mut String, merged: Merged, all: &BTreeSet<String>) {
    let Merged { mut table, machines } = merged;
    if machines != *all {
        let place = machines
            .iter()
            .map(|machine| on(machine))
            .collect::<Vec<_>>()
            .join(" or ");
        let marker = match table.get("marker").and_then(Value::as_str) {
            Some(marker) if marker != place => format!("({marker}) and ({place})"),
            _ => place,
        };
        table.insert("marker".to_owned(), marker.into());
    }
    text.push_str("\n[[packages]]\n");
    for key in ["name", "version", "marker", "requires-python"] {
        if let Some(value) = table.remove(key) {
            line(text, key, &value);
        }
    }
    let wheels = table.remove("wheels");
    for (key, value) in &table {
        line(text, key, value);
    }
    if let Some(Value::Array(mut wheels)) = wheels {
        wheels.sort_by_key(filename);
        text.push_str("wheels = [\n");
        for wheel in &wheels {
            // Writing to a string cannot fail.
            let _ = writeln!(text, "    {wheel},");
        }
        text.push_str("]\n");
    }
}

fn filename(wheel: &Value) -> String {
    let word = |key: &str| wheel.get(key).and_then(Value::as_str);
    let place = word("name").or(word("url")).or(word("path")).unwrap_or_default();
    place.rsplit('/').next().unwrap_or(place).to_owned()
}

fn line(text: &mut String, key: &str, value: &Value) {
    let _ = writeln!(text, "{key} = {value}");
}

#[cfg(test)]
mod tests {
    use super::*;

    const AMD64: &str = r#"
lock-version = "1.0"
[[packages]]
name = "numpy"
version = "2.0"
sdist = { url = "https://mirror.example/numpy-2.0.tar.gz", hashes = { sha256 = "aa" } }
wheels = [{ url = "https://mirror.example/numpy-2.0-cp311-cp311-manylinux_2_17_x86_64.whl", upload-time = 2024-02-06T00:26:44Z, hashes = { sha256 = "bb" } }]
[[packages]]
name = "nvidia"
version = "1"
wheels = [{ url = "https://mirror.example/nvidia-1-py3-none-any.whl", hashes = { sha256 = "cc" } }]
"#;
    const ARM64: &str = r#"
lock-version = "1.0"
[[packages]]
name = "numpy"
version = "2.0"
sdist = { url = "https://mirror.example/numpy-2.0.tar.gz", hashes = { sha256 = "aa" } }
wheels = [{ url = "https://mirror.example/numpy-2.0-cp311-cp311-manylinux_2_17_aarch64.whl", hashes = { sha256 = "dd" } }]
"#;

    #[test]
    fn platforms_are_merged() {
        let mut resolved = [
            Resolved::parse("x86_64", AMD64).unwrap(),
            Resolved::parse("aarch64", ARM64).unwrap(),
        ];
        for one in &mut resolved {
            one.edit_urls(|url| Some(url.replace("mirror.example", "files.example")));
        }
        let stamp = Stamp {
            python: "3.11".to_owned(),
            platforms: vec!["linux/amd64".to_owned(), "linux/arm64".to_owned()],
            ..Stamp::default()
        };
        let text = lock_text(&resolved, &stamp);
        insta::assert_snapshot!(text);
        let read = crate::diag::SourceFile::new("pylock.toml", text);
        assert_eq!(super::super::pylock::parse(&read).unwrap().packages.len(), 2);
    }
}
