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

use super::closing::{closing, opening};
use super::event::{Event, EventKind};
use super::printer::{ERROR, FAINT, NAME, Printer, WARN, styled};
use super::steps::{Change, Steps};
use super::{Reporter, text};

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
}

impl Reporter for Plain {
    fn event(&mut self, _: Duration, event: &Event) {
        let said = match (&event.service, &event.kind) {
            (Some(service), EventKind::Step(update)) => return self.step(service, update),
            (Some(service), kind) => closing(service, kind, self.services.get(service)),
            (None, kind) => opening(kind),
        };
        if let Some(said) = said {
            self.printer.note(&said);
        }
    }
}
