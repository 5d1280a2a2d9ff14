//! The YAML tree to typed values, one function a type, each listing its keys once.

use super::fields::{Cx, Fields};
use super::indexes;
use super::scalar::PythonMinor;
use super::store::{LongWheelStore, WheelStore};
use super::types::{
    Base, FileSource, FileSpec, HealthTest, Healthcheck, LayerSettings, Manifest, Service, WheelSettings,
};
use super::yaml::{Node, Value};
use crate::diag::{Diagnostic, Diagnostics, SourceFile, Span, Spanned};

/// The whole manifest; none when it is not even a map.
pub(super) fn manifest(file: &SourceFile, root: &Node, diagnostics: &mut Diagnostics) -> Option<Manifest> {
    let mut cx = Cx { file, diagnostics };
    if matches!(root.value, Value::Null) {
        cx.push(
            Diagnostic::error("the manifest is empty")
                .at(file, Span::default())
                .help(
                    "a small one is `services: {web: {image: \"python:3.11-slim\", requirements: [requirements.txt], \
                     code: [web], command: [python, -m, web]}}`",
                ),
        );
        return None;
    }
    let mut fields = cx.fields("the manifest", root)?;
    let manifest = manifest_fields(&mut cx, &mut fields);
    if manifest.services.is_empty() && !says(root, "services") && !fields.misspelled("services") {
        cx.push(
            Diagnostic::error("the manifest declares no services")
                .at(file, fields.place("services").unwrap_or_default())
                .help("add at least one under `services:`"),
        );
    }
    fields.finish(&mut cx);
    Some(manifest)
}

fn manifest_fields(cx: &mut Cx<'_>, f: &mut Fields<'_>) -> Manifest {
    Manifest {
        name: f.take("name").and_then(|n| cx.text("name", n)),
        python: f.take("python").and_then(|n| python(cx, n)),
        platforms: f.take("platforms").and_then(|n| cx.list("platforms", n)),
        wheel_store: f.take("wheel_store").and_then(|n| wheel_store(cx, n)),
        indexes: f
            .take("indexes")
            .and_then(|n| cx.sequence("indexes", n, indexes::index)),
        mirrors: f
            .take("mirrors")
            .and_then(|n| cx.sequence("mirrors", n, indexes::mirror)),
        ca_certificates: f
            .take("ca_certificates")
            .and_then(|n| cx.text("ca_certificates", n)),
        exclude_newer: f
            .take("exclude_newer")
            .and_then(|n| cx.parsed("exclude_newer", n)),
        torch: f.take("torch").and_then(|n| cx.parsed("torch", n)),
        constraints: f.take("constraints").and_then(|n| cx.list("constraints", n)),
        build_constraints: f
            .take("build_constraints")
            .and_then(|n| cx.list("build_constraints", n)),
        find_links: f.take("find_links").and_then(|n| cx.list("find_links", n)),
        conflicts: f.take("conflicts").and_then(|n| cx.parsed("conflicts", n)),
        layers: f.take("layers").and_then(|n| layers(cx, n)),
        bytecode_image: f
            .take("bytecode_image")
            .and_then(|n| cx.text("bytecode_image", n)),
        bases: f
            .take("bases")
            .and_then(|n| cx.table("bases", n, |cx, e| base(cx, &e.key, &e.value)))
            .unwrap_or_default(),
        defaults: f.take("defaults").and_then(|n| service(cx, "defaults", n)),
        services: f
            .take("services")
            .and_then(|n| {
                cx.table("services", n, |cx, e| {
                    service(cx, &format!("service `{}`", e.key.value), &e.value)
                })
            })
            .unwrap_or_default(),
    }
}

