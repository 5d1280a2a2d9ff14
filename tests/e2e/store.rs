//! The wheel store: filled from an index of the test's own, used by builds on an engine with nothing in it.

use std::collections::BTreeSet;
use std::io::{BufRead as _, BufReader};
use std::net::TcpListener;
use std::path::Path;
use std::process::{Child, Command, Stdio};

use serde_json::Value;
use tempfile::TempDir;

use crate::engine::{Engines, Said, engines, run};
use crate::private::PrivateEngine;

/// Makes three wheels that nobody has seen before, one of them heavy, and a lock that names them on port `argv[2]`.
const WHEELS: &str = r#"
import hashlib, os, sys, zipfile
folder, port = sys.argv[1:]
lock = 'lock-version = "1.0"\ncreated-by = "test"\n'
for name, size in [("alpha", 1500000), ("beta", 2000), ("gamma", 2000)]:
    file, info = f"{name}-1.0-py3-none-any.whl", f"{name}-1.0.dist-info"
    entries = {
        f"{name}/__init__.py": f"NAME = '{name}'\n".encode(),
        f"{name}/data.bin": os.urandom(size),
        f"{info}/METADATA": f"Metadata-Version: 2.1\nName: {name}\nVersion: 1.0\n".encode(),
        f"{info}/WHEEL": b"Wheel-Version: 1.0\nGenerator: test\nRoot-Is-Purelib: true\nTag: py3-none-any\n",
    }
    digest = lambda data: __import__("base64").urlsafe_b64encode(hashlib.sha256(data).digest()).decode().rstrip("=")
    record = "".join(f"{path},sha256={digest(data)},{len(data)}\n" for path, data in entries.items())
    entries[f"{info}/RECORD"] = (record + f"{info}/RECORD,,\n").encode()
    with zipfile.ZipFile(f"{folder}/{file}", "w", zipfile.ZIP_DEFLATED) as wheel:
        for path, data in entries.items():
            wheel.writestr(zipfile.ZipInfo(path), data, zipfile.ZIP_DEFLATED)
    data = open(f"{folder}/{file}", "rb").read()
    lock += f'''
[[packages]]
name = "{name}"
version = "1.0"
wheels = [{{ url = "http://127.0.0.1:{port}/{file}", size = {len(data)}, hashes = {{ sha256 = "{hashlib.sha256(data).hexdigest()}" }} }}]
'''
open(f"{folder}/pylock.toml", "w").write(lock)
"#;

