//! A failure as text: what, where in the user's file, and the failing step's last words.

use std::borrow::Cow;
use std::fmt::Write as _;

use annotate_snippets::{AnnotationKind, Group, Level, Renderer, Snippet as Shown};

use super::steps::Step;
use crate::client::{Failure, Place, Snippet};

/// Lines of output shown of the failing step.
const SHOWN: usize = 15;

/// Renders `failure` of `service`, with the step that failed if it is known.
pub fn render(service: &str, failure: &Failure) -> String {
    with_step(service, failure, None)
}

pub(super) fn with_step(service: &str, failure: &Failure, step: Option<&Step>) -> String {
    let (what, advice_given) = told(failure, step);
    let title = format!("failed to build `{service}`: {what}");
    let group = Group::with_title(Level::ERROR.primary_title(&title));
    // Ranges in a text that is not the whole file, or was not sent, point nowhere.
    let places: Vec<_> = failure
        .sources
        .iter()
        .filter(|source| !spans(source).is_empty())
        .collect();
    let group = places.iter().fold(group, |group, source| {
        let shown = Shown::source(&source.text).path(&source.file);
        group.element(spans(source).into_iter().fold(shown, |shown, span| {
            shown.annotation(AnnotationKind::Primary.span(span))
        }))
    });
    let known = || advice(&failure.message).filter(|_| advice_given.is_empty());
    let group = match failure.help.as_deref().or_else(known) {
        Some(advice) => group.element(Level::HELP.message(advice)),
        None => group,
    };
    let group = advice_given
        .into_iter()
        .fold(group, |group, advice| group.element(Level::HELP.message(advice)));
    let mut text = Renderer::styled().render(&[group]);
    if let Some(step) = step {
        if !what.contains(&step.name) {
            // Writing to a string cannot fail.
            let _ = write!(text, "\n  step: {}", step.name);
        }
        let lines: Vec<_> = step.lines.iter().filter(|line| !line.trim().is_empty()).collect();
        for line in lines.iter().skip(lines.len().saturating_sub(SHOWN)) {
            let _ = write!(text, "\n  | {line}");
        }
    }
    text
}

/// The message as it is shown beside its place, and the advice that came with it. How a step is run is the frontend's
/// affair, so of a failed one only its name and its end are shown.
fn told<'f>(failure: &'f Failure, step: Option<&Step>) -> (Cow<'f, str>, Vec<&'f str>) {
    let message = failure.message.as_str();
    if let Some(step) = step
        && message.starts_with("process \"")
        && let Some((_, end)) = message.rsplit_once("\" did not complete successfully: ")
    {
        return (Cow::Owned(format!("`{}` failed: {end}", step.name)), Vec::new());
    }
    let mut lines = message.split("\n  help: ");
    let first = lines.next().unwrap_or(message);
    let advice: Vec<_> = lines.collect();
    // Several mistakes keep their places, and their advice below each.
    match failure.sources.as_slice() {
        [source] if source.places.len() == 1 && advice.iter().all(|line| !line.contains('\n')) => {
            let place = &source.places[0];
            let column = place.columns.map_or(1, |(first, _)| first);
            let prefix = format!("{}:{}:{column}: ", source.file, place.lines.0);
            let without = first.strip_prefix(&prefix);
            // A place that cannot be shown, as of a whole file, is told in words.
            let what = without.filter(|_| !spans(source).is_empty()).unwrap_or(first);
            (what.into(), advice)
        }
        [] if !first.contains('\n') => (first.into(), advice),
        _ => (message.into(), Vec::new()),
    }
}

/// What the engine's words leave out of a failed download.
fn advice(message: &str) -> Option<&'static str> {
    let known = [
        (
            "digest mismatch",
            "what was downloaded is not the file that the lock or the manifest names: it has changed, or the server answered \
             with an error, which engines take for the file; `curl -I` with the file's address shows the server's answer",
        ),
        (
            "invalid header field value for \"Authorization\"",
            "the secret holds more than the header's value, such as the end of a line",
        ),
    ];
    known
        .into_iter()
        .find_map(|(words, advice)| message.contains(words).then_some(advice))
}

/// The places as byte ranges of the text.
fn spans(source: &Snippet) -> Vec<std::ops::Range<usize>> {
    let mut starts = vec![0];
    starts.extend(source.text.match_indices('\n').map(|(at, _)| at + 1));
    let span = |place: &Place| {
        let (first, last) = place.lines;
        let start = *starts.get(first as usize - 1)?;
        let end = starts
            .get(last as usize)
            .map_or(source.text.len(), |next| next - 1);
        let line = source.text.get(start..end)?;
        if let Some((from, to)) = place.columns {
            let behind = &source.text[*starts.get(last as usize - 1)?..end];
            let range = start + column(line, from)..end - behind.len() + column(behind, to);
            return (!range.is_empty()).then_some(range);
        }
        let indent = line.len() - line.trim_start().len();
        (indent < line.len()).then(|| start + indent..start + line.trim_end().len())
    };
    source.places.iter().filter_map(span).collect()
}

