//! The one place that writes to the process's output.

use std::io::{IsTerminal as _, Write as _};

use anstyle::{AnsiColor, Style};

/// Colours, chosen once. Colour never carries meaning alone; `NO_COLOR` and pipes switch it off.
pub(super) const ERROR: Style = AnsiColor::Red.on_default().bold();
pub(super) const GOOD: Style = AnsiColor::Green.on_default();
pub(super) const WARN: Style = AnsiColor::Yellow.on_default();
pub(super) const NAME: Style = AnsiColor::Cyan.on_default();
pub(super) const FAINT: Style = Style::new().dimmed();

/// Writes data to standard output and everything else to standard error.
#[derive(Debug, Clone, Copy, Default)]
pub struct Printer(());

impl Printer {
    /// The printer of this process.
    pub fn new() -> Self {
        Self(())
    }

    /// Writes a line for people. A reader that went away is no reason to stop building.
    pub fn note(&self, line: &str) {
        drop(writeln!(anstream::stderr().lock(), "{line}"));
    }

    /// Writes a line for programs.
    pub fn data(&self, line: &str) {
        drop(writeln!(anstream::stdout().lock(), "{line}"));
    }

    /// Writes text as it is to standard output.
    pub fn raw(&self, text: &[u8]) {
        let mut out = std::io::stdout().lock();
        drop(out.write_all(text).and_then(|()| out.flush()));
    }

    /// True if people read along and lines can be redrawn.
    pub fn is_terminal(&self) -> bool {
        let dumb = std::env::var_os("TERM").is_some_and(|term| term == "dumb");
        std::io::stderr().is_terminal() && !dumb
    }
}

/// `text` in a style.
pub(super) fn styled(style: Style, text: &str) -> String {
    format!("{style}{text}{style:#}")
}
