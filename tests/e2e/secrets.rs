//! Secrets of a build are not in what it leaves in the store: layers, configs, annotations, what is known of bases.

use std::process::Command;

use crate::built::{locked, source};
use crate::engine::{engines, run, wheelwright};
use crate::index::Index;
use crate::project::Project;

/// Prints every document of a store, and every layer unpacked; last, how many there were.
const CONTENT: &str = r#"
import gzip, json, sys, urllib.request
host, path = sys.argv[1].split("/", 1)
accept = {"Accept": "application/vnd.oci.image.manifest.v1+json"}
get = lambda rest: urllib.request.urlopen(urllib.request.Request(f"http://{host}/v2/{path}/{rest}", headers=accept)).read()
out, layers = sys.stdout.buffer, 0
tags = json.loads(get("tags/list"))["tags"]
for tag in tags:
    manifest = get(f"manifests/{tag}")
    out.write(manifest)
    document = json.loads(manifest)
    out.write(get("blobs/" + document["config"]["digest"]))
    for layer in document["layers"]:
        out.write(gzip.decompress(get("blobs/" + layer["digest"])))
        layers += 1
out.write(f"\nbases {len(tags) - layers}, layers {layers}\n".encode())
"#;

#[test]
fn a_filled_store_holds_no_login() {
    let Some(engines) = engines() else { return };
    let sources = Project::new();
    // Its backend writes down all that it can see.
    let folder = source(&sources, "watcher", "curious", include_str!("curious.py"));
    let login = "robot:s3cr3t-of-the-store";
    let index = Index::serve(login, &[&format!("watcher==1.0@{}", folder.display()), "aa==1.0"]);
    let secret = sources.write("login.txt", login);
    let secret = format!("id=login,src={}", secret.display());
    let project = locked(&index, "watcher", &index.sha256("watcher"));
    let wheel = index.lock(&index.root(), &["aa"]);
    let sdist = std::fs::read_to_string(project.path().join("pylock.toml")).expect("the lock");
    let (_, packages) = wheel.split_once("\n\n").expect("its packages");
    project.write("pylock.toml", &format!("{sdist}\n{packages}"));
    let root = index.root();
    let port = root.rsplit(':').next().expect("a port");
    for (name, fill) in [
        ("build", &["build", "api", "--fill-store"][..]),
        ("push", &["wheels", "push", "--record"]),
    ] {
        let store = format!("{}/e2e/secrets-{name}-{port}", engines.registry);
        let manifest =
            std::fs::read_to_string(project.path().join("wheelwright.yaml")).expect("the manifest");
        let other = manifest.lines().filter(|line| !line.starts_with("wheel_store"));
        let manifest = other.collect::<Vec<_>>().join("\n");
        project.write("wheelwright.yaml", &format!("{manifest}\nwheel_store: {store}\n"));
        let more = ["--secret", &secret, "--progress=plain"];
        let said = run(wheelwright(&[fill, &more].concat()).current_dir(project.path())).ok();
        let content = run(Command::new("python3").args(["-c", CONTENT, &store])).ok();
        // Two packages and their bytecode; the second has nothing to compile.
        for part in [
            "bases 1, layers ",
            "watcher.json",
            "SOURCE_DATE_EPOCH",
            "__pycache__/aa.",
        ] {
            assert!(
                content.contains(part),
                "{name}: no `{part}` among what was stored:\n{said}"
            );
        }
        for word in ["s3cr3t-of-the-store", "cm9ib3Q6czNjcjN0LW9mLXRoZS1zdG9yZQ"] {
            assert!(!content.contains(word), "{name}: the store holds the login");
            assert!(!said.contains(word), "{name}: the login is told");
        }
    }
}
