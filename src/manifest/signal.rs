//! The signal that asks a container to stop, by the names that Docker knows.

use std::fmt;
use std::str::FromStr;

use schemars::JsonSchema;
use serde::{Serialize, Serializer};

/// Linux's signals without `SIG`, but for the real-time ones.
const NAMES: [&str; 36] = [
    "ABRT", "ALRM", "BUS", "CHLD", "CLD", "CONT", "FPE", "HUP", "ILL", "INT", "IO", "IOT", "KILL", "PIPE",
    "POLL", "PROF", "PWR", "QUIT", "SEGV", "STKFLT", "STOP", "SYS", "TERM", "TRAP", "TSTP", "TTIN", "TTOU",
    "URG", "USR1", "USR2", "VTALRM", "WINCH", "XCPU", "XFSZ", "RTMIN", "RTMAX",
];
const HIGHEST: u8 = 64;
/// Signals from `RTMIN` to `RTMAX`.
const REAL_TIME: u8 = 30;

/// A signal as the user wrote it: `SIGTERM`, `TERM`, `15` or `SIGRTMIN+3`.
#[derive(Debug, Clone, PartialEq, Eq, JsonSchema)]
#[schemars(with = "String")]
pub struct Signal(String);

impl FromStr for Signal {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let upper = text.to_ascii_uppercase();
        let name = upper.strip_prefix("SIG").unwrap_or(&upper);
        let number = text
            .parse()
            .is_ok_and(|number: u8| (1..=HIGHEST).contains(&number));
        let real_time = ["RTMIN+", "RTMAX-"].iter().any(|start| {
            let steps = name.strip_prefix(start).and_then(|steps| steps.parse().ok());
            steps.is_some_and(|steps: u8| steps <= REAL_TIME)
        });
        if number || real_time || NAMES.contains(&name) {
            Ok(Self(text.to_owned()))
        } else {
            Err("expected a signal such as `SIGTERM`, `SIGINT` or `SIGQUIT`".to_owned())
        }
    }
}

impl fmt::Display for Signal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl Serialize for Signal {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_docker_takes_is_taken_as_written() {
        for text in ["SIGTERM", "quit", "9", "SIGRTMIN+3", "RTMAX-2"] {
            assert_eq!(text.parse::<Signal>().unwrap().to_string(), text);
        }
        for text in ["SIGFOO", "0", "65", "RTMIN+99", ""] {
            assert!(text.parse::<Signal>().is_err(), "{text}");
        }
    }
}
