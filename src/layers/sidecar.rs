//! Where the layers of a lock are recorded: in the lock itself where it is a pylock.toml, which has a place for tools; beside it
//! where it belongs to another tool, which writes it anew without what it does not know.

use crate::manifest::ProjectPath;

/// Locks of other tools.
const FOREIGN: [&str; 3] = ["uv.lock", "poetry.lock", "Pipfile.lock"];

/// The file with the records of a lock that belongs to another tool; none for a lock that holds them itself.
pub fn beside(lock: &ProjectPath) -> Option<ProjectPath> {
    let name = lock.file_name();
    let foreign = FOREIGN.contains(&name);
    foreign.then(|| lock.parent().join(&format!("{name}.layers.toml")).ok())?
}

/// How such a file begins.
pub fn beginning(records: &ProjectPath) -> String {
    let lock = records.file_name().trim_end_matches(".layers.toml");
    format!("# Digests of the layers of `{lock}`, recorded by wheelwright: builds accept no others.\n")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_locks_of_other_tools_have_one() {
        let place = |path: &str| beside(&path.parse().unwrap()).map(|path| path.to_string());
        assert_eq!(place("a/uv.lock").as_deref(), Some("a/uv.lock.layers.toml"));
        assert_eq!(place("poetry.lock").as_deref(), Some("poetry.lock.layers.toml"));
        assert_eq!(place("pylock.api.toml"), None);
        let text = beginning(&"a/uv.lock.layers.toml".parse().unwrap());
        assert!(text.contains("`uv.lock`"), "{text}");
    }
}
