//! The image's history: what each layer holds, in words and times that are the same whoever made the layer.
//!
//! BuildKit would write the entries that are missing, but from its own records: one that fetched a layer words it
//! otherwise than one that made it, and every record has the clock's time. Images of equal layers would differ.

use serde_json::{Map, Value, json};

use super::context::Context;
use crate::layers::Kind;
use crate::plan::{FileFrom, Plan};

/// Where a base says nothing of its age.
const OLDEST: &str = "1970-01-01T00:00:00Z";

/// Writes the history: the base's own, then an entry a layer. They are as old as the build is told to be, else as the base.
pub(super) fn write(image: &mut Map<String, Value>, layers: Vec<String>, created: Option<&str>) {
    let base = image.get("created").and_then(Value::as_str);
    let created = json!(created.or(base).unwrap_or(OLDEST));
    let layers_of_base = image
        .get("rootfs")
        .and_then(|rootfs| rootfs["diff_ids"].as_array());
    let count = layers_of_base.map_or(0, Vec::len);
    let mut history = match image.remove("history") {
        Some(Value::Array(entries)) => entries,
        _ => Vec::new(),
    };
    for entry in history.iter_mut().filter_map(Value::as_object_mut) {
        entry.entry("created").or_insert_with(|| created.clone());
    }
    let told = history.iter().filter(|entry| entry["empty_layer"] != json!(true));
    let untold = count.saturating_sub(told.count());
    let entries = std::iter::repeat_n("layer of the base image".to_owned(), untold).chain(layers);
    history.extend(
        entries.map(|text| json!({"created": created, "created_by": text, "comment": "wheelwright"})),
    );
    image.insert("history".to_owned(), Value::Array(history));
}

/// The layers that system packages make.
pub(super) fn base(plan: &Plan) -> Vec<String> {
    let lists = [&plan.base.packages, &plan.base.service_packages];
    let lists = lists.into_iter().filter(|list| !list.is_empty());
    lists
        .map(|list| format!("packages: {}", list.join(" ")))
        .collect()
}

/// The layers of a service's image on its base image, in the order in which they are laid over one another.
pub(super) fn service(plan: &Plan, cx: &Context) -> Vec<String> {
    let mut layers = base(plan);
    layers.extend(wheels(plan, cx));
    layers.push(venv(plan));
    layers.extend(code(plan));
    layers
}

/// Packages with their versions. An engine that cannot merge has them in one layer, and their bytecode in another.
fn wheels(plan: &Plan, cx: &Context) -> Vec<String> {
    let entry = |kind: Kind, members: &mut dyn Iterator<Item = usize>| {
        let packages = members.map(|index| &plan.packages[index]);
        let packages = packages.map(|pick| format!("{} {}", pick.name, pick.version).trim_end().to_owned());
        format!("{}: {}", kind.name(), packages.collect::<Vec<_>>().join(", "))
    };
    if cx.merge {
        let layers = plan.layers.iter();
        return layers
            .map(|layer| entry(layer.kind, &mut layer.packages.iter().copied()))
            .collect();
    }
    let installed = (!plan.packages.is_empty()).then(|| entry(Kind::Wheels, &mut (0..plan.packages.len())));
    let compiled = plan.layers.iter().filter(|layer| layer.kind == Kind::Bytecode);
    let mut compiled = compiled
        .flat_map(|layer| layer.packages.iter().copied())
        .collect::<Vec<_>>();
    compiled.sort_unstable();
    let compiled = (!compiled.is_empty()).then(|| entry(Kind::Bytecode, &mut compiled.into_iter()));
    installed.into_iter().chain(compiled).collect()
}

fn venv(plan: &Plan) -> String {
    let added = plan.account.as_ref().filter(|account| account.add.is_some());
    let user = added.map_or_else(String::new, |account| format!(", user {}", account.user));
    format!("venv: {} with Python {}{user}", plan.venv, plan.interpreter.minor)
}

/// What the code layer holds; none where there is no such layer.
fn code(plan: &Plan) -> Option<String> {
    if !super::code::is_needed(plan) {
        return None;
    }
    let code = plan.code.iter().map(|code| code.from.to_string());
    let files = plan.files.iter().map(|file| match &file.from {
        FileFrom::Path(path) => path.to_string(),
        FileFrom::Url { .. } => file.to.clone(),
    });
    let all = code.chain(files).collect::<Vec<_>>();
    Some(if all.is_empty() {
        format!("working directory: {}", plan.image.working_dir)
    } else {
        format!("code: {}", all.join(" "))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn written(image: Value, layers: &[&str], created: Option<&str>) -> Value {
        let Value::Object(mut image) = image else {
            unreachable!("an object")
        };
        let layers = layers.iter().map(|text| (*text).to_owned()).collect();
        write(&mut image, layers, created);
        image["history"].clone()
    }

    #[test]
    fn entries_are_as_old_as_the_base_unless_told_otherwise() {
        let base = json!({
            "created": "2024-01-02T03:04:05Z",
            "rootfs": {"diff_ids": ["a"]},
            "history": [{"created": "2020-01-01T00:00:00Z", "created_by": "ADD"}, {"created_by": "ENV", "empty_layer": true}],
        });
        assert_eq!(
            written(base.clone(), &["wheels: a 1"], None),
            json!([
                {"created": "2020-01-01T00:00:00Z", "created_by": "ADD"},
                {"created": "2024-01-02T03:04:05Z", "created_by": "ENV", "empty_layer": true},
                {"created": "2024-01-02T03:04:05Z", "created_by": "wheels: a 1", "comment": "wheelwright"},
            ])
        );
        let told = written(base, &["x"], Some("2025-01-01T00:00:00Z"));
        assert_eq!(told[2]["created"], "2025-01-01T00:00:00Z");
    }

    #[test]
    fn layers_that_a_base_says_nothing_of_are_counted() {
        let history = written(json!({"rootfs": {"diff_ids": ["a", "b"]}}), &["x"], None);
        let texts = history
            .as_array()
            .unwrap()
            .iter()
            .map(|entry| entry["created_by"].as_str());
        assert_eq!(
            texts.collect::<Vec<_>>(),
            [
                Some("layer of the base image"),
                Some("layer of the base image"),
                Some("x")
            ]
        );
        assert_eq!(history[0]["created"], OLDEST);
    }
}
