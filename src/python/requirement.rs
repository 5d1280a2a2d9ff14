//! One requirement as PEP 508 writes it.

use pep508_rs::{Requirement, VerbatimUrl};

use super::name::PackageName;

/// Reads a requirement; the first line of what is wrong with it otherwise.
pub fn parse(text: &str) -> Result<Requirement<VerbatimUrl>, String> {
    names_are_sound(text)?;
    text.parse().map_err(|error: pep508_rs::Pep508Error| {
        let reason = error.to_string();
        reason.lines().next().unwrap_or_default().to_owned()
    })
}

/// The library takes some names for sound that are not, and then panics.
fn names_are_sound(text: &str) -> Result<(), String> {
    let text = text.trim_start();
    let end = text.find(|c: char| !in_name(c)).unwrap_or(text.len());
    text[..end].parse::<PackageName>()?;
    let Some(extras) = text[end..].trim_start().strip_prefix('[') else {
        return Ok(());
    };
    let (extras, _) = extras.split_once(']').ok_or("expected `]` after extras")?;
    for extra in extras.split(',').map(str::trim).filter(|extra| !extra.is_empty()) {
        extra.parse::<PackageName>()?;
    }
    Ok(())
}

fn in_name(c: char) -> bool {
    c.is_ascii_alphanumeric() || matches!(c, '.' | '_' | '-')
}
