//! A service's layers explained: which wheel is in which layer, why, how many bytes, and who else has it.

use std::fmt::Write as _;

use serde_json::{Value, json};

use super::Plan;
use super::show::{bytes, installs};
use crate::layers::{Kind, Reason, WheelLayer};

/// The layers as an indented tree.
pub fn layer_tree(plan: &Plan) -> String {
    let mut out = format!("{} ({}): {}\n", plan.service, plan.platform, installs(plan));
    for layer in &plan.layers {
        let key = &layer.key.as_str()[..12];
        let shared = shared(plan, layer);
        if layer.kind == Kind::Bytecode {
            let names = layer
                .packages
                .iter()
                .map(|index| plan.packages[*index].name.as_str());
            let names = names.collect::<Vec<_>>().join(", ");
            let _ = writeln!(
                out,
                "  {key} bytecode, {}, {shared}\n    {names}",
                group(plan, layer)
            );
            continue;
        }
        let (reason, size) = (reason(plan, layer), bytes(layer.bytes));
        let _ = writeln!(out, "  {key} {reason}, {size}, {shared}");
        for index in &layer.packages {
            let pick = &plan.packages[*index];
            let size = bytes(pick.artifact.size());
            let name = format!("{} {}", pick.name, pick.version);
            let _ = writeln!(out, "    {}, {size}", name.trim_end());
        }
    }
    out
}

/// The layers for programs.
pub fn layer_list(plan: &Plan) -> Value {
    let layers = plan.layers.iter().map(|layer| {
        let packages = layer.packages.iter().map(|index| {
            let pick = &plan.packages[*index];
            let mut package =
                json!({"name": pick.name, "version": pick.version, "bytes": pick.artifact.size()});
            if let Some(file) = pick.artifact.file() {
                package["file"] = file.filename.as_str().into();
                package["sha256"] = file.sha256.hex().into();
            }
            package
        });
        json!({
            "key": layer.key, "kind": layer.kind, "reason": layer.reason, "bytes": layer.bytes, "services": layer.services,
            "packages": packages.collect::<Vec<_>>(),
        })
    });
    json!({"service": plan.service, "platform": plan.platform, "layers": layers.collect::<Vec<_>>()})
}

fn reason(plan: &Plan, layer: &WheelLayer) -> String {
    match layer.reason {
        Reason::Own => "alone as `layers.own` says".to_owned(),
        Reason::Heavy => "alone, heavy".to_owned(),
        Reason::Light { .. } => format!("light, {}", group(plan, layer)),
        Reason::Local => "alone, of the repository itself".to_owned(),
    }
}

fn group(plan: &Plan, layer: &WheelLayer) -> String {
    let mut packages = layer.packages.iter().map(|index| &plan.packages[*index]);
    match layer.reason {
        Reason::Light { group, of } => {
            let built = packages.all(|pick| pick.artifact.is_built());
            let what = if built { "built, " } else { "" };
            format!("{what}group {} of {of}", group + 1)
        }
        Reason::Local => "of the repository itself".to_owned(),
        Reason::Own | Reason::Heavy => String::new(),
    }
}

fn shared(plan: &Plan, layer: &WheelLayer) -> String {
    let others = layer.services.iter().map(String::as_str);
    let others = others.filter(|name| *name != plan.service).collect::<Vec<_>>();
    if others.is_empty() {
        "in no other service".to_owned()
    } else {
        format!("also in {}", others.join(", "))
    }
}
