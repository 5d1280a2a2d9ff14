//! A registry in front of the engines' own that is particular about who asks.

use std::io::{BufRead as _, BufReader};
use std::process::{Child, Command, Stdio};
use std::sync::{Arc, Mutex};

use crate::engine::Engines;

/// Ends with its test. What it does is in `registry.py`.
pub(crate) struct Front {
    server: Child,
    port: u16,
    log: Arc<Mutex<Vec<String>>>,
}

impl Front {
    /// Gives tokens to those who have the login.
    pub(crate) fn with_tokens(engines: &Engines, login: &str) -> Self {
        Self::start(engines, login)
    }

    /// Takes nothing.
    pub(crate) fn read_only(engines: &Engines) -> Self {
        Self::start(engines, "")
    }

    fn start(engines: &Engines, login: &str) -> Self {
        let script = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/e2e/registry.py");
        let mut command = Command::new("python3");
        command.args([script, &engines.registry, login]);
        let mut server = command.stdout(Stdio::piped()).spawn().expect("python3");
        let mut lines = BufReader::new(server.stdout.take().expect("its output")).lines();
        let port = lines.next().expect("a line").expect("text");
        let port = port.parse().expect("a number");
        let log = Arc::new(Mutex::new(Vec::new()));
        let kept = Arc::clone(&log);
        std::thread::spawn(move || {
            for line in lines.map_while(Result::ok) {
                kept.lock().expect("a log").push(line);
            }
        });
        Self { server, port, log }
    }

    /// `HOST:PORT`.
    pub(crate) fn host(&self) -> String {
        format!("127.0.0.1:{}", self.port)
    }

    /// Tokens that were given, and what was refused, a line each.
    pub(crate) fn log(&self) -> String {
        self.log.lock().expect("a log").join("\n")
    }
}

impl Drop for Front {
    fn drop(&mut self) {
        drop(self.server.kill());
        drop(self.server.wait());
    }
}
