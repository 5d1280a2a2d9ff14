//! What a wheel says about itself, in its `.dist-info` directory.

use std::collections::BTreeMap;

use crate::archive::Archive;
use crate::entry_name;
use crate::entry_points::{self, Target};
use crate::error::{Error, Problem};
use crate::layout::PythonVersion;
use crate::names::{WheelName, normalize};
use crate::record::{self, Line};

/// Largest metadata file that is read into memory, in bytes. RECORD of the largest wheels is about 2 MB.
const MAX_METADATA: u64 = 64 << 20;

/// The metadata an installer needs, checked against the file name.
#[derive(Debug)]
pub(crate) struct Metadata {
    /// `NAME-VERSION.dist-info`
    pub(crate) dist_info: String,
    /// Normalised name.
    pub(crate) name: String,
    /// Version as `METADATA` spells it.
    pub(crate) version: String,
    /// What it needs, a line each.
    pub(crate) requires: Vec<String>,
    /// Its licence.
    pub(crate) license: Option<String>,
    /// The lines of `RECORD`, by normalised path.
    pub(crate) record: BTreeMap<String, Line>,
    /// The commands of `entry_points.txt`, by name.
    pub(crate) commands: BTreeMap<String, Target>,
}

impl Metadata {
    /// Reads and checks the metadata. The files' contents are verified against `RECORD` when they are installed.
    pub(crate) fn read(
        wheel: &str,
        name: &WheelName,
        archive: &Archive,
        python: PythonVersion,
    ) -> Result<Self, Vec<Error>> {
        let whole = |problem: Problem| vec![problem.in_wheel(wheel)];
        let dist_info = find_dist_info(archive).map_err(whole)?;
        let read = |file: &str| {
            let entry = format!("{dist_info}/{file}");
            let member = archive
                .find(&entry)
                .ok_or_else(|| whole(Problem::Missing(entry.clone())))?;
            let bytes = archive.read_all(member, MAX_METADATA);
            bytes.map_err(|p| vec![p.in_entry(wheel, &entry)])
        };
        let at = |file: &str| {
            let entry = format!("{dist_info}/{file}");
            move |problem: Problem| vec![problem.in_entry(wheel, &entry)]
        };
        check_wheel_version(&read("WHEEL")?).map_err(at("WHEEL"))?;
        let metadata = read("METADATA")?;
        let version = check_identity(name, &dist_info, &metadata).map_err(at("METADATA"))?;
        let record = read_record(read("RECORD")?).map_err(at("RECORD"))?;
        let commands = match archive.find(&format!("{dist_info}/entry_points.txt")) {
            Some(_) => utf8(read("entry_points.txt")?)
                .and_then(|text| entry_points::parse(&text, python))
                .map_err(at("entry_points.txt"))?,
            None => BTreeMap::new(),
        };
        Ok(Self {
            dist_info,
            name: name.name.clone(),
            version,
            requires: headers(&metadata, "Requires-Dist"),
            license: license(&metadata),
            record,
            commands,
        })
    }
}

/// Finds the one top-level `*.dist-info` directory.
fn find_dist_info(archive: &Archive) -> Result<String, Problem> {
    let mut found: Vec<&str> = archive
        .members
        .iter()
        .filter_map(|member| member.name.split_once('/'))
        .map(|(top, _)| top)
        .filter(|top| top.ends_with(".dist-info"))
        .collect();
    found.dedup();
    match found.as_slice() {
        [] => Err(Problem::Missing("*.dist-info".to_owned())),
        [one] => Ok((*one).to_owned()),
        many => Err(Problem::Metadata(format!(
            "more than one .dist-info directory: `{}`",
            many.join("`, `").escape_debug()
        ))),
    }
}

fn utf8(bytes: Vec<u8>) -> Result<String, Problem> {
    String::from_utf8(bytes).map_err(|_| Problem::Metadata("not UTF-8".to_owned()))
}

