//! A small project on disk: one service with one pure and one native dependency, quick to build.

use std::path::{Path, PathBuf};

use tempfile::TempDir;

/// A project in a folder of its own.
pub(crate) struct Project {
    folder: TempDir,
}

const MANIFEST: &str = "\
name: e2e
python: \"3.11\"
bases:
  slim:
    image: python:3.11-slim
services:
  api:
    base: slim
    requirements: [requirements.txt]
    code: [app]
    user: app
    environment: {GREETING: hello}
    expose: [8000]
    labels: {org.example.team: voice}
    command: [python, -m, app.main]
";

const MAIN: &str = r#"
import getpass, json, os, sys
from http.server import BaseHTTPRequestHandler, HTTPServer
import markupsafe, idna

class Handler(BaseHTTPRequestHandler):
    def do_GET(self):
        answer = {
            "user": getpass.getuser(), "prefix": sys.prefix, "cwd": os.getcwd(), "greeting": os.environ["GREETING"],
            "idna": idna.__version__, "markupsafe": markupsafe.escape("<").__html__(), "version": VERSION,
            "speedups": "_speedups" in str(getattr(markupsafe, "_escape_inner", "").__module__),
        }
        body = json.dumps(answer, sort_keys=True).encode()
        self.send_response(200)
        self.end_headers()
        self.wfile.write(body)

VERSION = 1
HTTPServer(("127.0.0.1", int(os.environ["PORT"])), Handler).serve_forever()
"#;

impl Project {
    pub(crate) fn new() -> Self {
        let project = Self {
            folder: TempDir::new().expect("a folder"),
        };
        project.write("wheelwright.yaml", MANIFEST);
        project.write("requirements.txt", "idna==3.10\n-r more.txt\n");
        project.write("more.txt", "MarkupSafe==3.0.2\n");
        project.write("app/__init__.py", "");
        project.write("app/main.py", MAIN);
        project.write("secret.txt", "not listed, not in the image\n");
        project
    }

    pub(crate) fn path(&self) -> &Path {
        self.folder.path()
    }

    /// A file's text; empty where there is none.
    pub(crate) fn read(&self, name: &str) -> String {
        std::fs::read_to_string(self.path().join(name)).unwrap_or_default()
    }

    pub(crate) fn write(&self, name: &str, text: &str) -> PathBuf {
        let path = self.folder.path().join(name);
        std::fs::create_dir_all(path.parent().expect("a folder")).expect("a folder");
        std::fs::write(&path, text).expect("a file");
        path
    }

    /// Changes the manifest.
    pub(crate) fn edit(&self, from: &str, to: &str) {
        let text = std::fs::read_to_string(self.path().join("wheelwright.yaml")).expect("the manifest");
        assert!(text.contains(from), "`{from}` is not in the manifest");
        self.write("wheelwright.yaml", &text.replace(from, to));
    }
}

/// What the small service answers when all is right.
pub(crate) const ANSWER: &str = r#"{"cwd": "/app", "greeting": "hello", "idna": "3.10", "markupsafe": "&lt;", "prefix": "/opt/venv", "speedups": true, "user": "app", "version": 1}"#;