const MANIFEST: &str = "\
name: store
python: \"3.11\"
bases: {slim: {image: \"python:3.11-slim\"}}
defaults: {bytecode: false}
services:
  api:
    base: slim
    lock: pylock.toml
    command: [python, -c, \"import alpha, beta, gamma; print(alpha.NAME, beta.NAME, gamma.NAME)\"]
";

/// A project whose wheels are served by a server of this machine.
pub(crate) struct Shop {
    folder: TempDir,
    store: String,
    server: Child,
}

impl Shop {
    pub(crate) fn new(engines: &Engines, name: &str) -> Self {
        let folder = TempDir::new().expect("a folder");
        let free = TcpListener::bind("127.0.0.1:0").expect("a port");
        let port = free.local_addr().expect("its number").port().to_string();
        drop(free);
        let path = folder.path().display().to_string();
        run(Command::new("python3").args(["-c", WHEELS, &path, &port])).ok();
        let mut server = Command::new("python3")
            .args([
                "-u",
                "-m",
                "http.server",
                &port,
                "--bind",
                "127.0.0.1",
                "--directory",
                &path,
            ])
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .expect("a server");
        let mut line = String::new();
        let said = server.stdout.as_mut().expect("its words");
        BufReader::new(said).read_line(&mut line).expect("it is up");
        let store = format!("{}/e2e/store-{name}-{port}", engines.registry);
        std::fs::write(
            folder.path().join("wheelwright.yaml"),
            MANIFEST.to_owned() + &format!("wheel_store: {store}\n"),
        )
        .expect("a file");
        Self {
            folder,
            store,
            server,
        }
    }

    pub(crate) fn path(&self) -> &Path {
        self.folder.path()
    }

    /// `wheelwright ARGS` here, with a cache of its own.
    pub(crate) fn run(&self, args: &[&str]) -> Said {
        run(&mut self.command(args))
    }

    /// The same, to be run.
    pub(crate) fn command(&self, args: &[&str]) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_wheelwright"));
        command
            .args(args)
            .current_dir(self.path())
            .env("WHEELWRIGHT_CACHE_DIR", self.path().join("cache"));
        command
    }

    /// The store's repository.
    pub(crate) fn store(&self) -> &str {
        &self.store
    }

    /// Replaces a part of the manifest.
    pub(crate) fn edit(&self, from: &str, to: &str) {
        let path = self.path().join("wheelwright.yaml");
        let text = std::fs::read_to_string(&path).expect("the manifest");
        assert!(text.contains(from), "{text}");
        std::fs::write(path, text.replacen(from, to, 1)).expect("a file");
    }

    /// The same project with another store and with nothing in its cache.
    pub(crate) fn forget(&mut self, store: &str) {
        self.stand(&format!("{}-{store}", self.store));
        std::fs::remove_dir_all(self.path().join("cache")).expect("its cache");
    }

    /// The same project with another store.
    pub(crate) fn stand(&mut self, store: &str) {
        let old = std::mem::replace(&mut self.store, store.to_owned());
        self.edit(&format!("wheel_store: {old}"), &format!("wheel_store: {store}"));
    }

    /// Has the manifest say how layers are packed.
    pub(crate) fn pack(&self, format: &str) {
        self.edit(
            &format!("wheel_store: {}\n", self.store),
            &format!(
                "wheel_store: {{repository: \"{}\", format: {format}}}\n",
                self.store
            ),
        );
    }

    /// Digests of the store's layers.
    pub(crate) fn layers(&self) -> BTreeSet<String> {
        self.layers_in(&self.store)
    }

    /// Digests of the layers in another store.
    pub(crate) fn layers_in(&self, store: &str) -> BTreeSet<String> {
        let list = ["wheels", "ls", "--json", "--wheel-store", store];
        let text = self.run(&list).ok();
        let start = text.find("{\n").unwrap_or_else(|| panic!("no JSON: {text}"));
        let mut values = serde_json::Deserializer::from_str(&text[start..]).into_iter::<Value>();
        let listed = values.next().expect("a value").expect("JSON");
        let layers = listed["layers"].as_array().expect("a list").iter();
        let digests = layers.filter_map(|layer| layer["layer"].as_str());
        digests.map(str::to_owned).collect()
    }

    pub(crate) fn end_server(&mut self) {
        drop(self.server.kill());
        drop(self.server.wait());
    }
}

impl Drop for Shop {
    fn drop(&mut self) {
        self.end_server();
    }
}

/// Digests of an image's layers, as its registry has them.
pub(crate) fn layers_of(engines: &Engines, image: &str) -> BTreeSet<String> {
    let (name, tag) = image.rsplit_once(':').expect("a tag");
    let path = name
        .strip_prefix(&format!("{}/", engines.registry))
        .expect("of this registry");
    let url = format!("http://{}/v2/{path}/manifests/{tag}", engines.registry);
    let accept = "Accept: application/vnd.oci.image.manifest.v1+json, application/vnd.docker.distribution.manifest.v2+json";
    let text = run(Command::new("curl").args(["-sf", "-H", accept, &url])).ok();
    let manifest: Value = serde_json::from_str(&text).expect("a manifest");
    let layers = manifest["layers"].as_array().expect("layers").iter();
    layers
        .map(|layer| layer["digest"].as_str().expect("a digest").to_owned())
        .collect()
}

#[test]
fn images_are_put_together_from_layers_that_exist() {
    let Some(engines) = engines() else { return };
    let mut shop = Shop::new(&engines, "whole");
    let first = shop.run(&["wheels", "push", "--record"]).ok();
    assert!(
        first.contains(": 3 stored") || first.contains(": 2 stored"),
        "{first}"
    );
    let again = shop.run(&["wheels", "push", "--record"]).ok();
    assert!(again.contains(": 0 stored, 0 B sent"), "{again}");
    let verified = shop.run(&["wheels", "verify"]).ok();
    assert!(verified.contains(": 0 wrong"), "{verified}");
    let layers = shop.layers();
    let lock = std::fs::read_to_string(shop.path().join("pylock.toml")).expect("the lock");
    assert!(layers.iter().all(|digest| lock.contains(digest)), "{lock}");

    // Nobody has the wheels any more, and the engine has nothing.
    shop.end_server();
    let buildkitd = run(Command::new("which").arg("buildkitd")).ok();
    let engine = PrivateEngine::start(&engines, Path::new(buildkitd.trim()));
    let image = engines.image("store");
    engines.store_base(&image);
    let address = engine.address();
    shop.run(&[
        "build",
        "api",
        "--addr",
        &address,
        "--push",
        "-t",
        &image,
        "--progress=plain",
    ])
    .ok();
    assert!(layers.is_subset(&layers_of(&engines, &image)));

    // Layers that were not unpacked take no room, and have no name in the engine's list of what it has.
    let usage = run(Command::new("buildctl").args(["--addr", &address, "du", "-v"])).ok();
    let records = usage.split("\n\n").filter(|record| record.starts_with("ID:"));
    let lazy =
        records.filter(|record| record.contains("\nSize:\t\t0B\n") && !record.contains("\nDescription:"));
    // Those of the base are among them.
    assert!(lazy.count() > layers.len(), "{usage}");
    let ran = engines.docker(&engines.docker, &["run", "--rm", &image]).ok();
    assert!(ran.contains("alpha beta gamma"), "{ran}");
}

#[test]
fn the_frontend_image_finds_layers_in_the_store() {
    let Some(engines) = engines() else { return };
    let mut shop = Shop::new(&engines, "door");
    shop.run(&["wheels", "push"]).ok();
    shop.end_server();
    let image = engines.image("store-door");
    let output = format!("--output=type=image,name={image},push=true");
    engines.buildctl(shop.path(), "api", &[&output]).ok();
    assert!(shop.layers().is_subset(&layers_of(&engines, &image)));
}

#[test]
fn the_store_and_the_graph_lay_down_the_same_files() {
    let Some(engines) = engines() else { return };
    let shop = Shop::new(&engines, "trees");
    shop.run(&["wheels", "push"]).ok();
    let tree = |from: &str| {
        let out = TempDir::new().expect("a folder");
        let output = format!("type=local,dest={}", out.path().display());
        shop.run(&[
            "build",
            "api",
            "-o",
            &output,
            "--wheels-from",
            from,
            "--progress=plain",
        ])
        .ok();
        crate::trees::tree(&out.path().join("opt/venv/lib/python3.11/site-packages"))
    };
    let from_store = tree("store");
    assert!(from_store.len() >= 12, "only {} files", from_store.len());
    assert_eq!(from_store, tree("graph"));
    assert_eq!(from_store, tree("session"));
}

#[test]
fn a_store_that_is_not_there_is_said_once() {
    let Some(engines) = engines() else { return };
    let shop = Shop::new(&engines, "gone");
    let said = shop
        .run(&[
            "build",
            "api",
            "--progress=plain",
            "--build-arg",
            "WHEELWRIGHT_WHEEL_STORE=127.0.0.1:9/wheels",
        ])
        .ok();
    assert_eq!(
        said.matches("the wheel store 127.0.0.1:9/wheels could not be asked")
            .count(),
        1,
        "{said}"
    );
    // An empty one is nothing to speak of.
    let said = shop.run(&["build", "api", "--progress=plain"]).ok();
    assert!(!said.contains("could not be asked"), "{said}");
    let pushed = shop.run(&["wheels", "push", "--wheel-store", "127.0.0.1:9/wheels"]);
    assert_eq!(pushed.code, 5, "{}", pushed.text);
    assert!(pushed.text.contains("Connection refused"), "{}", pushed.text);
}

#[test]
fn something_else_under_the_name_of_a_layer_ends_the_build() {
    let Some(engines) = engines() else { return };
    let shop = Shop::new(&engines, "else");
    shop.run(&["wheels", "push", "--record"]).ok();
    let lock = shop.path().join("pylock.toml");
    let good = std::fs::read_to_string(&lock).expect("the lock");
    let diff_id = good.split("diff-id = \"sha256:").nth(1).expect("a record")[..64].to_owned();
    std::fs::write(&lock, good.replace(&diff_id, &"0".repeat(64))).expect("a file");
    let said = shop.run(&["build", "api", "--progress=plain"]).fails();
    assert!(
        said.contains("is not what it says") && said.contains("the lock says sha256:0000"),
        "{said}"
    );
    assert!(
        shop.run(&["wheels", "verify"]).code == 0,
        "digests of tars are not read by it"
    );

    // Another image under the tag of a layer, in a store without records.
    std::fs::write(
        &lock,
        good.split("[tool.wheelwright.layers]")
            .next()
            .expect("its beginning"),
    )
    .expect("a file");
    let record = good.split("\ngzip-").nth(1).expect("a record");
    let manifest = record.split("manifest = \"").nth(1).expect("its image")[..71].to_owned();
    let other = good.rsplit("\ngzip-").next().expect("a record")[..64].to_owned();
    let url = |reference: &str| {
        let (host, path) = shop.store.split_once('/').expect("a registry");
        format!("http://{host}/v2/{path}/manifests/{reference}")
    };
    let file = shop.path().join("manifest.json");
    let file = file.display().to_string();
    let media_type = "application/vnd.oci.image.manifest.v1+json";
    run(Command::new("curl").args([
        "-sf",
        "-H",
        &format!("Accept: {media_type}"),
        "-o",
        &file,
        &url(&manifest),
    ]))
    .ok();
    let (header, data) = (format!("Content-Type: {media_type}"), format!("@{file}"));
    let put = ["-sf", "-X", "PUT", "-H", &header, "--data-binary", &data];
    run(Command::new("curl").args(put).arg(url(&format!("gzip-{other}")))).ok();
    let said = shop.run(&["build", "api", "--progress=plain"]).fails();
    assert!(
        said.contains("is not what it says") && said.contains("expected key"),
        "{said}"
    );
    let verified = shop.run(&["wheels", "verify"]);
    assert_eq!(verified.code, 5, "{}", verified.text);
    assert!(
        verified.text.contains("it holds another layer than its tag says"),
        "{}",
        verified.text
    );
}

#[test]
fn two_pushes_of_one_layer_at_once_are_no_matter() {
    let Some(engines) = engines() else { return };
    let shop = Shop::new(&engines, "two");
    let push = |cache: &str| {
        Command::new(env!("CARGO_BIN_EXE_wheelwright"))
            .args(["wheels", "push"])
            .current_dir(shop.path())
            .env("WHEELWRIGHT_CACHE_DIR", shop.path().join(cache))
            .stderr(Stdio::null())
            .spawn()
            .expect("a push")
    };
    for mut pushing in [push("one"), push("two")] {
        assert!(pushing.wait().expect("its end").success());
    }
    assert!(shop.run(&["wheels", "verify"]).ok().contains(": 0 wrong"));
}
