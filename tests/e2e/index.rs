//! A package index of a test's own.

use std::io::{BufRead as _, BufReader};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::sync::{Arc, Mutex};

/// An index that ends with the test.
pub(crate) struct Index {
    server: Child,
    scheme: &'static str,
    port: u16,
    digests: Vec<(String, String)>,
    log: Arc<Mutex<Vec<String>>>,
}

impl Index {
    /// Serves packages, written as `index.py` says, to whoever has the login.
    pub(crate) fn serve(login: &str, packages: &[&str]) -> Self {
        Self::start(login, None, packages)
    }

    /// The same with a certificate.
    pub(crate) fn serve_tls(login: &str, certificate: &Path, packages: &[&str]) -> Self {
        Self::start(login, Some(certificate), packages)
    }

    fn start(login: &str, certificate: Option<&Path>, packages: &[&str]) -> Self {
        let script = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/e2e/index.py");
        let mut command = Command::new("python3");
        command.args([script, login]);
        command.arg(certificate.unwrap_or(Path::new(""))).args(packages);
        let mut server = command.stdout(Stdio::piped()).spawn().expect("python3");
        let mut lines = BufReader::new(server.stdout.take().expect("its output")).lines();
        let mut line = || lines.next().expect("a line").expect("text");
        let port = line().parse().expect("a number");
        let digests = line();
        let digests = digests.split(' ').filter_map(|pair| pair.split_once('='));
        let digests = digests
            .map(|(name, digest)| (name.to_owned(), digest.to_owned()))
            .collect();
        let log = Arc::new(Mutex::new(Vec::new()));
        let kept = Arc::clone(&log);
        std::thread::spawn(move || {
            for line in lines.map_while(Result::ok) {
                kept.lock().expect("a log").push(line);
            }
        });
        let scheme = if certificate.is_some() { "https" } else { "http" };
        Self {
            server,
            scheme,
            port,
            digests,
            log,
        }
    }

    pub(crate) fn url(&self) -> String {
        format!("{}/simple", self.root())
    }

    /// What all of its addresses begin with.
    pub(crate) fn root(&self) -> String {
        format!("{}://127.0.0.1:{}", self.scheme, self.port)
    }

    /// The address of a file.
    pub(crate) fn file(&self, package: &str, filename: &str) -> String {
        format!("{}/files/{package}/{filename}", self.root())
    }

    /// A lock of some of its wheels, all of version 1.0, at addresses that begin with `root`.
    pub(crate) fn lock(&self, root: &str, packages: &[&str]) -> String {
        let header = "lock-version = \"1.0\"\ncreated-by = \"test\"\n".to_owned();
        packages.iter().fold(header, |lock, name| {
            let sha256 = self.sha256(name);
            lock + &format!(
                "\n[[packages]]\nname = \"{name}\"\nversion = \"1.0\"\nwheels = [{{ url = \
                 \"{root}/files/{name}/{name}-1.0-py3-none-any.whl\", hashes = {{ sha256 = \"{sha256}\" }} }}]\n"
            )
        })
    }

    /// The digest of a package's one file.
    pub(crate) fn sha256(&self, package: &str) -> String {
        let found = self.digests.iter().find(|(name, _)| name == package);
        found.expect("a package of the index").1.clone()
    }

    /// What was asked so far: status and path in a line.
    pub(crate) fn asked(&self) -> String {
        self.log.lock().expect("a log").join("\n")
    }
}

impl Drop for Index {
    fn drop(&mut self) {
        drop(self.server.kill());
        drop(self.server.wait());
    }
}
