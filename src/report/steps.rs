//! The steps of one service as far as they are known: what every reporter keeps.

use std::collections::{BTreeMap, VecDeque};
use std::time::Duration;

use crate::client::status::{Update, What};

/// Lines of output that are kept of each step, for when it fails.
const KEPT: usize = 30;

/// Steps by digest.
#[derive(Debug, Default)]
pub(super) struct Steps {
    steps: BTreeMap<String, Step>,
}

/// One step.
#[derive(Debug, Default)]
pub(super) struct Step {
    pub(super) name: String,
    pub(super) running: bool,
    pub(super) done: bool,
    pub(super) cached: bool,
    pub(super) took: Duration,
    /// Bytes done and in all, over the parts under way.
    pub(super) parts: BTreeMap<String, (u64, u64)>,
    /// The last lines of its output, without the one that is not complete.
    pub(super) lines: VecDeque<String>,
    pub(super) partial: Vec<u8>,
}

/// What an update changed, for reporters that show changes.
#[derive(Debug, PartialEq)]
pub(super) enum Change {
    Nothing,
    Started,
    /// It ended and had not before; a message if it failed.
    Ended(Option<String>),
    /// Whole lines of output.
    Lines(Vec<String>),
    Warning(String),
}

impl Steps {
    /// Takes an update in.
    pub(super) fn apply(&mut self, update: &Update) -> Change {
        let step = self.steps.entry(update.step.clone()).or_default();
        match &update.what {
            What::Known { name } => step.name.clone_from(name),
            What::Started { .. } if !step.running && !step.done => {
                step.running = true;
                return Change::Started;
            }
            What::Started { .. } => {}
            What::Ended { cached, took, error } => return step.end(*cached, *took, error.as_ref()),
            What::Progress {
                part,
                current,
                total,
                done,
            } => step.progress(part, *current, *total, *done),
            What::Log { text } => return Change::Lines(step.log(text)),
            What::Warning {
                short, detail, place, ..
            } => {
                // Frontends say it themselves for clients that show nothing else.
                let place = place
                    .as_ref()
                    .filter(|(file, line)| !short.starts_with(&format!("{file}:{line}:")))
                    .map(|(file, line)| format!(" ({file}:{line})"))
                    .unwrap_or_default();
                let detail = detail
                    .iter()
                    .fold(String::new(), |all, line| all + "\n    " + line);
                return Change::Warning(format!("{short}{place}{detail}"));
            }
        }
        Change::Nothing
    }

    pub(super) fn get(&self, digest: &str) -> Option<&Step> {
        self.steps.get(digest)
    }

    pub(super) fn running(&self) -> impl Iterator<Item = (&String, &Step)> {
        self.steps
            .iter()
            .filter(|(_, step)| step.running && !step.name.is_empty())
    }

    /// `12 steps, 10 cached`; the internal ones count as little as they show.
    pub(super) fn summary(&self) -> String {
        let shown = || {
            self.steps
                .values()
                .filter(|step| step.done && !step.is_internal())
        };
        let cached = shown().filter(|step| step.cached).count();
        format!("{}, {cached} cached", super::plural(shown().count(), "step"))
    }
}

impl Step {
    /// Housekeeping of the frontend or the engine: shown only when it takes long or fails.
    pub(super) fn is_internal(&self) -> bool {
        self.name.starts_with("[internal]") || self.name.starts_with("[auth]") || self.name.is_empty()
    }

    /// `1.2 MB / 3.4 MB`, or nothing.
    pub(super) fn amount(&self) -> Option<String> {
        let (current, total) = self
            .parts
            .values()
            .fold((0, 0), |sum, part| (sum.0 + part.0, sum.1 + part.1));
        match (current, total) {
            (0, 0) => None,
            (current, 0) => Some(super::text::bytes(current)),
            (current, total) => Some(format!(
                "{} / {}",
                super::text::bytes(current),
                super::text::bytes(total)
            )),
        }
    }

    fn end(&mut self, cached: bool, took: Duration, error: Option<&String>) -> Change {
        let news = !self.done || error.is_some();
        self.running = false;
        self.done = true;
        self.cached = cached;
        self.took = self.took.max(took);
        self.parts.clear();
        if !self.partial.is_empty() {
            let rest = std::mem::take(&mut self.partial);
            self.keep(&rest);
        }
        // A step that was stopped did not fail: whatever stopped it is told elsewhere. Nor did a look-up that found nothing:
        // the frontend knows what to do then.
        let stopped = error.is_some_and(|error| error.ends_with("context canceled"));
        let absent = self.is_internal() && error.is_some_and(|error| error.ends_with("not found"));
        if news && !stopped && !absent {
            Change::Ended(error.cloned())
        } else {
            Change::Nothing
        }
    }

    fn progress(&mut self, part: &str, current: u64, total: u64, done: bool) {
        if done {
            self.parts.remove(part);
        } else {
            self.parts.insert(part.to_owned(), (current, total));
        }
    }

    /// Adds output and returns the lines that it completed.
    fn log(&mut self, text: &[u8]) -> Vec<String> {
        self.partial.extend(text);
        let mut complete = Vec::new();
        while let Some(end) = self.partial.iter().position(|byte| *byte == b'\n') {
            let line: Vec<u8> = self.partial.drain(..=end).collect();
            complete.push(self.keep(&line));
        }
        complete
    }

    fn keep(&mut self, line: &[u8]) -> String {
        let line = String::from_utf8_lossy(line);
        // Progress bars redraw a line many times; what counts is what they left.
        let line = line
            .trim_end_matches(['\n', '\r'])
            .rsplit('\r')
            .next()
            .unwrap_or_default()
            .to_owned();
        if self.lines.len() == KEPT {
            self.lines.pop_front();
        }
        self.lines.push_back(line.clone());
        line
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn update(what: What) -> Update {
        Update {
            step: "sha256:1".into(),
            what,
        }
    }

    #[test]
    fn a_warnings_place_is_shown_once() {
        let shown = |short: &str| {
            let warning = What::Warning {
                short: short.to_owned(),
                detail: Vec::new(),
                url: String::new(),
                place: Some(("a.yaml".to_owned(), 3)),
            };
            Steps::default().apply(&update(warning))
        };
        let is = |text: &str| Change::Warning(text.to_owned());
        assert_eq!(shown("odd"), is("odd (a.yaml:3)"));
        assert_eq!(shown("a.yaml:3:1: odd"), is("a.yaml:3:1: odd"));
    }

    #[test]
    fn lines_are_put_together() {
        let mut steps = Steps::default();
        let log = |text: &str| update(What::Log { text: text.into() });
        assert_eq!(steps.apply(&log("one\r\ntw")), Change::Lines(vec!["one".into()]));
        assert_eq!(
            steps.apply(&log("o\n10%\r100%\n")),
            Change::Lines(vec!["two".into(), "100%".into()])
        );
        steps.apply(&log("rest"));
        let ended = What::Ended {
            cached: false,
            took: Duration::ZERO,
            error: None,
        };
        assert_eq!(steps.apply(&update(ended.clone())), Change::Ended(None));
        assert_eq!(steps.apply(&update(ended)), Change::Nothing, "it is sent again");
        assert_eq!(
            steps.get("sha256:1").unwrap().lines,
            ["one", "two", "100%", "rest"]
        );
    }
}
