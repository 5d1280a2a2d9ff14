//! Near misses.

/// A help text for the closest of the known names, or none when nothing is close.
pub fn did_you_mean<'a>(found: &str, known: impl IntoIterator<Item = &'a str>) -> Option<String> {
    let limit = (found.chars().count() / 3).max(1);
    known
        .into_iter()
        .map(|name| {
            (
                strsim::damerau_levenshtein(&found.to_lowercase(), &name.to_lowercase()),
                name,
            )
        })
        .filter(|(distance, name)| *distance <= limit || name.starts_with(found) && found.len() > 2)
        .min()
        .map(|(_, name)| format!("did you mean `{name}`?"))
}

#[cfg(test)]
mod tests {
    use super::did_you_mean;

    #[test]
    fn only_near_names_are_offered() {
        assert_eq!(
            did_you_mean("wroker", ["worker", "web"]).as_deref(),
            Some("did you mean `worker`?")
        );
        assert_eq!(did_you_mean("zzz", ["worker", "web"]), None);
    }
}
