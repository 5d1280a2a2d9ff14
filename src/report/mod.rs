//! What the user sees of a run: events in, text out.
//!
//! [`Event`]s are all that a reporter knows; it could as well read them from a file. There is one reporter for a terminal, one for
//! logs, one that writes JSON lines. Only they print, through one [`Printer`].

mod closing;
mod event;
mod failure;
mod json;
mod plain;
mod printer;
mod steps;
mod text;
mod tty;

pub use self::event::{Event, EventKind, FailedService, FinishedService};
pub use self::failure::render as render_failure;
pub use self::json::Json;
pub use self::plain::Plain;
pub use self::printer::Printer;
pub(crate) use self::text::{bytes, seconds};
pub use self::tty::Tty;
pub(crate) use crate::diag::plural;

use std::time::Duration;

/// Something that follows a run.
pub trait Reporter: Send {
    /// Takes what happened `at` after the run's beginning.
    fn event(&mut self, at: Duration, event: &Event);

    /// Called a few times a second while nothing happens.
    fn tick(&mut self, _at: Duration) {}
}

/// How progress is shown.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, clap::ValueEnum)]
pub enum Progress {
    /// `tty` where there is a terminal, else `plain`.
    #[default]
    Auto,
    /// One line a step and the steps' own output, nothing redrawn.
    Plain,
    /// What runs now, redrawn; failing steps show their output.
    Tty,
    /// One JSON object a line on standard output.
    Json,
}

impl Progress {
    /// The reporter for this process's output.
    pub fn reporter(self) -> Box<dyn Reporter> {
        let printer = Printer::new();
        match self {
            Self::Json => Box::new(Json::new(printer)),
            Self::Auto if !printer.is_terminal() => Box::new(Plain::new(printer)),
            Self::Plain => Box::new(Plain::new(printer)),
            Self::Auto | Self::Tty => Box::new(Tty::new(printer)),
        }
    }
}
