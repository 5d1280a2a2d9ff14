//! What is known of wheels without a build: by their layers and themselves where they are in the cache, else by what their index
//! offers beside them (PEP 658), else by the part of them that says it, from servers that give parts of files.
//!
//! What an index offers is taken for what the wheel says if it names the same package and version. It decides nothing that is
//! built, only what is told.

use std::collections::BTreeMap;
use std::num::NonZeroUsize;

use futures_util::future::join_all;
use unwheel::{Facts, Look, Pieces};

use super::maker::remote;
use super::{Cache, Fetch, FetchError, Remote};
use crate::layers::{Format, Kind, Wanted};
use crate::manifest::PythonMinor;
use crate::python::{Artifact, Pick};

/// Metadata of more bytes is not read.
const MOST: usize = 16 << 20;
/// Bytes of a wheel that are asked for at a time; the end of most holds all that is looked for.
const PIECE: u64 = 128 << 10;
/// Pieces of a wheel that are asked for after the first; directories of the largest take a dozen.
const PIECES: usize = 32;

/// What was found out of the wheels of a plan.
#[derive(Debug, Default)]
pub struct Known {
    /// The facts, in the order in which the wheels are laid down.
    pub facts: Vec<Facts>,
    /// Wheels of which nothing is known.
    pub unknown: Vec<String>,
    /// What could not be asked.
    pub failed: Vec<FetchError>,
}

/// Finds out what wheels say of themselves.
#[derive(Debug)]
pub struct MetadataFinder {
    cache: Option<Cache>,
    online: Option<Fetch>,
}

impl MetadataFinder {
    /// From what is in the cache, where there is one, and from indexes, where they may be asked.
    pub fn new(cache: Option<Cache>, online: Option<Fetch>) -> Self {
        Self { cache, online }
    }

    /// What is known of the wheels of some layers.
    pub async fn of(&self, layers: &[Wanted<'_>]) -> Known {
        let wheels = layers.iter().filter(|wanted| wanted.layer.kind == Kind::Wheels);
        let asked = wheels.map(|wanted| self.layer(wanted));
        let mut known = Known::default();
        for one in join_all(asked).await {
            known.facts.extend(one.facts);
            known.unknown.extend(one.unknown);
            known.failed.extend(one.failed);
        }
        known
    }

    async fn layer(&self, wanted: &Wanted<'_>) -> Known {
        let mut known = Known::default();
        if let Some(facts) = self.made(wanted) {
            known.facts = facts;
            return known;
        }
        for found in join_all(wheels(wanted).map(|pick| self.wheel(pick, wanted.minor))).await {
            match found {
                Ok(Some(facts)) => known.facts.push(facts),
                Ok(None) => {}
                Err(error) => known.failed.push(error),
            }
        }
        let silent = wheels(wanted).filter(|pick| {
            let is_this = |facts: &Facts| facts.name == pick.name.as_str();
            !known.facts.iter().any(is_this)
        });
        known.unknown = silent
            .map(|pick| format!("{} {}", pick.name, pick.version).trim_end().to_owned())
            .collect();
        known
    }

    /// What a layer in the cache was made of.
    fn made(&self, wanted: &Wanted<'_>) -> Option<Vec<Facts>> {
        let cache = self.cache.as_ref()?;
        let formats = [Format::Gzip, Format::Zstd, Format::Estargz];
        let mut records = formats
            .iter()
            .filter_map(|format| cache.layer(&wanted.layer.key, *format));
        records.find_map(|(record, _)| Facts::from_line(&record.facts?).ok())
    }

    async fn wheel(&self, pick: &Pick, minor: PythonMinor) -> Result<Option<Facts>, FetchError> {
        let Some(remote) = remote(pick) else {
            return Ok(None);
        };
        if let Some(cache) = &self.cache {
            let known = cache
                .metadata(&remote.sha256)
                .or_else(|| of_file(cache, &remote, minor));
            if known.is_some() {
                return Ok(known);
            }
        }
        let Some(fetch) = &self.online else {
            return Ok(None);
        };
        let of_pick = |text: Vec<u8>| Facts::of_metadata(&text).filter(|facts| is_of(facts, pick));
        let found = fetch.text(&remote, &beside(&remote.url), MOST).await?;
        let facts = match found.and_then(of_pick) {
            Some(facts) => Some(facts),
            None => within(fetch, &remote).await?.and_then(of_pick),
        };
        if let (Some(facts), Some(cache)) = (&facts, &self.cache) {
            // A cache that cannot be written to is asked again, that is all.
            drop(cache.keep_metadata(&remote.sha256, facts));
        }
        Ok(facts)
    }
}

/// The packages that need not be built first.
fn wheels<'a>(wanted: &Wanted<'a>) -> impl Iterator<Item = &'a Pick> {
    let is_wheel = |pick: &&Pick| matches!(pick.artifact, Artifact::Wheel(_));
    wanted.packages().filter(is_wheel)
}

/// What a wheel in the cache says, remembered by itself: to read it again it would have to be hashed again.
fn of_file(cache: &Cache, remote: &Remote, minor: PythonMinor) -> Option<Facts> {
    let held = cache.wheel(&remote.sha256, &remote.filename)?;
    let layout = unwheel::Layout::new("/venv", minor.to_string().parse().ok()?).ok()?;
    let paths = [held.path().to_owned()];
    let plan = unwheel::Plan::open(&paths, &layout, true, NonZeroUsize::MIN).ok()?;
    let [wheel] = plan.wheels() else { return None };
    let facts = Facts {
        files: BTreeMap::new(),
        ..Facts::of(wheel, &layout)
    };
    drop(cache.keep_metadata(&remote.sha256, &facts));
    Some(facts)
}

/// The metadata that is within a wheel: the end of the archive says where.
async fn within(fetch: &Fetch, remote: &Remote) -> Result<Option<Vec<u8>>, FetchError> {
    let Some(end) = fetch.part(remote, &format!("bytes=-{PIECE}"), MOST).await? else {
        return Ok(None);
    };
    let mut pieces = Pieces::new(end.length);
    pieces.add(end.start, end.bytes);
    for _ in 0..PIECES {
        let offset = match pieces.metadata() {
            Look::Found(text) => return Ok(Some(text)),
            Look::Nothing => return Ok(None),
            Look::Wants(offset) => offset,
        };
        let wanted = pieces.missing(offset, PIECE);
        let range = format!("bytes={}-{}", wanted.start, wanted.end.saturating_sub(1));
        match fetch.part(remote, &range, MOST).await? {
            Some(part) if part.start == offset => pieces.add(offset, part.bytes),
            _ => return Ok(None),
        }
    }
    Ok(None)
}

/// The address of the metadata of a wheel.
fn beside(url: &str) -> String {
    let end = url.find(['?', '#']).unwrap_or(url.len());
    format!(
        "{}.metadata{}",
        &url[..end],
        url[end..].split('#').next().unwrap_or_default()
    )
}

/// Whether metadata is of the package that it should be of.
fn is_of(facts: &Facts, pick: &Pick) -> bool {
    let version = |text: &str| text.parse::<pep440_rs::Version>().ok();
    facts.name == pick.name.as_str()
        && (facts.version == pick.version || version(&facts.version) == version(&pick.version))
}

#[cfg(test)]
mod tests {
    use super::beside;

    #[test]
    fn metadata_is_beside_the_wheel() {
        assert_eq!(
            beside("https://files.example/a.whl"),
            "https://files.example/a.whl.metadata"
        );
        assert_eq!(
            beside("https://files.example/a.whl?token=x#sha256=y"),
            "https://files.example/a.whl.metadata?token=x"
        );
    }
}
