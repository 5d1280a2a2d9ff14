//! A plan as a tree for people.

use std::fmt::Write as _;

use super::{FileFrom, Plan};
use crate::diag::plural;
use crate::layers::{Kind, Reason, WheelLayer};
use crate::python::Artifact;

/// The plan as an indented tree, one step a line.
pub fn tree(plan: &Plan) -> String {
    let mut out = String::new();
    let mut line = |depth: usize, text: String| {
        let _ = writeln!(out, "{}{text}", "  ".repeat(depth));
    };
    line(0, format!("{} ({})", plan.service, plan.platform));
    line(1, base(plan));
    for (what, packages) in [
        ("packages", &plan.base.packages),
        ("service packages", &plan.base.service_packages),
    ] {
        if !packages.is_empty() {
            line(2, format!("{what}: {}", packages.join(" ")));
        }
    }
    let assumed = if plan.assumed { ", assumed" } else { "" };
    line(
        1,
        format!(
            "python {} ({}{assumed}), venv {}",
            plan.interpreter.version, plan.interpreter.libc, plan.venv
        ),
    );
    line(1, installs(plan));
    for layer in &plan.layers {
        line(2, describe(plan, layer));
    }
    for code in &plan.code {
        line(1, format!("code {} -> {}", code.from, code.to));
    }
    for file in &plan.files {
        let from = match &file.from {
            FileFrom::Url { url, .. } => url.clone(),
            FileFrom::Path(path) => path.to_string(),
        };
        line(1, format!("file {from} -> {}", file.to));
    }
    if let Some(account) = &plan.account {
        line(
            1,
            format!("user {} ({}:{})", account.user, account.uid, account.gid),
        );
    }
    let words = plan
        .image
        .entrypoint
        .iter()
        .chain(&plan.image.command)
        .flatten()
        .cloned()
        .collect::<Vec<_>>();
    if !words.is_empty() {
        line(1, format!("runs {}", words.join(" ")));
    }
    out
}

/// What is installed, in a line.
pub(super) fn installs(plan: &Plan) -> String {
    let count = plan.packages.len();
    if count == 0 && !plan.requirements.is_empty() {
        let files = plan
            .requirements
            .iter()
            .map(ToString::to_string)
            .collect::<Vec<_>>();
        return format!("packages resolved in the build from {}", files.join(", "));
    }
    let wheels = plan.layers.iter().filter(|layer| layer.kind == Kind::Wheels);
    let total = wheels.clone().map(|layer| layer.bytes).sum();
    let bytecode = match plan.layers.len() - wheels.clone().count() {
        0 => String::new(),
        layers => format!(", bytecode in {layers}"),
    };
    format!(
        "{} in {}{bytecode}, {}",
        plural(count, "package"),
        plural(wheels.count(), "layer"),
        bytes(total)
    )
}

fn base(plan: &Plan) -> String {
    match &plan.base.name {
        Some(name) => format!("base {name}: {}", plan.base.image),
        None => format!("image {}", plan.base.image),
    }
}

fn describe(plan: &Plan, layer: &WheelLayer) -> String {
    let names = layer.packages.iter().map(|index| {
        let pick = &plan.packages[*index];
        match &pick.artifact {
            Artifact::Wheel(_) => format!("{} {}", pick.name, pick.version),
            Artifact::Directory(folder) => format!("{} (built from {})", pick.name, folder.path),
            Artifact::Source(_) | Artifact::Vcs(_) => format!("{} {} (built)", pick.name, pick.version),
        }
    });
    if layer.kind == Kind::Bytecode {
        let names = layer
            .packages
            .iter()
            .map(|index| plan.packages[*index].name.as_str());
        let names = names.collect::<Vec<_>>().join(", ");
        return format!("{} bytecode: {names}", &layer.key.as_str()[..12]);
    }
    let reason = match layer.reason {
        Reason::Own => "own".to_owned(),
        Reason::Heavy => "heavy".to_owned(),
        Reason::Light { group, .. } => format!("light {group}"),
        Reason::Local => "local".to_owned(),
    };
    format!(
        "{} {reason}, {}: {}",
        &layer.key.as_str()[..12],
        bytes(layer.bytes),
        names.collect::<Vec<_>>().join(", ")
    )
}

/// A size for people: megabytes with one digit, smaller ones in kilobytes.
pub(crate) fn bytes(bytes: u64) -> String {
    let tenths = |unit: u64| (bytes * 10 + unit / 2) / unit;
    match bytes {
        0 => "size unknown".to_owned(),
        1..1_000_000 => format!("{} kB", bytes.div_ceil(1000)),
        _ => format!("{}.{} MB", tenths(1_000_000) / 10, tenths(1_000_000) % 10),
    }
}
