//! Which lines of which file an operation comes from, so that a failing step can show them.

use buildkit_proto::pb;
use std::collections::BTreeMap;
use std::sync::Arc;

/// A file that operations come from, with its whole text. Cheap to clone; make one for each file.
#[derive(Clone, Debug)]
pub struct SourceMap(Arc<pb::SourceInfo>);

impl SourceMap {
    /// A file of the given name, language (by linguist's name, such as `YAML`) and content.
    pub fn new(filename: impl Into<String>, language: impl Into<String>, data: impl Into<Vec<u8>>) -> Self {
        Self::from_info(pb::SourceInfo {
            filename: filename.into(),
            data: data.into(),
            definition: None,
            language: language.into(),
        })
    }

    pub(crate) fn from_info(info: pb::SourceInfo) -> Self {
        Self(Arc::new(info))
    }

    /// The file's description as the daemon takes it, for warnings and error details.
    pub fn info(&self) -> &pb::SourceInfo {
        &self.0
    }

    /// Whether both are the same file; cheap if they are clones of one another.
    pub(crate) fn same(&self, other: &Self) -> bool {
        Arc::ptr_eq(&self.0, &other.0) || self.0 == other.0
    }
}

/// Part of a file.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub struct Range {
    /// Its first position.
    pub start: Position,
    /// Its last position.
    pub end: Position,
}

/// A place in a file.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub struct Position {
    /// The line, from 1.
    pub line: u32,
    /// The character in the line.
    pub character: u32,
}

impl Range {
    /// From one line and character to another.
    pub fn new(start: (u32, u32), end: (u32, u32)) -> Self {
        let position = |(line, character)| Position { line, character };
        Self {
            start: position(start),
            end: position(end),
        }
    }

    /// One whole line.
    pub fn line(line: u32) -> Self {
        Self::lines(line, line)
    }

    /// Whole lines, the last included.
    pub fn lines(first: u32, last: u32) -> Self {
        Self::new((first, 0), (last, 0))
    }
}

impl From<Position> for pb::Position {
    fn from(position: Position) -> Self {
        let clamp = |value: u32| i32::try_from(value).unwrap_or(i32::MAX);
        Self {
            line: clamp(position.line),
            character: clamp(position.character),
        }
    }
}

impl From<Range> for pb::Range {
    fn from(range: Range) -> Self {
        Self {
            start: Some(range.start.into()),
            end: Some(range.end.into()),
        }
    }
}

/// A place in one of the files.
#[derive(Clone, Debug)]
pub(crate) struct Location {
    pub(crate) map: SourceMap,
    pub(crate) ranges: Vec<pb::Range>,
}

/// Collects the files and locations of all operations.
#[derive(Debug, Default)]
pub(crate) struct Sources {
    maps: Vec<SourceMap>,
    locations: BTreeMap<String, pb::Locations>,
}

impl Sources {
    /// Adds the places of an operation. One without any gets no entry, unlike in Go: `prost` leaves the value of such
    /// an entry out, the daemon then reads it as a nil pointer, and dies of it when the operation fails.
    pub(crate) fn add(&mut self, digest: &str, locations: &[Location]) {
        if locations.is_empty() {
            return;
        }
        let converted = locations.iter().map(|location| self.convert(location));
        let converted = converted.collect::<Vec<_>>();
        let known = self.locations.entry(digest.to_owned()).or_default();
        known.locations.extend(converted);
    }

    fn convert(&mut self, location: &Location) -> pb::Location {
        let position = self
            .maps
            .iter()
            .position(|map| map.same(&location.map))
            .unwrap_or_else(|| {
                self.maps.push(location.map.clone());
                self.maps.len() - 1
            });
        pb::Location {
            source_index: i32::try_from(position).unwrap_or(i32::MAX),
            ranges: location.ranges.clone(),
        }
    }

    pub(crate) fn into_pb(self) -> pb::Source {
        pb::Source {
            locations: self.locations,
            infos: self.maps.iter().map(|map| map.info().clone()).collect(),
        }
    }
}
