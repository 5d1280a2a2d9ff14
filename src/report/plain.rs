//! Progress for logs: a line when a step ends, its output as it comes.
//!
//! ```text
//! [stt] copy services/common                     0.1s
//! [stt] build wheel webrtcvad 2.0.10 | running bdist_wheel
//! [stt] wheel numpy 1.26.4                       cached
//! [stt] done  127.0.0.1:5000/stt:1  sha256:…  41 steps, 40 cached  1.3s
//! ```

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use super::event::{Event, EventKind};
use super::printer::{ERROR, FAINT, GOOD, NAME, Printer, WARN, styled};
use super::steps::{Change, Steps};
use super::{Reporter, failure, text};

/// Internal steps that take longer are shown.
const LONG: Duration = Duration::from_secs(1);

/// See the module.
#[derive(Debug)]
pub struct Plain {
    printer: Printer,
    services: BTreeMap<Arc<str>, Steps>,
}

impl Plain {
    /// A reporter that writes to `printer`.
    pub fn new(printer: Printer) -> Self {
        Self {
            printer,
            services: BTreeMap::new(),
        }
    }

    fn step(&mut self, service: &Arc<str>, update: &crate::client::Update) {
        let steps = self.services.entry(service.clone()).or_default();
        let change = steps.apply(update);
        let Some(step) = steps.get(&update.step) else {
            return;
        };
        let name = styled(NAME, &format!("[{service}]"));
        match change {
            Change::Lines(lines) => {
                let step = styled(FAINT, &format!("{} |", step.name));
                for line in lines {
                    self.printer.note(&format!("{name} {step} {line}"));
                }
            }
            Change::Ended(Some(error)) => {
                let mark = styled(ERROR, "failed");
                self.printer
                    .note(&format!("{name} {} {mark}: {error}", step.name));
            }
            Change::Ended(None) if !step.is_internal() || step.took > LONG => {
                let took = if step.cached {
                    "cached".to_owned()
                } else {
                    text::seconds(step.took)
                };
                self.printer
                    .note(&format!("{name} {} {}", step.name, styled(FAINT, &took)));
            }
            Change::Warning(text) => self
                .printer
                .note(&format!("{name} {}: {text}", styled(WARN, "warning"))),
            Change::Ended(None) | Change::Started | Change::Nothing => {}
        }
    }

    fn summary(&self, service: &Arc<str>) -> String {
        self.services.get(service).map(Steps::summary).unwrap_or_default()
    }
}

impl Reporter for Plain {
    fn event(&mut self, _: Duration, event: &Event) {
        let Some(service) = &event.service else {
            if let EventKind::RunStarted {
                engine,
                version,
                services,
            } = &event.kind
            {
                let version = version
                    .as_deref()
                    .map(|version| format!(" (BuildKit {version})"))
                    .unwrap_or_default();
                let count = text::plural(services.len(), "service");
                self.printer
                    .note(&format!("building {count} on {engine}{version}"));
            }
            return;
        };
        let name = styled(NAME, &format!("[{service}]"));
        match &event.kind {
            EventKind::Step(update) => self.step(service, update),
            EventKind::Finished(finished) => {
                let text = text::finished(finished, &self.summary(service));
                self.printer
                    .note(&format!("{name} {}  {text}", styled(GOOD, "done")));
            }
            EventKind::Failed(failed) => {
                let steps = self.services.get(service);
                let step = failed.failure.step.as_ref().and_then(|digest| steps?.get(digest));
                self.printer
                    .note(&failure::with_step(service, &failed.failure, step));
            }
            EventKind::Skipped { reason } => {
                self.printer
                    .note(&format!("{name} {}: {reason}", styled(WARN, "not built")));
            }
            EventKind::RunStarted { .. } | EventKind::RunEnded | EventKind::Started => {}
        }
    }
}
