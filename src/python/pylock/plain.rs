//! Locks in the words that tools write, read without a document in between: most of what a build thinks about is its locks.
//!
//! [`read`] takes the plain part of TOML that uv, pip and Wheelwright write: bare keys, strings without escapes, whole numbers,
//! moments, lists, tables in braces, `[[packages]]`, and `[tool]` at the end. Of all else it knows only that it does not know
//! it, and gives up: the TOML library then reads the whole text, and says what is wrong with it. So whatever is read here, the
//! library reads alike, and no message is here.

use serde::Deserialize;
use toml::Spanned;

use super::{File, Hashes, Lock, Package};
use cursor::Cursor;

mod cursor;

/// The lock in a text, if all of it is plain.
pub(super) fn read(text: &str) -> Option<Lock> {
    let mut cursor = Cursor::new(text);
    let mut lock = head(&mut cursor)?;
    while cursor.eat("[[packages]]") {
        cursor.end_of_line()?;
        lock.packages.push(package(&mut cursor)?);
    }
    // What tools keep there is none of a lock's, but it has to be TOML.
    lock.tools_at = cursor.at();
    let rest = cursor.rest();
    let tools = rest.is_empty() || (rest.starts_with("[tool") && only_tools(rest));
    tools.then_some(lock)
}

fn only_tools(text: &str) -> bool {
    let table = text.parse::<toml::Table>();
    table.is_ok_and(|table| table.keys().all(|key| key == "tool"))
}

/// What stands before the packages.
fn head(cursor: &mut Cursor<'_>) -> Option<Lock> {
    let (mut version, mut requires_python, mut default_groups) = (None, None, Vec::new());
    cursor.lines(|cursor, key| {
        match key {
            "lock-version" => version = Some(cursor.spanned()?),
            "requires-python" => requires_python = Some(cursor.spanned()?),
            "default-groups" => default_groups = value(cursor)?.1,
            "packages" | "tool" => return None,
            _ => drop(cursor.value()?),
        }
        Some(())
    })?;
    Some(Lock {
        lock_version: version?,
        requires_python,
        default_groups,
        packages: Vec::new(),
        tools_at: 0,
    })
}

fn package(cursor: &mut Cursor<'_>) -> Option<Package> {
    let mut name = None;
    let mut package = Package::named(Spanned::new(0..0, String::new()));
    cursor.lines(|cursor, key| {
        match key {
            "name" => name = Some(cursor.spanned()?),
            "version" => package.version = Some(cursor.string()?.to_owned()),
            "marker" => package.marker = Some(cursor.spanned()?),
            "requires-python" => package.requires_python = Some(cursor.spanned()?),
            "wheels" => cursor.list(|cursor| {
                package.wheels.push(file(cursor)?);
                Some(())
            })?,
            "sdist" => package.sdist = Some(file(cursor)?),
            "vcs" => package.vcs = Some(spanned(cursor)?),
            "directory" => package.directory = Some(spanned(cursor)?),
            "archive" => package.archive = Some(spanned(cursor)?),
            _ => drop(cursor.value()?),
        }
        Some(())
    })?;
    package.name = name?;
    Some(package)
}

fn file(cursor: &mut Cursor<'_>) -> Option<File> {
    let (mut name, mut url, mut path, mut size, mut hashes) = (None, None, None, None, None);
    cursor.table(|cursor, key| {
        match key {
            "name" => name = Some(cursor.string()?.to_owned()),
            "url" => url = Some(cursor.string()?.to_owned()),
            "path" => path = Some(cursor.string()?.to_owned()),
            "size" => size = Some(cursor.number()?),
            "hashes" => hashes = Some(digests(cursor)?),
            _ => drop(cursor.value()?),
        }
        Some(())
    })?;
    Some(File {
        name,
        url,
        path,
        size,
        hashes: hashes?,
    })
}

fn digests(cursor: &mut Cursor<'_>) -> Option<Hashes> {
    let mut hashes = Hashes::default();
    cursor.table(|cursor, algorithm| {
        match algorithm {
            "sha256" => hashes.sha256 = Some(cursor.string()?.to_owned()),
            _ => drop(cursor.value()?),
        }
        Some(())
    })?;
    Some(hashes)
}

fn spanned<T: for<'de> Deserialize<'de>>(cursor: &mut Cursor<'_>) -> Option<Spanned<T>> {
    let (start, value) = value(cursor)?;
    Some(Spanned::new(start..cursor.at(), value))
}

/// A value that only few packages have, as the library reads it, and where it begins.
fn value<T: for<'de> Deserialize<'de>>(cursor: &mut Cursor<'_>) -> Option<(usize, T)> {
    let start = cursor.at();
    let text = cursor.value()?;
    let value = toml::de::ValueDeserializer::parse(text).ok()?;
    Some((start, T::deserialize(value).ok()?))
}

#[cfg(test)]
mod tests;
