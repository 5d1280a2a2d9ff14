//! Subrequests: questions about a manifest that build nothing (`docker buildx build --call=NAME`).
//!
//! Every answer has `result.json`, `result.txt` for people, and a version. A client that gets "unsupported" for the
//! usual ones would parse the manifest as a Dockerfile, so they are all here.

use std::collections::BTreeMap;

use serde_json::{Value, json};

use super::load;
use super::{Failure, Options, Request};
use crate::bridge::{Bridge, Outcome, Refs};
use crate::diag::{Diagnostics, Severity, SourceFile, Span, render_all};
use crate::manifest::{Manifest, schema};

/// The subrequests by name, with a few words each.
const KNOWN: [(&str, &str); 5] = [
    ("frontend.subrequests.describe", "List available subrequest types"),
    ("frontend.targets", "List all targets current build supports"),
    (
        "frontend.outline",
        "List all parameters current build target supports",
    ),
    ("frontend.lint", "Check the manifest"),
    ("frontend.wheelwright.schema", "JSON Schema of the manifest"),
];

/// Answers a subrequest.
pub(super) async fn answer(
    bridge: &dyn Bridge,
    request: &Request,
    options: &Options,
    name: &str,
) -> Result<Outcome, Failure> {
    let (value, text, status) = match name {
        "frontend.subrequests.describe" => describe(),
        "frontend.wheelwright.schema" => (schema::json(), schema::text(), 0),
        "frontend.lint" => lint(
            load::manifest(bridge, request, options)
                .await
                .map(|loaded| loaded.warnings),
        )?,
        "frontend.targets" => targets(&load::manifest(bridge, request, options).await?),
        "frontend.outline" => outline(&load::manifest(bridge, request, options).await?, options)?,
        other => return Err(Failure::Request(other.to_owned())),
    };
    let metadata = BTreeMap::from([
        ("result.json".to_owned(), value.to_string().into_bytes()),
        ("result.txt".to_owned(), text.into_bytes()),
        ("result.statuscode".to_owned(), status.to_string().into_bytes()),
        ("version".to_owned(), b"1.0.0".to_vec()),
    ]);
    Ok(Outcome {
        refs: Refs::None,
        metadata,
    })
}

type Answer = (Value, String, u32);

fn describe() -> Answer {
    let requests = KNOWN.map(|(name, description)| {
        json!({
            "name": name, "version": "1.0.0", "type": "rpc", "description": description,
            "opts": null, "inputs": null, "refs": null,
            "metadata": [{"name": "result.json", "description": ""}, {"name": "result.txt", "description": ""}],
        })
    });
    let text = KNOWN
        .map(|(name, description)| format!("{name}: {description}\n"))
        .concat();
    (json!(requests), text, 0)
}

fn targets(loaded: &load::Loaded<'_>) -> Answer {
    let manifest = &loaded.manifest;
    let single = manifest.services.len() == 1;
    let services = manifest.services.iter().map(|(name, service)| {
        let base = service
            .base
            .as_ref()
            .or(service.image.as_ref())
            .map(|base| base.value.clone());
        json!({
            "name": name.value, "default": single, "base": base.unwrap_or_default(),
            "location": location(&loaded.file, name.span),
        })
    });
    let bases = manifest.bases.iter().map(|(name, base)| {
        let image = base.image.as_ref().map(|image| image.value.clone());
        json!({
            "name": format!("base:{}", name.value), "default": false, "base": image.unwrap_or_default(),
            "location": location(&loaded.file, name.span),
        })
    });
    let targets = services.chain(bases).collect::<Vec<_>>();
    let names = targets.iter().filter_map(|target| target["name"].as_str());
    let text = names.flat_map(|name| [name, "\n"]).collect::<String>();
    (
        json!({"targets": targets, "sources": [base64(loaded.file.text())]}),
        text,
        0,
    )
}