/// The base image decides about the patch release, so one that is named here would only seem to count.
fn python(cx: &mut Cx<'_>, node: &Node) -> Option<Spanned<PythonMinor>> {
    let python = cx.parsed::<PythonMinor>("python", node)?;
    if let Value::Scalar { text, .. } = &node.value
        && *text != python.value.to_string()
    {
        cx.push(
            Diagnostic::error(format!("`{text}` is not a minor version of Python"))
                .at(cx.file, node.span)
                .help(format!(
                    "write `\"{}\"`; the base image decides about the patch release",
                    python.value
                )),
        );
    }
    Some(python)
}

fn layers(cx: &mut Cx<'_>, node: &Node) -> Option<LayerSettings> {
    let mut f = cx.fields("`layers`", node)?;
    let settings = LayerSettings {
        own: f.take("own").and_then(|n| cx.list("own", n)),
        max: f.take("max").and_then(|n| cx.number("max", n)),
    };
    f.finish(cx);
    Some(settings)
}

/// Only the repository, or a map of it and more.
fn wheel_store(cx: &mut Cx<'_>, node: &Node) -> Option<WheelStore> {
    if !matches!(node.value, Value::Mapping(_)) {
        return cx.parsed("wheel_store", node).map(WheelStore::Short);
    }
    let mut f = cx.fields("the wheel store", node)?;
    let repository = f.take("repository").and_then(|n| cx.parsed("repository", n));
    let format = f.take("format").and_then(|n| cx.parsed("format", n));
    f.finish(cx);
    let repository = required(cx, "the wheel store", "repository", node, repository)?;
    Some(WheelStore::Long(LongWheelStore { repository, format }))
}

fn base(cx: &mut Cx<'_>, name: &str, node: &Node) -> Option<Base> {
    let mut f = cx.fields(&format!("base `{name}`"), node)?;
    let base = base_fields(cx, &mut f);
    f.finish(cx);
    Some(base)
}

fn base_fields(cx: &mut Cx<'_>, f: &mut Fields<'_>) -> Base {
    Base {
        image: f.take("image").and_then(|n| cx.text("image", n)),
        extends: f.take("extends").and_then(|n| cx.text("extends", n)),
        packages: f.take("packages").and_then(|n| cx.list("packages", n)),
        build_packages: f
            .take("build_packages")
            .and_then(|n| cx.list("build_packages", n)),
        requirements: f.take("requirements").and_then(|n| cx.list("requirements", n)),
        constraints: f.take("constraints").and_then(|n| cx.list("constraints", n)),
        torch: f.take("torch").and_then(|n| cx.parsed("torch", n)),
        deny: f.take("deny").and_then(|n| cx.list("deny", n)),
        allow: f.take("allow").and_then(|n| cx.list("allow", n)),
        bytecode: f.take("bytecode").and_then(|n| cx.boolean("bytecode", n)),
        environment: f.take("environment").and_then(|n| cx.pairs("environment", n)),
    }
}

fn service(cx: &mut Cx<'_>, what: &str, node: &Node) -> Option<Service> {
    let mut f = cx.fields(what, node)?;
    let service = service_fields(cx, &mut f);
    f.finish(cx);
    Some(service)
}

