//! Diagnostics as a terminal shows them.

use annotate_snippets::{AnnotationKind, Group, Level, Renderer, Snippet};

use super::{Diagnostic, Diagnostics, Severity};

/// One diagnostic with its snippet, with colour or without. No newline at the end.
pub fn render(diagnostic: &Diagnostic, colour: bool) -> String {
    let level = match diagnostic.severity {
        Severity::Error => Level::ERROR,
        Severity::Warning => Level::WARNING,
    };
    let mut group = Group::with_title(level.primary_title(diagnostic.message.as_str()));
    if let Some((file, span)) = &diagnostic.place {
        let primary = AnnotationKind::Primary
            .span(span.range())
            .label(diagnostic.label.as_deref());
        let related = diagnostic.related.iter().map(|label| {
            AnnotationKind::Context
                .span(label.span.range())
                .label(label.text.as_str())
        });
        group = group.element(
            Snippet::source(file.text())
                .path(file.name())
                .annotation(primary)
                .annotations(related),
        );
    }
    for help in &diagnostic.help {
        group = group.element(Level::HELP.message(help.as_str()));
    }
    let renderer = if colour {
        Renderer::styled()
    } else {
        Renderer::plain()
    };
    renderer.render(&[group])
}

/// All of them, an empty line between two.
pub fn render_all(diagnostics: &Diagnostics, colour: bool) -> String {
    diagnostics
        .iter()
        .map(|d| render(d, colour))
        .collect::<Vec<_>>()
        .join("\n\n")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::diag::{SourceFile, Span};

    #[test]
    fn shows_place_label_and_help() {
        let file = SourceFile::new("wheelwright.yaml", "services:\n  api:\n    bse: web\n");
        let diagnostic = Diagnostic::error("unknown key `bse` in service `api`")
            .at(&file, Span::new(21, 24))
            .label("not a key of a service")
            .help("did you mean `base`?");
        insta::assert_snapshot!(render(&diagnostic, false), @r"
        error: unknown key `bse` in service `api`
         --> wheelwright.yaml:3:5
          |
        3 |     bse: web
          |     ^^^ not a key of a service
          |
          = help: did you mean `base`?
        ");
    }
}
