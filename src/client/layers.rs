//! Wheel layers that this process makes and hands to the engine over the session.
//!
//! All layers of a service are found or made before its graph is handed over, since a graph names their digests; the
//! engine then asks for the bytes of those that neither it nor the target registry has.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Instant, SystemTime};

use async_trait::async_trait;
use futures_util::future::join_all;
use tokio::sync::mpsc::UnboundedSender;

use super::session::Listed;
use super::solve::LAYERS;
use super::status::{Update, What};
use crate::layers::local::cache::Size;
use crate::layers::local::{Layer, MakeError, Maker, News};
use crate::layers::oci::{Contents, image};
use crate::layers::{Answer, Broken, Format, Found, LayerError, Provider, Wanted};

/// What stands before the digest in references; no registry has this name, so that none is looked for there.
const NAME: &str = "session.invalid/wheels";

/// Makes the layers of one build.
#[derive(Debug)]
pub struct SessionLayers {
    maker: Maker,
    format: Format,
    listed: Arc<Listed>,
    updates: UnboundedSender<Update>,
}

impl SessionLayers {
    /// Layers by `maker`, packed in `format`, are listed in `listed` for the engine; `updates` is told what is done.
    pub fn new(maker: Maker, format: Format, listed: Arc<Listed>, updates: UnboundedSender<Update>) -> Self {
        Self {
            maker,
            format,
            listed,
            updates,
        }
    }

    /// One layer; None if it is nothing that can be made without an engine.
    async fn one(&self, wanted: &Wanted<'_>) -> Option<Result<Found, MakeError>> {
        if !Maker::can_make(wanted) {
            return None;
        }
        let step = Step::new(&self.updates, wanted);
        let made = self
            .maker
            .layer(wanted, self.format, &|news| step.news(news))
            .await;
        step.ended(&made);
        Some(made.map(|layer| self.list(wanted, layer)))
    }

    fn list(&self, wanted: &Wanted<'_>, layer: Layer) -> Found {
        let facts = layer.record.facts.clone();
        let image = image(&layer.record, &Contents::of(wanted, &layer.record));
        let reference = format!("{NAME}@{}", image.manifest.digest);
        for document in [image.config, image.manifest] {
            self.listed.document(&document.digest, document.bytes);
        }
        self.listed
            .layer(layer.record, layer.blob, self.maker.cache(), !layer.cached);
        Found::Layout {
            reference,
            store: LAYERS.to_owned(),
            facts,
        }
    }
}

#[async_trait]
impl Provider for SessionLayers {
    fn name(&self) -> &'static str {
        "session"
    }

    async fn find(&self, wanted: &[Wanted<'_>]) -> Result<Answer, LayerError> {
        let made = join_all(wanted.iter().map(|wanted| self.one(wanted))).await;
        let (mut answer, mut failed, mut broken) = (Answer::default(), Vec::new(), Vec::new());
        for one in made {
            let found = match one {
                Some(Ok(found)) => Some(found),
                Some(Err(error)) if error.is_of_this_machine() => {
                    failed.push(error);
                    None
                }
                Some(Err(error)) => {
                    broken.push(Broken {
                        message: error.to_string(),
                        help: error.help(),
                    });
                    None
                }
                None => None,
            };
            answer.found.push(found);
        }
        if !broken.is_empty() {
            return Err(LayerError::Broken(broken));
        }
        answer.notes.extend(note(&failed, wanted.len()));
        Ok(answer)
    }
}

/// One line about all that has to be made elsewhere: they mostly fail for one reason.
fn note(failed: &[MakeError], asked: usize) -> Option<String> {
    let first = failed.first()?;
    let count = failed.len();
    Some(format!(
        "{count} of {asked} wheel layers could not be made on this machine, the engine makes them: {first}"
    ))
}

/// The making of a layer as a step of the build. One that is in the cache leaves no trace.
struct Step<'a> {
    updates: &'a UnboundedSender<Update>,
    id: String,
    title: String,
    begun: Mutex<Option<Begun>>,
}

struct Begun {
    at: Instant,
    /// Bytes that came of each wheel.
    wheels: BTreeMap<String, u64>,
}

impl<'a> Step<'a> {
    fn new(updates: &'a UnboundedSender<Update>, wanted: &Wanted<'_>) -> Self {
        Self {
            updates,
            id: format!("layer:{}", wanted.layer.key),
            title: format!("[wheels] make {}", wanted.title()),
            begun: Mutex::default(),
        }
    }

    fn tell(&self, what: What) {
        let step = self.id.clone();
        // Nobody follows a build that has ended.
        drop(self.updates.send(Update { step, what }));
    }

    fn news(&self, news: News) {
        let mut begun = self.begun.lock().unwrap_or_else(PoisonError::into_inner);
        match news {
            News::Started => {
                *begun = Some(Begun {
                    at: Instant::now(),
                    wheels: BTreeMap::new(),
                });
                let name = self.title.clone();
                self.tell(What::Known { name });
                self.tell(What::Started {
                    at: SystemTime::now(),
                });
            }
            News::Wheel {
                file,
                current,
                total,
                done,
            } => {
                if let Some(begun) = begun.as_mut() {
                    begun.wheels.insert(file.clone(), current);
                }
                self.tell(What::Progress {
                    part: file,
                    current,
                    total,
                    done,
                });
            }
        }
    }

    fn ended(&self, made: &Result<Layer, MakeError>) {
        let begun = self.begun.lock().unwrap_or_else(PoisonError::into_inner);
        let Some(begun) = begun.as_ref() else { return };
        let bytes = begun.wheels.values().sum::<u64>();
        if bytes > 0 {
            let name = format!("{}, {} downloaded", self.title, Size(bytes));
            self.tell(What::Known { name });
        }
        self.tell(What::Ended {
            cached: false,
            took: begun.at.elapsed(),
            error: made.as_ref().err().map(ToString::to_string),
        });
    }
}