fn service_fields(cx: &mut Cx<'_>, f: &mut Fields<'_>) -> Service {
    Service {
        base: f.take("base").and_then(|n| cx.text("base", n)),
        image: f.take("image").and_then(|n| cx.text("image", n)),
        packages: f.take("packages").and_then(|n| cx.list("packages", n)),
        build_packages: f
            .take("build_packages")
            .and_then(|n| cx.list("build_packages", n)),
        requirements: f.take("requirements").and_then(|n| cx.list("requirements", n)),
        lock: f.take("lock").and_then(|n| cx.parsed("lock", n)),
        project: f.take("project").and_then(|n| cx.parsed("project", n)),
        extras: f.take("extras").and_then(|n| cx.list("extras", n)),
        groups: f.take("groups").and_then(|n| cx.list("groups", n)),
        lock_group: f.take("lock_group").and_then(|n| cx.text("lock_group", n)),
        torch: f.take("torch").and_then(|n| cx.parsed("torch", n)),
        constraints: f.take("constraints").and_then(|n| cx.list("constraints", n)),
        bytecode: f.take("bytecode").and_then(|n| cx.boolean("bytecode", n)),
        smoke: f.take("smoke").and_then(|n| cx.list("smoke", n)),
        wheels: f
            .take("wheels")
            .and_then(|n| cx.table("wheels", n, |cx, e| wheel(cx, &e.key, &e.value))),
        code: f.take("code").and_then(|n| cx.list("code", n)),
        files: f.take("files").and_then(|n| cx.sequence("files", n, file_spec)),
        environment: f.take("environment").and_then(|n| cx.pairs("environment", n)),
        user: f.take("user").and_then(|n| cx.parsed("user", n)),
        working_dir: f.take("working_dir").and_then(|n| cx.text("working_dir", n)),
        expose: f.take("expose").and_then(|n| cx.list("expose", n)),
        volumes: f.take("volumes").and_then(|n| cx.list("volumes", n)),
        labels: f.take("labels").and_then(|n| cx.pairs("labels", n)),
        healthcheck: f.take("healthcheck").and_then(|n| healthcheck(cx, n)),
        entrypoint: f.take("entrypoint").and_then(|n| cx.list("entrypoint", n)),
        command: f.take("command").and_then(|n| cx.list("command", n)),
        stop_signal: f.take("stop_signal").and_then(|n| cx.parsed("stop_signal", n)),
    }
}

fn wheel(cx: &mut Cx<'_>, name: &str, node: &Node) -> Option<WheelSettings> {
    let mut f = cx.fields(&format!("wheel `{name}`"), node)?;
    let settings = WheelSettings {
        source: f.take("source").and_then(|n| cx.boolean("source", n)),
        build_packages: f
            .take("build_packages")
            .and_then(|n| cx.list("build_packages", n)),
        config_settings: f
            .take("config_settings")
            .and_then(|n| cx.pairs("config_settings", n)),
        environment: f.take("environment").and_then(|n| cx.pairs("environment", n)),
    };
    f.finish(cx);
    Some(settings)
}

fn file_spec(cx: &mut Cx<'_>, node: &Node) -> Option<FileSpec> {
    let mut f = cx.fields("a file", node)?;
    let url = f.take("url").and_then(|n| cx.text("url", n));
    let sha256 = f.take("sha256").and_then(|n| cx.parsed("sha256", n));
    let source = f.take("source").and_then(|n| cx.parsed("source", n));
    let target = f.take("target").and_then(|n| cx.text("target", n));
    let mode = f.take("mode").and_then(|n| cx.parsed("mode", n));
    f.finish(cx);
    let target = required(cx, "a file", "target", node, target);
    let source = match (url, source) {
        (Some(url), None) => {
            let sha256 = required(cx, "a file from a url", "sha256", node, sha256)?;
            FileSource::Url { url, sha256 }
        }
        (None, Some(source)) => FileSource::Path { source },
        _ => {
            cx.push(
                Diagnostic::error("a file needs either `url` and `sha256`, or `source`")
                    .at(cx.file, node.span),
            );
            return None;
        }
    };
    Some(FileSpec {
        source,
        target: target?,
        mode,
    })
}

fn healthcheck(cx: &mut Cx<'_>, node: &Node) -> Option<Healthcheck> {
    let Some(mut f) = cx.fields("a healthcheck", node) else {
        cx.advise(
            "write `healthcheck: {test: [python, check.py]}`; a `test` that is a string runs in the shell",
        );
        return None;
    };
    let test = f.take("test").and_then(|n| health_test(cx, n));
    let check = (
        f.take("interval").and_then(|n| cx.parsed("interval", n)),
        f.take("timeout").and_then(|n| cx.parsed("timeout", n)),
        f.take("retries").and_then(|n| cx.number("retries", n)),
        f.take("start_period").and_then(|n| cx.parsed("start_period", n)),
        f.take("start_interval")
            .and_then(|n| cx.parsed("start_interval", n)),
    );
    let (interval, timeout, retries, start_period, start_interval) = check;
    f.finish(cx);
    let test = required(cx, "a healthcheck", "test", node, test)?;
    Some(Healthcheck {
        test,
        interval,
        timeout,
        retries,
        start_period,
        start_interval,
    })
}

