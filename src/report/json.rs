//! Progress for programs: one JSON object a line on standard output.
//!
//! Every object has `v` (this schema's version, 1), `event`, `at` (seconds since the run began) and, if it is about a
//! service, `service`. New events and new keys may come without a new version; what is here stays.
//!
//! | event | further keys |
//! |---|---|
//! | `run-started` | `engine`, `buildkit` (version or null), `services` |
//! | `service-started` | |
//! | `step` | `step` (digest), `name`: seen for the first time |
//! | `step-started` | `step` |
//! | `step-ended` | `step`, `name`, `cached`, `seconds`, `error` (text or null) |
//! | `step-progress` | `step`, `part`, `current`, `total` (0 if unknown), `done` |
//! | `log` | `step`, `text`: any piece of output, not a line |
//! | `warning` | `step`, `text`, `detail`, `url`, `file`, `line` |
//! | `service-finished` | `digest` (or null), `names`, `files`, `seconds`, `up_to_date` (nothing changed, not built again) |
//! | `service-failed` | `kind` (build, manifest, registry, permission), `message`, `help` (or null), `step` (or null), `places` (`file`, `lines`, `columns`), `seconds` |
//! | `service-skipped` | `reason` |
//! | `run-ended` | |

use std::collections::BTreeSet;
use std::time::Duration;

use serde_json::{Value, json};

use super::event::{Event, EventKind, kind_word};
use super::{Printer, Reporter};
use crate::client::Snippet;
use crate::client::status::{Update, What};

/// See the module.
#[derive(Debug)]
pub struct Json {
    printer: Printer,
    /// Steps that were named, by service and digest.
    named: BTreeSet<(String, String)>,
    names: std::collections::BTreeMap<String, String>,
}

impl Json {
    /// A reporter that writes to `printer`.
    pub fn new(printer: Printer) -> Self {
        Self {
            printer,
            named: BTreeSet::new(),
            names: std::collections::BTreeMap::new(),
        }
    }

    fn object(&mut self, event: &Event) -> Option<Value> {
        Some(match &event.kind {
            EventKind::RunStarted {
                engine,
                version,
                services,
            } => {
                let services: Vec<_> = services.iter().map(AsRef::as_ref).collect();
                json!({"event": "run-started", "engine": engine, "buildkit": version, "services": services})
            }
            EventKind::Started => json!({"event": "service-started"}),
            EventKind::Step(update) => {
                return self.step(event.service.as_deref().unwrap_or_default(), update);
            }
            EventKind::Finished(finished) => json!({
                "event": "service-finished", "digest": finished.digest, "names": finished.names,
                "files": finished.files, "seconds": finished.took.as_secs_f64(),
                "up_to_date": finished.up_to_date,
            }),
            EventKind::Failed(failed) => {
                let place = |source: &Snippet| {
                    let lines = source.places.iter().map(|place| place.lines).collect::<Vec<_>>();
                    let columns = source
                        .places
                        .iter()
                        .map(|place| place.columns)
                        .collect::<Vec<_>>();
                    json!({"file": source.file, "lines": lines, "columns": columns})
                };
                json!({
                    "event": "service-failed", "kind": kind_word(failed.failure.kind),
                    "message": failed.failure.message, "help": failed.failure.help, "step": failed.failure.step,
                    "places": failed.failure.sources.iter().map(place).collect::<Vec<_>>(),
                    "seconds": failed.took.as_secs_f64(),
                })
            }
            EventKind::Skipped { reason } => json!({"event": "service-skipped", "reason": reason}),
            EventKind::RunEnded => json!({"event": "run-ended"}),
        })
    }

    fn step(&mut self, service: &str, update: &Update) -> Option<Value> {
        let mut object = match &update.what {
            What::Known { name } => {
                self.names.insert(update.step.clone(), name.clone());
                let news = self.named.insert((service.to_owned(), update.step.clone()));
                return news.then(|| json!({"event": "step", "step": update.step, "name": name}));
            }
            What::Started { .. } => json!({"event": "step-started"}),
            What::Ended { cached, took, error } => json!({
                "event": "step-ended", "name": self.names.get(&update.step), "cached": cached,
                "seconds": took.as_secs_f64(), "error": error,
            }),
            What::Progress {
                part,
                current,
                total,
                done,
            } => json!({
                "event": "step-progress", "part": part, "current": current, "total": total, "done": done,
            }),
            What::Log { text } => json!({"event": "log", "text": String::from_utf8_lossy(text)}),
            What::Warning {
                short,
                detail,
                url,
                place,
            } => json!({
                "event": "warning", "text": short, "detail": detail, "url": url,
                "file": place.as_ref().map(|place| &place.0), "line": place.as_ref().map(|place| place.1),
            }),
        };
        object["step"] = update.step.clone().into();
        Some(object)
    }
}

impl Reporter for Json {
    fn event(&mut self, at: Duration, event: &Event) {
        let Some(mut object) = self.object(event) else {
            return;
        };
        object["v"] = 1.into();
        // Milliseconds are enough for people and stable enough to compare.
        object["at"] = ((at.as_secs_f64() * 1000.0).round() / 1000.0).into();
        if let Some(service) = &event.service {
            object["service"] = service.as_ref().into();
        }
        self.printer.data(&object.to_string());
    }
}