/// The byte at which a column, from 1, begins.
fn column(line: &str, number: u32) -> usize {
    let mut columns = line.char_indices().map(|(at, _)| at);
    columns.nth(number as usize - 1).unwrap_or(line.len())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn places_and_last_words_are_shown() {
        let source = Snippet {
            file: "wheelwright.yaml".into(),
            text: "a: 1\nb:\n  - c\nd: 2\n".into(),
            places: vec![whole_lines(3)],
        };
        let failure = Failure {
            message: "exit code: 1".into(),
            sources: vec![source],
            ..Failure::default()
        };
        let step = Step {
            name: "install c".into(),
            lines: ["first".into(), String::new(), "last".into()].into(),
            ..Step::default()
        };
        let text = anstream::adapter::strip_str(&with_step("api", &failure, Some(&step))).to_string();
        insta::assert_snapshot!(text, @"
        error: failed to build `api`: exit code: 1
         --> wheelwright.yaml:3:3
          |
        3 |   - c
          |   ^^^
          step: install c
          | first
          | last
        ");
    }

    #[test]
    fn a_place_is_told_once_and_advice_stands_below_it() {
        let failure = Failure {
            message: "f.yaml:1:4: `b` is not there\n  help: try `c`\n  help: or `d`".into(),
            sources: vec![Snippet {
                file: "f.yaml".into(),
                text: "a: b\n".into(),
                places: vec![Place {
                    lines: (1, 1),
                    columns: Some((4, 5)),
                }],
            }],
            ..Failure::default()
        };
        let text = anstream::adapter::strip_str(&render("api", &failure)).to_string();
        insta::assert_snapshot!(text, @"
        error: failed to build `api`: `b` is not there
         --> f.yaml:1:4
          |
        1 | a: b
          |    ^
          |
          = help: try `c`
          = help: or `d`
        ");
    }

    #[test]
    fn a_place_that_cannot_be_shown_is_told() {
        let failure = Failure {
            message: "a.lock:1:1: `b` is missing\n  help: make it anew".into(),
            sources: vec![Snippet {
                file: "a.lock".into(),
                text: "a = 1\n".into(),
                places: vec![Place {
                    lines: (1, 1),
                    columns: Some((1, 1)),
                }],
            }],
            ..Failure::default()
        };
        let text = anstream::adapter::strip_str(&render("api", &failure)).to_string();
        insta::assert_snapshot!(text, @"
        error: failed to build `api`: a.lock:1:1: `b` is missing
         |
         = help: make it anew
        ");
    }

    #[test]
    fn a_failed_step_goes_by_its_name() {
        let failure = Failure {
            message: "process \"/bin/sh /run/x.sh\" did not complete successfully: exit code: 1".into(),
            ..Failure::default()
        };
        let step = Step {
            name: "[api] install c".into(),
            lines: ["last".into()].into(),
            ..Step::default()
        };
        let text = anstream::adapter::strip_str(&with_step("api", &failure, Some(&step))).to_string();
        insta::assert_snapshot!(text, @"
        error: failed to build `api`: `[api] install c` failed: exit code: 1
          | last
        ");
    }

    #[test]
    fn a_file_that_is_not_the_one_expected_may_be_a_servers_error() {
        let failure = Failure {
            message: "digest mismatch sha256:1: sha256:2".into(),
            ..Failure::default()
        };
        let text = anstream::adapter::strip_str(&render("api", &failure)).to_string();
        assert!(
            text.contains("help: what was downloaded is not the file"),
            "{text}"
        );
    }

    #[test]
    fn places_outside_of_the_text_are_left_out() {
        let source = Snippet {
            file: "f".into(),
            text: "a".into(),
            places: vec![whole_lines(7)],
        };
        assert!(spans(&source).is_empty());
    }

    fn whole_lines(line: u32) -> Place {
        Place {
            lines: (line, line),
            columns: None,
        }
    }

    #[test]
    fn columns_count_characters() {
        let source = Snippet {
            file: "f".into(),
            text: "a: 1\né: [bc, d]\n".into(),
            places: vec![
                Place {
                    lines: (2, 2),
                    columns: Some((5, 7)),
                },
                Place {
                    lines: (1, 2),
                    columns: Some((4, 2)),
                },
                Place {
                    lines: (1, 1),
                    columns: Some((90, 99)),
                },
            ],
        };
        let shown = spans(&source).into_iter().map(|span| &source.text[span]);
        assert_eq!(shown.collect::<Vec<_>>(), ["bc", "1\né"]);
    }
}
