//! What a build depends on beside its request, as its bridge sees it go by.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex, PoisonError};

use async_trait::async_trait;
use buildkit_proto::{pb, rpc};
use prost::Message as _;
use serde::{Deserialize, Serialize};

use super::key::stamp;
use crate::bridge::{
    Bridge, BridgeError, CacheImport, Engine, ImageQuery, Outcome, Place, Ref, ResolvedImage, Stat, Warning,
};
use crate::client::{Source, Update, What};
use crate::tree::Part;

/// What is noted of one build.
#[derive(Debug, Default, Serialize, Deserialize)]
pub(super) struct Notes {
    taken: Vec<Taken>,
    images: Vec<LookedUp>,
    warnings: Vec<Told>,
    /// Parts that were looked at already, whether or not the build takes them.
    #[serde(skip)]
    looked_at: Vec<Taken>,
    /// Something in the graph may be another thing tomorrow.
    #[serde(skip)]
    unsure: bool,
}

/// A part of a local source, and what it was like before anything was transferred.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Taken {
    source: String,
    part: Part,
    /// None where nobody can say.
    state: Option<String>,
}

/// An image that was looked up by a tag, and what was found.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub(super) struct LookedUp {
    pub(super) reference: String,
    pub(super) platform: String,
    pub(super) mode: String,
    /// With its digest, and so with its config.
    pub(super) found: String,
}

/// A warning that was shown.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
struct Told {
    step: String,
    short: String,
    detail: Vec<String>,
    place: Option<(String, u32)>,
}

impl Notes {
    pub(super) fn taken(&self) -> &[Taken] {
        &self.taken
    }

    pub(super) fn images(&self) -> &[LookedUp] {
        &self.images
    }

    /// The warnings, to be shown again.
    pub(super) fn warnings(&self) -> Vec<Update> {
        let update = |told: &Told| Update {
            step: told.step.clone(),
            what: What::Warning {
                short: told.short.clone(),
                detail: told.detail.clone(),
                url: String::new(),
                place: told.place.clone(),
            },
        };
        self.warnings.iter().map(update).collect()
    }

    /// Whether the same notes mean the same image.
    pub(super) fn are_sure(&self) -> bool {
        !self.unsure && self.taken.iter().all(|taken| taken.state.is_some())
    }

    /// Parts as they are before anything is transferred.
    pub(super) fn look_at(&mut self, parts: Vec<Taken>) {
        self.looked_at.extend(parts);
    }

    /// The build takes parts. The first look counts, since a transfer may have begun after it; those that nobody looked at
    /// are given back.
    fn take(&mut self, parts: impl IntoIterator<Item = (String, Part)>) -> Vec<Taken> {
        let mut new = Vec::new();
        for (source, part) in parts {
            let same = |one: &&Taken| one.source == source && one.part == part;
            if self.taken.iter().any(|one| same(&one)) {
                continue;
            }
            match self.looked_at.iter().find(same) {
                Some(one) => self.taken.push(one.clone()),
                None => new.push(Taken {
                    source,
                    part,
                    state: None,
                }),
            }
        }
        new
    }
}

/// The same parts as they are now.
pub(super) async fn look(sources: &BTreeMap<String, Source>, taken: &[Taken]) -> Vec<Taken> {
    let (sources, mut taken) = (sources.clone(), taken.to_vec());
    let looked = tokio::task::spawn_blocking(move || {
        for one in &mut taken {
            one.state = sources
                .get(&one.source)
                .and_then(|source| state(source, &one.part));
        }
        taken
    });
    looked.await.unwrap_or_default()
}

/// What tells a state of a source from another.
fn state(source: &Source, part: &Part) -> Option<String> {
    match source {
        Source::Directory(root) => part.fingerprint(root),
        Source::Executables(named) => {
            let stamps = named
                .values()
                .map(|path| stamp(path))
                .collect::<Option<Vec<_>>>()?;
            Some(stamps.join(" "))
        }
    }
}

/// A bridge that passes everything on and notes what the build depends on.
#[derive(Debug)]
pub struct Witness {
    bridge: Arc<dyn Bridge>,
    sources: BTreeMap<String, Source>,
    notes: Arc<Mutex<Notes>>,
}

