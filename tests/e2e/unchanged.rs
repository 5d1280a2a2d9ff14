//! A build knows that nothing has changed, and does not know it when something has.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use serde_json::Value;
use tempfile::TempDir;

use crate::engine::{Engines, engines, run, wheelwright};
use crate::project::Project;

/// A service of a base that can be patched.
struct Service {
    project: Project,
    cache: TempDir,
    base: String,
    image: String,
}

impl Service {
    fn new(engines: &Engines) -> Self {
        let service = Self {
            project: Project::new(),
            cache: TempDir::new().expect("a folder"),
            base: engines.image("unchanged-base"),
            image: engines.image("unchanged"),
        };
        let manifest =
            fs::read_to_string(service.project.path().join("wheelwright.yaml")).expect("the manifest");
        service.project.write(
            "wheelwright.yaml",
            &manifest.replace("python:3.11-slim", &service.base),
        );
        service.patch("as it was");
        service
    }

    /// Pushes the base with another file in it.
    fn patch(&self, text: &str) {
        let folder = TempDir::new().expect("a folder");
        fs::write(folder.path().join("patch"), text).expect("a file");
        fs::write(
            folder.path().join("Dockerfile"),
            "FROM python:3.11-slim\nCOPY patch /\n",
        )
        .expect("a file");
        let folder = folder.path().display();
        run(Command::new("buildctl").args([
            "build",
            "--frontend=dockerfile.v0",
            &format!("--local=context={folder}"),
            &format!("--local=dockerfile={folder}"),
            &format!("--output=type=image,name={},push=true", self.base),
        ]))
        .ok();
    }

    fn command(&self, more: &[&str]) -> Command {
        let folder = self.project.path().display().to_string();
        let args = ["build", "api", "-C", &folder, "--push", "-t", &self.image];
        let mut command = wheelwright(&[&args[..], more].concat());
        command.env("WHEELWRIGHT_CACHE_DIR", self.cache.path());
        command.env("BUILDKIT_PROGRESS", "plain");
        command
    }

    fn build(&self, more: &[&str]) -> String {
        run(&mut self.command(more)).ok()
    }

    #[track_caller]
    fn is_up_to_date(&self, why: &str) {
        let said = self.build(&[]);
        assert!(
            said.contains("[api] up to date") && !said.contains("exporting"),
            "{why}: {said}"
        );
    }

    #[track_caller]
    fn is_built(&self, why: &str, more: &[&str]) {
        let said = self.build(more);
        assert!(
            said.contains("[api] done") && said.contains("exporting"),
            "{why}: {said}"
        );
    }

    fn receipt(&self) -> PathBuf {
        let mut found = fs::read_dir(self.cache.path().join("receipts")).expect("receipts");
        let path = found.next().expect("a receipt").expect("its name").path();
        assert!(found.next().is_none(), "one for each service");
        path
    }

    /// What the registry has under the tag.
    fn digest(&self) -> String {
        let (name, _) = self.image.rsplit_once(':').expect("a tag");
        let (host, path) = name.split_once('/').expect("a registry");
        let accept = "Accept: application/vnd.oci.image.manifest.v1+json, application/vnd.docker.distribution.manifest.v2+json";
        let address = format!("http://{host}/v2/{path}/manifests/latest");
        let said = run(Command::new("curl").args(["-sI", "-H", accept, &address])).ok();
        let header = said
            .lines()
            .find(|line| line.to_lowercase().starts_with("docker-content-digest:"));
        header
            .map(|line| line[22..].trim().to_owned())
            .unwrap_or_default()
    }

    fn delete(&self) {
        let (name, _) = self.image.rsplit_once(':').expect("a tag");
        let (host, path) = name.split_once('/').expect("a registry");
        let address = format!("http://{host}/v2/{path}/manifests/{}", self.digest());
        run(Command::new("curl").args(["-sf", "-X", "DELETE", &address])).ok();
    }
}

fn json(path: &Path) -> Value {
    let text = fs::read_to_string(path).expect("a file");
    serde_json::from_str(&text).unwrap_or_else(|error| panic!("{error}: {text}"))
}

#[test]
fn what_has_not_changed_is_not_built_again() {
    let Some(engines) = engines() else { return };
    let service = Service::new(&engines);
    let (first, second) = (
        service.cache.path().join("1.json"),
        service.cache.path().join("2.json"),
    );
    service.is_built(
        "the first time",
        &["--metadata-file", &first.display().to_string()],
    );
    let said = service.build(&["--metadata-file", &second.display().to_string()]);
    assert!(
        said.contains("[api] up to date") && said.contains(&service.digest()),
        "{said}"
    );
    assert_eq!(json(&first), json(&second), "the same build");
    let said = run(service.command(&[]).env("BUILDKIT_PROGRESS", "json")).ok();
    let finished = said
        .lines()
        .filter_map(|line| serde_json::from_str::<Value>(line).ok());
    let mut finished = finished.filter(|event| event["event"] == "service-finished");
    let finished = finished.next().expect("an end");
    assert_eq!(finished["up_to_date"], true, "{said}");
    assert_eq!(
        finished["digest"].as_str(),
        Some(service.digest().as_str()),
        "{said}"
    );

    service
        .project
        .write("secret.txt", "not listed, not in the image, still not\n");
    service.is_up_to_date("a file that is in no image");
    service.project.write("app/__init__.py", "CHANGED = 1\n");
    service.is_built("another file", &[]);
    service.is_up_to_date("after that");
    service.project.write("more.txt", "MarkupSafe==3.0.2 # really\n");
    service.is_built("a requirement file", &[]);
    service.is_up_to_date("after that");
    service.is_built("everything is to be run again", &["--no-cache"]);
    service.is_up_to_date("that was the same image");
    service.is_built("another label", &["--label", "a=b"]);
    service.is_built("the label is gone", &[]);

    service.patch("as it is now");
    service.is_built("a patched base", &[]);
    service.is_up_to_date("after that");
}

#[test]
fn what_the_registry_or_the_receipt_lost_is_built_again() {
    let Some(engines) = engines() else { return };
    let service = Service::new(&engines);
    service.is_built("the first time", &[]);
    service.is_up_to_date("after that");
    let digest = service.digest();
    service.delete();
    service.is_built("the image was removed", &[]);
    assert_eq!(service.digest(), digest);

    engines.store_base(&service.image);
    let (base, image) = (service.image.replace(":latest", ":base"), &service.image);
    for args in [&["tag", &base, image][..], &["push", image]] {
        engines.docker(&engines.docker, args).ok();
    }
    assert_ne!(service.digest(), digest);
    service.is_built("the tag is another image's", &[]);
    assert_eq!(service.digest(), digest);
    service.is_up_to_date("after that");

    let receipt = service.receipt();
    let text = fs::read_to_string(&receipt).expect("the receipt");
    for damaged in [
        "",
        "{}",
        &text[..text.len() / 2],
        &text.replace(&digest, "sha256:0"),
    ] {
        fs::write(&receipt, damaged).expect("a file");
        service.is_built("a damaged receipt", &[]);
        service.is_up_to_date("after that");
    }
    fs::remove_file(&receipt).expect("the receipt");
    fs::create_dir(&receipt).expect("a folder");
    service.is_built("no receipt can be read or written", &[]);
    service.is_built("and none was", &[]);
}
