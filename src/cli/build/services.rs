//! Which services are asked for.

use super::BuildArgs;
use crate::cli::Failure;
use crate::cli::project::Opened;
use crate::diag::{Diagnostic, did_you_mean};
use crate::frontend;

/// What stands before the name of a base.
const BASE: &str = "base:";

/// The services asked for, each once, all of them when none is named.
pub(super) fn asked(args: &BuildArgs, opened: &Opened) -> Result<Vec<String>, Failure> {
    let services: Vec<_> = opened
        .manifest
        .services
        .iter()
        .map(|(name, _)| name.value.clone())
        .collect();
    if args.services.is_empty() {
        return Ok(services);
    }
    let bases = opened
        .manifest
        .bases
        .iter()
        .map(|(name, _)| format!("{BASE}{}", name.value));
    let known: Vec<_> = services.into_iter().chain(bases).collect();
    let mut asked: Vec<String> = Vec::new();
    for name in &args.services {
        if !known.contains(name) {
            return Err(unknown(name, opened.file.name(), &known));
        }
        if !asked.contains(name) {
            asked.push(name.clone());
        }
    }
    Ok(asked)
}

fn unknown(name: &str, file: &str, known: &[String]) -> Failure {
    let what = if name.starts_with(BASE) { "base" } else { "service" };
    let short = name.strip_prefix(BASE).unwrap_or(name);
    let diagnostic = Diagnostic::error(format!("there is no {what} `{short}` in `{file}`"))
        .maybe_help(did_you_mean(name, known.iter().map(String::as_str)))
        .help(format!("known: {}", known.join(", ")));
    frontend::Failure::from(diagnostic).into()
}
