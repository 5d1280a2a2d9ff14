//! The image's config: the base's own, then what the manifest says.
//!
//! Kept as JSON values, so that whatever the base says and nobody here knows stays as it is. Maps are sorted:
//! the digest of the config is the id of the image.

use std::collections::BTreeMap;

use serde_json::{Map, Value, json};

use super::context::Context;
use super::history;
use crate::plan::Plan;

const DEFAULT_PATH: &str = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";

/// The config of a service's image. `labels` win over the manifest's; `created` is a time in RFC 3339.
pub fn config(
    plan: &Plan,
    base: &[u8],
    cx: &Context,
    labels: &BTreeMap<String, String>,
    created: Option<&str>,
) -> Vec<u8> {
    let layers = history::service(plan, cx);
    shaped(base, cx, layers, created, |config| apply(plan, labels, config))
}

/// The config of a base alone: its environment and labels on the image's own.
pub fn base_config(
    plan: &Plan,
    base: &[u8],
    cx: &Context,
    labels: &BTreeMap<String, String>,
    created: Option<&str>,
) -> Vec<u8> {
    shaped(base, cx, history::base(plan), created, |config| {
        let environment = environment(&plan.image.environment, config.get("Env"));
        let list = environment
            .into_iter()
            .map(|(name, value)| format!("{name}={value}"))
            .collect::<Vec<_>>();
        config.insert("Env".to_owned(), json!(list));
        extend(
            config,
            "Labels",
            labels.iter().map(|(name, value)| (name.clone(), json!(value))),
        );
    })
}

fn shaped(
    base: &[u8],
    cx: &Context,
    layers: Vec<String>,
    created: Option<&str>,
    apply: impl FnOnce(&mut Map<String, Value>),
) -> Vec<u8> {
    let mut image = serde_json::from_slice::<Map<String, Value>>(base).unwrap_or_default();
    let platform = &cx.platform;
    image.insert("architecture".to_owned(), json!(platform.architecture));
    image.insert("os".to_owned(), json!(platform.os));
    if !platform.variant.is_empty() {
        image.insert("variant".to_owned(), json!(platform.variant));
    }
    history::write(&mut image, layers, created);
    image.remove("created");
    if let Some(created) = created {
        image.insert("created".to_owned(), json!(created));
    }
    // The exporter writes the layers that there are.
    image.remove("rootfs");
    let mut config = match image.remove("config") {
        Some(Value::Object(config)) => config,
        _ => Map::new(),
    };
    apply(&mut config);
    image.insert("config".to_owned(), Value::Object(config));
    image.insert("rootfs".to_owned(), json!({"type": "layers"}));
    serde_json::to_vec(&image).unwrap_or_default()
}

fn apply(plan: &Plan, labels: &BTreeMap<String, String>, config: &mut Map<String, Value>) {
    let settings = &plan.image;
    let environment = venv_environment(plan, config.get("Env"));
    config.insert("Env".to_owned(), json!(environment));
    config.insert("WorkingDir".to_owned(), json!(settings.working_dir));
    let mut set = |key: &str, value: Option<Value>| {
        if let Some(value) = value {
            config.insert(key.to_owned(), value);
        }
    };
    set("User", settings.user.as_ref().map(|user| json!(user)));
    set(
        "StopSignal",
        settings.stop_signal.as_ref().map(|signal| json!(signal)),
    );
    set(
        "Healthcheck",
        settings.health.as_ref().map(|health| json!(health)),
    );
    set(
        "Entrypoint",
        settings.entrypoint.as_ref().map(|words| json!(words)),
    );
    // As with a Dockerfile's ENTRYPOINT: a new one takes the base's arguments away.
    let command = settings
        .command
        .clone()
        .or_else(|| settings.entrypoint.as_ref().map(|_| Vec::new()));
    set("Cmd", command.map(|words| json!(words)));
    extend(
        config,
        "ExposedPorts",
        settings.expose.iter().map(|port| (port.clone(), json!({}))),
    );
    extend(
        config,
        "Volumes",
        settings.volumes.iter().map(|path| (path.clone(), json!({}))),
    );
    let labels = settings.labels.iter().chain(labels);
    extend(
        config,
        "Labels",
        labels.map(|(name, value)| (name.clone(), json!(value))),
    );
}

fn extend(config: &mut Map<String, Value>, key: &str, entries: impl Iterator<Item = (String, Value)>) {
    let mut entries = entries.peekable();
    if entries.peek().is_none() {
        return;
    }
    let mut map = match config.remove(key) {
        Some(Value::Object(map)) => map,
        _ => Map::new(),
    };
    map.extend(entries);
    config.insert(key.to_owned(), Value::Object(map));
}

/// The base's variables in their order, changed where the manifest says otherwise, then the manifest's own.
fn environment(own: &BTreeMap<String, String>, base: Option<&Value>) -> Vec<(String, String)> {
    let base = base
        .and_then(Value::as_array)
        .into_iter()
        .flatten()
        .filter_map(Value::as_str);
    let split = base.map(|entry| entry.split_once('=').unwrap_or((entry, "")));
    let mut list = split
        .map(|(name, value)| (name.to_owned(), value.to_owned()))
        .collect::<Vec<_>>();
    for (name, value) in own {
        set(&mut list, name, value.clone());
    }
    list
}

/// The same with the venv first on PATH.
fn venv_environment(plan: &Plan, base: Option<&Value>) -> Vec<String> {
    let mut list = environment(&plan.image.environment, base);
    let path = list
        .iter()
        .find(|(name, _)| name == "PATH")
        .map_or(DEFAULT_PATH, |(_, path)| path.as_str());
    let path = format!("{}/bin:{path}", plan.venv);
    set(&mut list, "PATH", path);
    set(&mut list, "VIRTUAL_ENV", plan.venv.clone());
    list.into_iter()
        .map(|(name, value)| format!("{name}={value}"))
        .collect()
}

fn set(list: &mut Vec<(String, String)>, name: &str, value: String) {
    match list.iter_mut().find(|(known, _)| known == name) {
        Some((_, old)) => *old = value,
        None => list.push((name.to_owned(), value)),
    }
}