fn check_wheel_version(wheel: &[u8]) -> Result<(), Problem> {
    let version =
        header(wheel, "Wheel-Version").ok_or_else(|| Problem::Metadata("no `Wheel-Version`".to_owned()))?;
    match version.split_once('.') {
        Some(("1", _)) => Ok(()),
        _ => Err(Problem::Metadata(format!(
            "wheel version `{}` is not supported; expected 1.x",
            version.escape_debug()
        ))),
    }
}

/// Compares the three places that name the distribution and returns the metadata's version.
fn check_identity(name: &WheelName, dist_info: &str, metadata: &[u8]) -> Result<String, Problem> {
    let field =
        |field: &str| header(metadata, field).ok_or_else(|| Problem::Metadata(format!("no `{field}`")));
    let (meta_name, meta_version) = (field("Name")?, field("Version")?);
    let stem = dist_info.trim_end_matches(".dist-info");
    let (dir_name, dir_version) = stem.rsplit_once('-').unwrap_or((stem, ""));
    for (what, found) in [
        ("the metadata's name", meta_name.as_str()),
        ("the .dist-info directory's name", dir_name),
    ] {
        if normalize(found) != name.name {
            return Err(Problem::Mismatch {
                what,
                found: found.to_owned(),
                expected: name.name.clone(),
            });
        }
    }
    for (what, found) in [
        ("the metadata's version", meta_version.as_str()),
        ("the .dist-info directory's version", dir_version),
    ] {
        if !name.has_version(found) {
            return Err(Problem::Mismatch {
                what,
                found: found.to_owned(),
                expected: name.version.clone(),
            });
        }
    }
    Ok(meta_version)
}

/// Finds a field in the header of an e-mail-like message, its first line only.
pub(crate) fn header(message: &[u8], field: &str) -> Option<String> {
    let text = String::from_utf8_lossy(message);
    fields(&text, field).next().map(|value| value.trim().to_owned())
}

/// All lines of a field that may be there several times.
pub(crate) fn headers(message: &[u8], field: &str) -> Vec<String> {
    let text = String::from_utf8_lossy(message);
    fields(&text, field)
        .map(|value| value.trim().to_owned())
        .collect()
}

fn fields<'a>(text: &'a str, field: &'a str) -> impl Iterator<Item = &'a str> {
    text.lines()
        .take_while(|line| !line.is_empty())
        .filter_map(|line| line.split_once(':'))
        .filter(move |(name, _)| name.eq_ignore_ascii_case(field))
        .map(|(_, value)| value)
}

/// The licence as an expression where there is one, else in the packager's words when these are one short line, else as its
/// classifiers have it.
fn license(message: &[u8]) -> Option<String> {
    let words = |text: &String| !text.is_empty() && text.len() <= 80 && !text.eq_ignore_ascii_case("unknown");
    let own = || single_line(message, "License").filter(words);
    let classified = || {
        let classifiers = headers(message, "Classifier");
        let licenses = classifiers.iter().filter(|text| text.starts_with("License ::"));
        let names = licenses.filter_map(|text| text.rsplit(" :: ").next());
        let names = names.filter(|name| *name != "OSI Approved").collect::<Vec<_>>();
        Some(names.join(", ")).filter(words)
    };
    let expression = header(message, "License-Expression").filter(words);
    expression.or_else(own).or_else(classified)
}

/// A field that has no second line: whole licences are told in some.
fn single_line(message: &[u8], field: &str) -> Option<String> {
    let text = String::from_utf8_lossy(message);
    let mut lines = text.lines().take_while(|line| !line.is_empty());
    let value = lines.find_map(|line| {
        let (name, value) = line.split_once(':')?;
        name.eq_ignore_ascii_case(field).then(|| value.trim().to_owned())
    })?;
    let goes_on = lines.next().is_some_and(|line| line.starts_with([' ', '\t']));
    (!goes_on).then_some(value)
}

