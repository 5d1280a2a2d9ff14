//! Progress for a terminal: what runs now at the bottom, redrawn; what matters later above it.
//!
//! A step that was cached, or is the engine's own housekeeping, leaves no line. Output of steps is shown when they
//! fail.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use indicatif::{MultiProgress, ProgressBar, ProgressDrawTarget, ProgressStyle};

use super::closing::{closing, opening};
use super::event::{Event, EventKind};
use super::printer::{ERROR, FAINT, NAME, Printer, WARN, styled};
use super::steps::{Change, Steps};
use super::{Reporter, text};

/// Steps that run for less are not worth a line of their own.
const SHORT: Duration = Duration::from_millis(300);
/// Running steps shown at a time.
const SHOWN: usize = 12;

/// See the module.
pub struct Tty {
    bars: MultiProgress,
    services: BTreeMap<Arc<str>, Service>,
    visible: BTreeMap<(Arc<str>, String), ProgressBar>,
    colours: bool,
}

#[derive(Default)]
struct Service {
    steps: Steps,
    started: BTreeMap<String, Duration>,
}

impl std::fmt::Debug for Tty {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Tty").finish_non_exhaustive()
    }
}

impl Tty {
    /// A reporter for the terminal of `printer`.
    pub fn new(_: Printer) -> Self {
        let colours = anstream::AutoStream::choice(&std::io::stderr()) != anstream::ColorChoice::Never;
        let bars = MultiProgress::with_draw_target(ProgressDrawTarget::stderr_with_hz(10));
        Self {
            bars,
            services: BTreeMap::new(),
            visible: BTreeMap::new(),
            colours,
        }
    }

    /// Writes lines above what is redrawn.
    fn line(&self, line: &str) {
        let line = if self.colours {
            line.to_owned()
        } else {
            anstream::adapter::strip_str(line).to_string()
        };
        drop(self.bars.println(line));
    }

    fn step(&mut self, at: Duration, name: &Arc<str>, update: &crate::client::Update) {
        let service = self.services.entry(name.clone()).or_default();
        let change = service.steps.apply(update);
        let Some(step) = service.steps.get(&update.step) else {
            return;
        };
        let label = styled(NAME, &format!("[{name}]"));
        let line = match change {
            Change::Started => {
                service.started.insert(update.step.clone(), at);
                return;
            }
            Change::Ended(Some(_)) => Some(format!("{label} {} {}", step.name, styled(ERROR, "failed"))),
            Change::Ended(None) if !step.cached && !step.is_internal() && step.took > SHORT => Some(format!(
                "{label} {} {}",
                step.name,
                styled(FAINT, &text::seconds(step.took))
            )),
            Change::Warning(text) => Some(format!("{label} {}: {text}", styled(WARN, "warning"))),
            _ => None,
        };
        if !step.running
            && let Some(bar) = self.visible.remove(&(name.clone(), update.step.clone()))
        {
            bar.finish_and_clear();
            self.bars.remove(&bar);
        }
        if let Some(line) = line {
            self.line(&line);
        }
    }

    /// Shows the steps that have been running for a while.
    fn redraw(&mut self, at: Duration) {
        for (name, service) in &self.services {
            for (digest, step) in service.steps.running() {
                let since = service.started.get(digest).copied().unwrap_or(at);
                let ran = at.saturating_sub(since);
                let key = (name.clone(), digest.clone());
                if ran < SHORT || (self.visible.len() >= SHOWN && !self.visible.contains_key(&key)) {
                    continue;
                }
                let bar = self.visible.entry(key).or_insert_with(|| {
                    let bar = self.bars.add(ProgressBar::new_spinner());
                    bar.set_style(style());
                    bar
                });
                let amount = step
                    .amount()
                    .map(|amount| format!("  {amount}"))
                    .unwrap_or_default();
                let last = step
                    .lines
                    .back()
                    .map(|line| format!("  | {line}"))
                    .unwrap_or_default();
                let text = format!("[{name}] {} {}{amount}{last}", step.name, text::seconds(ran));
                bar.set_message(text);
                bar.tick();
            }
        }
    }

    fn clear(&mut self, service: &Arc<str>) {
        let keys: Vec<_> = self
            .visible
            .keys()
            .filter(|(name, _)| name == service)
            .cloned()
            .collect();
        for bar in keys.iter().filter_map(|key| self.visible.remove(key)) {
            bar.finish_and_clear();
            self.bars.remove(&bar);
        }
    }
}

/// One line, cut at the terminal's edge.
fn style() -> ProgressStyle {
    ProgressStyle::with_template("{spinner} {wide_msg}").unwrap_or_else(|_| ProgressStyle::default_spinner())
}

impl Reporter for Tty {
    fn event(&mut self, at: Duration, event: &Event) {
        let said = match (&event.service, &event.kind) {
            (Some(service), EventKind::Step(update)) => return self.step(at, service, update),
            (Some(service), kind) => {
                let steps = self.services.get(service).map(|service| &service.steps);
                closing(service, kind, steps)
            }
            (None, kind) => opening(kind),
        };
        if let Some(said) = said {
            if let Some(service) = &event.service {
                self.clear(service);
            }
            self.line(&said);
        }
    }

    fn tick(&mut self, at: Duration) {
        self.redraw(at);
    }
}
