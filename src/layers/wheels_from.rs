//! The places that wheel layers come from, as users name them.

use std::fmt;
use std::str::FromStr;

/// A place that wheel layers come from.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum WheelsFrom {
    /// The wheel store: they are in a registry.
    Store,
    /// The session: the command makes them and hands them to the engine.
    Session,
    /// The graph: the engine downloads wheels and unpacks them.
    Graph,
}

impl WheelsFrom {
    /// All places, the quickest first.
    pub const ALL: [Self; 3] = [Self::Store, Self::Session, Self::Graph];

    /// Its name.
    pub fn name(self) -> &'static str {
        match self {
            Self::Store => "store",
            Self::Session => "session",
            Self::Graph => "graph",
        }
    }
}

impl fmt::Display for WheelsFrom {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

impl FromStr for WheelsFrom {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let named = Self::ALL.into_iter().find(|from| from.name() == text);
        named.ok_or_else(|| "known: store, session, graph".to_owned())
    }
}