/// Reads the list and keys it by normalised path, as the archive's members are.
fn read_record(bytes: Vec<u8>) -> Result<BTreeMap<String, Line>, Problem> {
    let mut record: BTreeMap<String, Line> = BTreeMap::new();
    for line in record::parse(&utf8(bytes)?)? {
        let name = entry_name::normal(line.path.as_bytes())
            .map_err(|problem| Problem::Record(format!("line `{}`: {problem}", line.path.escape_debug())))?;
        if let Some(first) = record.get(&name)
            && (&first.hash, first.size) != (&line.hash, line.size)
        {
            return Err(Problem::Record(format!(
                "`{}` is listed twice, differently",
                name.escape_debug()
            )));
        }
        record.entry(name).or_insert(line);
    }
    Ok(record)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn name() -> WheelName {
        WheelName {
            name: "foo-bar".to_owned(),
            version: "1.0".to_owned(),
        }
    }

    #[test]
    fn wheel_versions() {
        assert!(check_wheel_version(b"Wheel-Version: 1.0\nTag: x\n").is_ok());
        assert!(check_wheel_version(b"wheel-version:1.9\r\n").is_ok());
        for (text, why) in [
            (&b"Wheel-Version: 2.0\n"[..], "`2.0` is not supported"),
            (b"Wheel-Version: 10.0\n", "not supported"),
            (b"Tag: x\n\nWheel-Version: 1.0\n", "no `Wheel-Version`"),
        ] {
            let message = check_wheel_version(text).unwrap_err().to_string();
            assert!(message.contains(why), "{message}");
        }
    }

    #[test]
    fn identity() {
        let metadata = b"Metadata-Version: 2.1\nName: Foo.Bar\nVersion: 1\n";
        assert_eq!(
            check_identity(&name(), "foo_bar-1.0.dist-info", metadata).unwrap(),
            "1"
        );
        for (dist_info, metadata, why) in [
            (
                "foo_bar-1.0.dist-info",
                "Name: other\nVersion: 1.0\n",
                "metadata's name is `other`",
            ),
            (
                "foo_bar-1.0.dist-info",
                "Name: foo-bar\nVersion: 1.1\n",
                "metadata's version is `1.1`",
            ),
            (
                "foo_baz-1.0.dist-info",
                "Name: foo-bar\nVersion: 1.0\n",
                "directory's name is `foo_baz`",
            ),
            (
                "foo_bar-2.0.dist-info",
                "Name: foo-bar\nVersion: 1.0\n",
                "directory's version is `2.0`",
            ),
            ("foo_bar-1.0.dist-info", "Name: foo-bar\n", "no `Version`"),
        ] {
            let message = check_identity(&name(), dist_info, metadata.as_bytes())
                .unwrap_err()
                .to_string();
            assert!(message.contains(why), "{message}");
        }
    }

    #[test]
    fn records_are_keyed_by_normal_path() {
        let record = read_record(b"./a//b.py,sha256=x,1\na/b.py,sha256=x,1\n".to_vec()).unwrap();
        assert_eq!(
            record
                .into_iter()
                .map(|(key, line)| (key, line.path))
                .collect::<Vec<_>>(),
            [("a/b.py".to_owned(), "./a//b.py".to_owned())]
        );
        let twice = read_record(b"a.py,sha256=x,1\na.py,sha256=y,1\n".to_vec())
            .unwrap_err()
            .to_string();
        assert!(twice.contains("listed twice"), "{twice}");
        let outside = read_record(b"../../x,sha256=x,1\n".to_vec())
            .unwrap_err()
            .to_string();
        assert!(outside.contains("`..`"), "{outside}");
    }

    #[test]
    fn licences_are_expressions_short_words_or_classifiers() {
        let said = |text: &str| license(text.as_bytes());
        let text = |text: &str| Some(text.to_owned());
        assert_eq!(said("License: BSD\nLicense-Expression: MIT\n"), text("MIT"));
        assert_eq!(said("License: BSD\nName: a\n"), text("BSD"));
        let classified = "Classifier: License :: OSI Approved :: BSD License\n";
        assert_eq!(said(classified), text("BSD License"));
        let whole =
            format!("License: Copyright 2010 Pallets\n        \n        Redistribution\n{classified}");
        assert_eq!(said(&whole), text("BSD License"));
        assert_eq!(
            said(&format!("License: UNKNOWN\n{classified}")),
            text("BSD License")
        );
        assert_eq!(said("Name: a\n\nLicense: MIT\n"), None);
    }
}