/// A list runs as it is; Compose's string form goes through the shell.
fn health_test(cx: &mut Cx<'_>, node: &Node) -> Option<Spanned<HealthTest>> {
    if let Value::Scalar { text, .. } = &node.value {
        return Some(Spanned::new(
            HealthTest(vec!["CMD-SHELL".to_owned(), text.clone()]),
            node.span,
        ));
    }
    let list = cx.list::<String>("test", node)?;
    let mut words = list.values().cloned().collect::<Vec<_>>();
    if !words
        .first()
        .is_some_and(|first| matches!(first.as_str(), "CMD" | "CMD-SHELL" | "NONE"))
    {
        words.insert(0, "CMD".to_owned());
    }
    if words.len() < 2 && words[0] != "NONE" {
        cx.push(
            Diagnostic::error("`test` of a healthcheck runs nothing")
                .at(cx.file, node.span)
                .help("write what to run, such as `[python, check.py]`, or `[NONE]` for no check"),
        );
        return None;
    }
    Some(Spanned::new(HealthTest(words), node.span))
}

pub(super) fn required<T>(
    cx: &mut Cx<'_>,
    what: &str,
    key: &str,
    node: &Node,
    value: Option<T>,
) -> Option<T> {
    if value.is_none() && !has_key(node, key) {
        cx.push(Diagnostic::error(format!("{what} needs `{key}`")).at(cx.file, node.span));
    }
    value
}

/// Whether a map has something at a key, be it right or wrong.
fn says(node: &Node, key: &str) -> bool {
    let Value::Mapping(entries) = &node.value else {
        return false;
    };
    let nothing = |value: &Value| match value {
        Value::Null => true,
        Value::Mapping(entries) => entries.is_empty(),
        _ => false,
    };
    entries
        .iter()
        .any(|entry| entry.key.value == key && !nothing(&entry.value.value))
}

fn has_key(node: &Node, key: &str) -> bool {
    matches!(&node.value, Value::Mapping(entries) if entries.iter().any(|e| e.key.value == key))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::manifest::schema;

    fn known(read: fn(&mut Cx<'_>, &mut Fields<'_>)) -> Vec<String> {
        let node = Node {
            span: Span::default(),
            value: Value::Null,
        };
        let mut diagnostics = Diagnostics::default();
        let mut cx = Cx {
            file: &SourceFile::new("f", ""),
            diagnostics: &mut diagnostics,
        };
        let mut fields = cx.fields("x", &node).unwrap();
        read(&mut cx, &mut fields);
        let mut known = fields
            .known()
            .iter()
            .map(|key| (*key).to_owned())
            .collect::<Vec<_>>();
        known.sort();
        known
    }

    #[test]
    fn decoder_and_schema_know_the_same_keys() {
        let keys = |schema: &serde_json::Value| {
            schema["properties"]
                .as_object()
                .unwrap()
                .keys()
                .cloned()
                .collect::<Vec<_>>()
        };
        let schema = schema::json();
        let sorted = |mut keys: Vec<String>| {
            keys.sort();
            keys
        };
        assert_eq!(known(|cx, f| drop(manifest_fields(cx, f))), sorted(keys(&schema)));
        assert_eq!(
            known(|cx, f| drop(base_fields(cx, f))),
            sorted(keys(&schema["$defs"]["Base"]))
        );
        assert_eq!(
            known(|cx, f| drop(service_fields(cx, f))),
            sorted(keys(&schema["$defs"]["Service"]))
        );
    }
}