fn outline(loaded: &load::Loaded<'_>, options: &Options) -> Result<Answer, Failure> {
    let name = match &options.target {
        Some(name) => name.clone(),
        None => default_target(&loaded.manifest),
    };
    super::target::target(loaded, options.target.as_deref())?;
    let args = [
        ("SOURCE_DATE_EPOCH", "time of the image in seconds since 1970"),
        (
            "BUILDKIT_CACHE_MOUNT_NS",
            "put in front of the names of cache mounts",
        ),
        (
            "WHEELWRIGHT_MIRRORS",
            "addresses that are fetched from elsewhere, as FROM=TO",
        ),
        ("WHEELWRIGHT_WHEEL_STORE", "another wheel store, or `none`"),
    ];
    let args = args.map(|(name, description)| {
        json!({"name": name, "description": description, "value": options.build_arg(name).unwrap_or_default()})
    });
    let text = format!("TARGET: {name}\n");
    Ok((
        json!({"name": name, "args": args, "sources": [base64(loaded.file.text())]}),
        text,
        0,
    ))
}

fn default_target(manifest: &Manifest) -> String {
    manifest
        .services
        .first()
        .map(|(name, _)| name.value.clone())
        .unwrap_or_default()
}

/// A manifest with mistakes is an answer, not a failure; an engine that is gone is a failure.
fn lint(warnings: Result<Diagnostics, Failure>) -> Result<Answer, Failure> {
    let mistakes = match warnings {
        Ok(warnings) if warnings.is_empty() => {
            return Ok((json!({"warnings": []}), "no mistakes\n".to_owned(), 0));
        }
        Ok(warnings) => warnings,
        Err(Failure::Mistakes(mistakes)) => mistakes,
        Err(other) => return Err(other),
    };
    let mut sources: Vec<SourceFile> = Vec::new();
    let warnings = mistakes.iter().map(|mistake| {
        let place = mistake.place.as_ref().map(|(file, span)| {
            let index = sources.iter().position(|known| known == file).unwrap_or_else(|| {
                sources.push(file.clone());
                sources.len() - 1
            });
            let mut place = location(file, *span);
            place["sourceIndex"] = json!(index);
            place
        });
        let (rule, description) = match mistake.severity {
            Severity::Error => ("InvalidManifest", "A manifest must have no mistakes"),
            Severity::Warning => ("QuestionableManifest", "What a manifest says should be looked at"),
        };
        let help = mistake.help.iter().map(|help| format!("\nhelp: {help}"));
        json!({
            "ruleName": rule, "description": description,
            "detail": format!("{}{}", mistake.message, help.collect::<String>()),
            // Clients look into the sources unless the index is negative.
            "location": place.unwrap_or_else(|| json!({"sourceIndex": -1})),
        })
    });
    let warnings = warnings.collect::<Vec<_>>();
    let sources = sources.iter().map(|file| {
        json!({"filename": file.name(), "language": super::failure::language(file.name()), "data": base64(file.text())})
    });
    let value = json!({"warnings": warnings, "sources": sources.collect::<Vec<_>>()});
    Ok((value, text(&mistakes), u32::from(mistakes.has_errors())))
}

fn text(mistakes: &Diagnostics) -> String {
    format!("{}\n", render_all(mistakes, false))
}

fn location(file: &SourceFile, span: Span) -> Value {
    let position = |offset| {
        let at = file.position(offset);
        json!({"line": at.line, "character": at.column})
    };
    json!({"ranges": [{"start": position(span.start), "end": position(span.end)}]})
}

fn base64(text: &str) -> String {
    use base64::Engine as _;
    base64::engine::general_purpose::STANDARD.encode(text)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::diag::Diagnostic;

    #[test]
    fn mistakes_are_reported_with_and_without_a_place() {
        let file = SourceFile::new("wheelwright.yaml", "a: 1\nb: 2\n");
        let mut mistakes = Diagnostics::default();
        mistakes.push(
            Diagnostic::error("unknown key `b`")
                .at(&file, Span::new(5, 6))
                .help("did you mean `a`?"),
        );
        mistakes.push(Diagnostic::warning("nothing is said"));
        let (value, text, status) = lint(Err(Failure::Mistakes(mistakes))).unwrap();
        let [placed, placeless] = [&value["warnings"][0], &value["warnings"][1]];
        assert_eq!(placed["ruleName"], "InvalidManifest");
        assert_eq!(placed["detail"], "unknown key `b`\nhelp: did you mean `a`?");
        assert_eq!(placed["location"]["sourceIndex"], 0);
        assert_eq!(placed["location"]["ranges"][0]["start"]["line"], 2);
        assert_eq!(placeless["ruleName"], "QuestionableManifest");
        assert_eq!(placeless["location"], json!({"sourceIndex": -1}));
        assert!(text.contains("wheelwright.yaml:2:1"), "{text}");
        assert_eq!(status, 1);
    }
}
