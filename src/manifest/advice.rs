//! What to try where YAML's own words, or a list of keys, do not say it.

/// Advice for text that is no YAML, by what the parser says of it.
pub(super) fn of_broken(problem: &str) -> Option<&'static str> {
    const ADVICE: [(&str, &str); 10] = [
        ("tab", "YAML is indented with spaces, not with tabs"),
        (
            "while parsing a block mapping",
            "keys of one map begin in the same column; compare with the lines above",
        ),
        (
            "while parsing a block collection",
            "items of one list begin with `- ` in the same column; compare with the lines above",
        ),
        (
            "invalid indentation",
            "compare the indentation with the lines above",
        ),
        (
            "mapping values are not allowed",
            "is a `:` missing at the end of the line above? A value that holds `: ` needs quotes",
        ),
        (
            "simple key expect",
            "is a `:` missing behind the key, or on the line above?",
        ),
        ("illegal placement of ':'", "is a `]` missing above?"),
        ("while parsing a flow", "is a `]`, a `}` or a `,` missing?"),
        ("unexpected end of stream", "is a closing quote missing?"),
        (
            "unknown anchor",
            "`*name` repeats what `&name` marks further up; nothing above is marked so",
        ),
    ];
    ADVICE
        .into_iter()
        .find_map(|(words, advice)| problem.contains(words).then_some(advice))
}

/// Advice for a key that belongs to another tool's file, or has another name here. Each counts where the key it is given
/// with is known.
pub(super) fn of_foreign(key: &str, known: &[&'static str]) -> Option<String> {
    const RENAMED: [(&str, &str); 13] = [
        ("cmd", "command"),
        ("env", "environment"),
        ("workdir", "working_dir"),
        ("ports", "expose"),
        ("from", "image"),
        ("pip", "requirements"),
        ("dependencies", "requirements"),
        ("apt", "packages"),
        ("system_packages", "packages"),
        ("copy", "code"),
        ("src", "code"),
        ("python_version", "python"),
        ("health_check", "healthcheck"),
    ];
    const RUNNING: &str = "how containers are run and connected is for Compose or what else runs them";
    const ADVICE: [(&str, &str, &str); 12] = [
        (
            "run",
            "packages",
            "steps of one's own cannot be written yet: `packages` installs packages of the system, `files` adds files, and what \
             neither covers belongs into the image that the service starts from",
        ),
        (
            "build",
            "command",
            "there is no Dockerfile: `base` or `image`, `requirements` and `code` say what is built",
        ),
        (
            "dockerfile",
            "command",
            "there is none: `base` or `image`, `requirements` and `code` say what is built",
        ),
        (
            "env_file",
            "environment",
            "variables are listed under `environment`; secrets are given to the container that runs",
        ),
        ("depends_on", "command", RUNNING),
        ("networks", "command", RUNNING),
        ("restart", "command", RUNNING),
        ("deploy", "command", RUNNING),
        ("container_name", "command", RUNNING),
        ("secrets", "command", RUNNING),
        ("version", "services", "a manifest has no version; remove it"),
        (
            "<<",
            "command",
            "keys are not merged: `defaults` holds what all services say, and bases what some of them share",
        ),
    ];
    let renamed = RENAMED
        .into_iter()
        .find(|(other, own)| *other == key && known.contains(own));
    if let Some((_, own)) = renamed {
        return Some(format!("it is called `{own}` here"));
    }
    let advice = ADVICE
        .into_iter()
        .find(|(other, beside, _)| *other == key && known.contains(beside));
    advice.map(|(_, _, advice)| advice.to_owned())
}