impl Witness {
    pub(super) fn new(
        bridge: Arc<dyn Bridge>,
        sources: BTreeMap<String, Source>,
        notes: Arc<Mutex<Notes>>,
    ) -> Self {
        Self {
            bridge,
            sources,
            notes,
        }
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, Notes> {
        self.notes.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Notes what a graph takes from this machine, before the engine can ask for it.
    async fn note(&self, definition: &pb::Definition) {
        let Some(parts) = local_parts(definition) else {
            self.lock().unsure = true;
            return;
        };
        let new = self.lock().take(parts.clone());
        if !new.is_empty() {
            let looked = look(&self.sources, &new).await;
            let mut notes = self.lock();
            notes.look_at(looked);
            notes.take(parts);
        }
    }
}

/// The parts of local sources that a graph takes. None for one that may make something else of the same parts: a source that
/// is not pinned, or a step that is to be done again.
fn local_parts(definition: &pb::Definition) -> Option<BTreeSet<(String, Part)>> {
    if definition.metadata.values().any(|metadata| metadata.ignore_cache) {
        return None;
    }
    let mut parts = BTreeSet::new();
    for bytes in &definition.def {
        let op = pb::Op::decode(bytes.as_slice()).ok()?;
        let Some(pb::op::Op::Source(source)) = op.op else {
            continue;
        };
        match source.identifier.split_once("://")? {
            ("local", name) => drop(parts.insert((name.to_owned(), part(&source)?))),
            (scheme, rest) if is_pinned(scheme, rest, &source) => {}
            _ => return None,
        }
    }
    Some(parts)
}

fn part(source: &pb::SourceOp) -> Option<Part> {
    let list = |name: &str| match source.attrs.get(name) {
        Some(text) => serde_json::from_str::<Vec<String>>(text).ok(),
        None => Some(Vec::new()),
    };
    Some(Part {
        include: list("local.includepattern")?,
        exclude: list("local.excludepatterns")?,
        follow: list("local.followpaths")?,
    })
}

/// Whether a source is the same for ever.
fn is_pinned(scheme: &str, rest: &str, source: &pb::SourceOp) -> bool {
    let given = |name: &str| source.attrs.get(name).is_some_and(|value| !value.is_empty());
    match scheme {
        "docker-image" | "oci-layout" => rest.contains("@sha256:"),
        "http" | "https" => given("http.checksum"),
        "git" => {
            let reference = rest.split_once('#').map_or("", |(_, fragment)| fragment);
            let commit = reference.split(':').next().unwrap_or_default();
            given("git.checksum") || is_commit(commit)
        }
        _ => false,
    }
}

fn is_commit(text: &str) -> bool {
    matches!(text.len(), 40 | 64) && text.bytes().all(|byte| byte.is_ascii_hexdigit())
}

#[async_trait]
impl Bridge for Witness {
    async fn ping(&self) -> Result<Engine, BridgeError> {
        self.bridge.ping().await
    }

    async fn resolve_image(&self, query: &ImageQuery) -> Result<ResolvedImage, BridgeError> {
        let found = self.bridge.resolve_image(query).await?;
        let by_tag = query.place == Place::Registry && !query.reference.contains('@');
        if by_tag && !query.keyed {
            let looked_up = LookedUp {
                reference: query.reference.clone(),
                platform: query.platform.to_string(),
                mode: query.mode.name().to_owned(),
                found: found.reference.clone(),
            };
            let images = &mut self.lock().images;
            if !images.contains(&looked_up) {
                images.push(looked_up);
            }
        }
        Ok(found)
    }

    async fn solve(&self, definition: pb::Definition, caches: &[CacheImport]) -> Result<Ref, BridgeError> {
        self.note(&definition).await;
        self.bridge.solve(definition, caches).await
    }

    async fn evaluate(&self, result: &Ref) -> Result<(), BridgeError> {
        self.bridge.evaluate(result).await
    }

    async fn read_file(&self, result: &Ref, path: &str) -> Result<Vec<u8>, BridgeError> {
        self.bridge.read_file(result, path).await
    }

    async fn stat(&self, result: &Ref, path: &str) -> Result<Option<Stat>, BridgeError> {
        self.bridge.stat(result, path).await
    }

    async fn inputs(&self) -> Result<BTreeMap<String, pb::Definition>, BridgeError> {
        self.bridge.inputs().await
    }

    async fn warn(&self, warning: Warning) -> Result<(), BridgeError> {
        let line = warning.ranges.first().and_then(|range| range.start.as_ref());
        let line = line.and_then(|start| u32::try_from(start.line).ok());
        let file = warning.info.as_ref().map(|info| info.filename.clone());
        self.lock().warnings.push(Told {
            step: warning.digest.clone(),
            short: warning.short.clone(),
            detail: warning.detail.clone(),
            place: file.zip(line),
        });
        self.bridge.warn(warning).await
    }

    async fn finish(&self, outcome: Result<Outcome, rpc::Status>) -> Result<(), BridgeError> {
        self.bridge.finish(outcome).await
    }
}

#[cfg(test)]
mod tests {
    use buildkit_llb::{Copy, FileOp, MarshalOptions, Platform, ResolveMode, Source as From, State};

    use super::*;
    use crate::bridge::Recording;

    fn definition(state: &State) -> pb::Definition {
        state.marshal(&MarshalOptions::default()).into_pb()
    }

    fn parts(state: &State) -> Option<usize> {
        local_parts(&definition(state)).map(|parts| parts.len())
    }

    #[test]
    fn sources_that_may_change_are_not_sure() {
        let digest = format!("sha256:{}", "0".repeat(64));
        let commit = "0".repeat(40);
        for (sure, state) in [
            (true, From::image(format!("python@{digest}")).build()),
            (false, From::image("python:3.11").build()),
            (true, From::http("https://x.example/a").checksum(&digest).build()),
            (false, From::http("https://x.example/a").build()),
            (true, From::git("https://x.example/a.git", commit).build()),
            (false, From::git("https://x.example/a.git", "main").build()),
        ] {
            assert_eq!(parts(&state).is_some(), sure, "{:?}", definition(&state));
        }
        let again = FileOp::on(State::scratch())
            .copy(Copy::from(&From::local("context").build(), "/a", "/"))
            .ignore_cache()
            .build();
        assert_eq!(parts(&again), None);
    }

    #[tokio::test]
    async fn what_goes_by_is_noted() {
        let folder = tempfile::tempdir().unwrap();
        std::fs::write(folder.path().join("a"), "1").unwrap();
        let sources = BTreeMap::from([("context".to_owned(), Source::Directory(folder.path().to_owned()))]);
        let notes = Arc::new(Mutex::new(Notes::default()));
        let witness = Witness::new(Arc::new(Recording::capable()), sources.clone(), notes.clone());
        let local = |names: &[&str]| {
            let names = names.iter().map(|name| (*name).to_owned());
            From::local("context")
                .session_id("s")
                .include_patterns(names)
                .build()
        };
        for session in ["one", "two"] {
            let source = From::local("context")
                .session_id(session)
                .include_patterns(["a"])
                .build();
            witness.solve(definition(&source), &[]).await.unwrap();
        }
        witness.solve(definition(&local(&["a", "b"])), &[]).await.unwrap();
        let query = |reference: &str, keyed: bool| ImageQuery {
            reference: reference.to_owned(),
            platform: Platform::new("linux", "amd64"),
            mode: ResolveMode::Default,
            place: Place::Registry,
            log_name: None,
            keyed,
        };
        for query in [
            query("r/base:1", false),
            query("r/wheels:key", true),
            query("r/base@sha256:1", false),
        ] {
            witness.resolve_image(&query).await.unwrap();
        }
        let noted = std::mem::take(&mut *notes.lock().unwrap());
        assert_eq!(noted.taken.len(), 2, "{:?}", noted.taken);
        assert!(noted.are_sure());
        assert_eq!(noted.images.len(), 1, "{:?}", noted.images);
        assert_eq!(look(&sources, &noted.taken).await, noted.taken);
        std::fs::write(folder.path().join("a"), "other").unwrap();
        assert_ne!(look(&sources, &noted.taken).await, noted.taken);

        // A source that this machine does not have.
        let unknown = From::local("elsewhere").build();
        witness.solve(definition(&unknown), &[]).await.unwrap();
        assert!(!notes.lock().unwrap().are_sure());
    }

    #[test]
    fn the_first_look_counts() {
        let taken = |state: &str| Taken {
            source: "context".to_owned(),
            part: Part::default(),
            state: Some(state.to_owned()),
        };
        let asked = || [("context".to_owned(), Part::default())];
        let mut notes = Notes::default();
        assert_eq!(notes.take(asked()).len(), 1, "nobody looked yet");
        notes.look_at(vec![taken("first"), taken("second")]);
        assert!(notes.take(asked()).is_empty());
        notes.look_at(vec![taken("third")]);
        assert!(notes.take(asked()).is_empty());
        assert_eq!(notes.taken, [taken("first")]);
    }
}
