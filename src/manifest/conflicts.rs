//! What becomes of packages that do not go together.

use std::str::FromStr;

use schemars::JsonSchema;
use serde::Serialize;

/// What a build does about packages that do not go together: `warn` says so, `error` ends it, `ignore` says nothing.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
#[schemars(inline)]
pub enum Conflicts {
    /// Says so.
    #[default]
    Warn,
    /// Ends the build.
    Error,
    /// Says nothing.
    Ignore,
}

impl FromStr for Conflicts {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        match text {
            "warn" => Ok(Self::Warn),
            "error" => Ok(Self::Error),
            "ignore" => Ok(Self::Ignore),
            _ => Err("expected `warn`, `error` or `ignore`".to_owned()),
        }
    }
}
