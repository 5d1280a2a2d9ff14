//! What is known of a build before it begins: whether it leaves a receipt, where, and what it has in common with the last one.

use std::os::unix::fs::MetadataExt as _;
use std::path::Path;

use buildkit_llb::digest_of;
use serde_json::{Value, json};

use crate::client::{BuildRequest, Engine, Source};
use crate::layers::WheelsFrom;

/// Raised whenever receipts say something else.
const VERSION: u32 = 1;

/// Whether a build leaves a receipt. dockerd keeps what it pushes, and may have lost it since.
pub(super) fn leaves_receipt(engine: &Engine, request: &BuildRequest) -> bool {
    !engine.info().is_docker() && pushes_one_image(request)
}

/// Whether all that is wanted is one image in a registry, made of whatever is in caches.
fn pushes_one_image(request: &BuildRequest) -> bool {
    let [output] = request.outputs.as_slice() else {
        return false;
    };
    let given = |name: &str| output.attributes.get(name).map_or("", String::as_str);
    output.exporter == "image"
        && given("push") == "true"
        && given("push-by-digest") != "true"
        && !matches!(given("name"), "" | "*")
        && request.cache_exports.is_empty()
        && !request.options.contains_key("no-cache")
}

/// One file for a service of a project on an engine: the last build counts.
pub(super) fn file_name(engine: &Engine, request: &BuildRequest) -> String {
    let option = |name: &str| request.options.get(name);
    let about = json!([
        request.shared_key,
        option("filename"),
        option("target"),
        option("platform"),
        engine.address(),
    ]);
    let digest = digest_of(about.to_string().as_bytes());
    format!("{}.json", digest.trim_start_matches("sha256:"))
}

/// A digest of everything that is asked for, of whom, and by which program.
pub(super) fn key(engine: &Engine, request: &BuildRequest, places: &[WheelsFrom]) -> String {
    let info = engine.info();
    let workers = info.workers.iter().map(|worker| &worker.id).collect::<Vec<_>>();
    let program = std::env::current_exe().ok();
    let about = json!({
        "receipt": VERSION,
        "program": [env!("CARGO_PKG_VERSION"), program.and_then(|path| stamp(&path))],
        "engine": [json!(engine.address()), json!(info.version), json!(workers)],
        "request": asked(request),
        "places": places.iter().map(|place| place.name()).collect::<Vec<_>>(),
    });
    digest_of(about.to_string().as_bytes())
}

/// A request without what is secret or of this process alone.
fn asked(request: &BuildRequest) -> Value {
    let source = |source: &Source| match source {
        Source::Directory(path) => json!(path),
        Source::Executables(named) => {
            json!(
                named
                    .iter()
                    .map(|(name, path)| (name, stamp(path)))
                    .collect::<Vec<_>>()
            )
        }
    };
    let sources = request.sources.iter().map(|(name, what)| (name, source(what)));
    let outputs = request
        .outputs
        .iter()
        .map(|output| (&output.exporter, &output.attributes));
    let imports = request
        .cache_imports
        .iter()
        .map(|cache| (&cache.kind, &cache.attributes));
    json!({
        "sources": sources.collect::<Vec<_>>(),
        "outputs": outputs.collect::<Vec<_>>(),
        "imports": imports.collect::<Vec<_>>(),
        "secrets": request.secrets.keys().collect::<Vec<_>>(),
        "ssh": request.ssh.iter().map(|agent| &agent.id).collect::<Vec<_>>(),
        "entitlements": request.entitlements,
        "options": request.options,
        "project": request.shared_key,
    })
}

/// What tells a program from another at the same place: programs out of images have all the same time of writing, so it is the
/// time at which the file came to be there.
pub(super) fn stamp(path: &Path) -> Option<String> {
    let metadata = fs_err::metadata(path).ok()?;
    let (seconds, nanos) = (metadata.ctime(), metadata.ctime_nsec());
    Some(format!(
        "{} {} {seconds}.{nanos:09}",
        path.display(),
        metadata.len()
    ))
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::*;
    use crate::client::spec::{Output, SecretSource, Ssh};

    fn request() -> BuildRequest {
        BuildRequest {
            outputs: vec![Output::parse("type=registry,name=r.example/a:1").unwrap()],
            options: BTreeMap::from([("target".to_owned(), "api".to_owned())]),
            secrets: BTreeMap::from([("token".to_owned(), SecretSource::Env("A".to_owned()))]),
            ..BuildRequest::default()
        }
    }

    #[test]
    fn what_is_asked_is_told_apart() {
        let folder = tempfile::tempdir().unwrap();
        let tool = folder.path().join("unwheel");
        fs_err::write(&tool, "1").unwrap();
        let program = || Source::Executables(BTreeMap::from([("unwheel".to_owned(), tool.clone())]));
        let mut first = request();
        first.sources.insert("tools".to_owned(), program());
        let changed = |change: &dyn Fn(&mut BuildRequest)| {
            let mut request = first.clone();
            change(&mut request);
            asked(&request) != asked(&first)
        };
        assert!(!changed(&|_| {}));
        assert!(changed(&|request| drop(
            request.options.insert("target".into(), "web".into())
        )));
        assert!(changed(&|request| drop(
            request.options.insert("build-arg:A".into(), String::new())
        )));
        assert!(changed(
            &|request| request.outputs = vec![Output::parse("type=registry,name=r.example/a:2").unwrap()]
        ));
        assert!(changed(&|request| request.secrets.clear()));
        assert!(changed(&|request| request
            .ssh
            .push(Ssh::parse("default").unwrap())));
        assert!(changed(&|request| request
            .entitlements
            .push("network.host".into())));
        assert!(changed(&|request| request.shared_key.push('x')));
        // Values of secrets are no part of anything that is built, and stay where they are.
        assert!(!changed(&|request| {
            let other = SecretSource::Env("B".to_owned());
            request.secrets.insert("token".to_owned(), other);
        }));
        let before = asked(&first);
        fs_err::write(&tool, "22").unwrap();
        assert_ne!(asked(&first), before, "another program at the same place");
    }

    #[test]
    fn only_a_push_of_one_image_leaves_a_receipt() {
        let of = |outputs: &[&str]| {
            pushes_one_image(&BuildRequest {
                outputs: outputs.iter().map(|text| Output::parse(text).unwrap()).collect(),
                ..request()
            })
        };
        let pushed = "type=registry,name=r.example/a:1";
        assert!(of(&[pushed]) && of(&["type=image,name=a,push=true,compression=zstd"]));
        for others in [
            &[][..],
            &["type=image,name=a"],
            &["type=registry"],
            &["type=registry,name=*"],
            &["type=registry,name=a,push-by-digest=true"],
            &["type=oci,dest=a.tar"],
            &["type=docker,name=a"],
            &[pushed, "out"],
        ] {
            assert!(!of(others), "{others:?}");
        }
        let mut again = request();
        again.options.insert("no-cache".to_owned(), String::new());
        assert!(!pushes_one_image(&again));
        let mut exported = request();
        exported.cache_exports =
            vec![crate::client::spec::Cache::parse("r.example/cache", "cache export").unwrap()];
        assert!(!pushes_one_image(&exported));
    }
}
