//! Indexes of companies: logins in each form, certificates of their own, mirrors, and servers that do not give what they
//! should.

use std::process::Command;
use std::time::{SystemTime, UNIX_EPOCH};

use crate::engine::{Engines, Said, engines, run};
use crate::index::Index;
use crate::project::Project;

const TOKEN: &str = "t0k3n-of-the-company";
/// `robot:TOKEN` and `Bearer TOKEN` would be found in these words, too.
const ENCODED: &str = "cm9ib3Q6dDBrM24tb2YtdGhlLWNvbXBhbnk";

const MANIFEST: &str = "\
name: e2e-indexes
python: \"3.11\"
TOP
services:
  api:
    image: python:3.11-slim
    bytecode: false
    FROM
    command: [python, -c, \"import aa; print(aa.VERSION)\"]
";

/// A service with this at the top of the manifest, from requirements or a lock.
fn project(top: &str, from: &str, text: &str) -> Project {
    let project = Project::new();
    let manifest = MANIFEST.replace("TOP", top).replace("FROM", from);
    project.write("wheelwright.yaml", &manifest);
    let file = if from == LOCK {
        "pylock.toml"
    } else {
        "requirements.txt"
    };
    project.write(file, text);
    project
}

const LOCK: &str = "lock: pylock.toml";
const REQUIREMENTS: &str = "requirements: [requirements.txt]";

fn build(engines: &Engines, project: &Project, from: &str, more: &[&str]) -> Said {
    let folder = project.path().display().to_string();
    let from = format!("--wheels-from={from}");
    let fixed = ["build", "api", "-C", &folder, "--progress=plain", &from];
    engines.wheelwright(&[&fixed[..], more].concat())
}

/// A package that no engine has downloaded.
fn unique(package: &str) -> String {
    let now = SystemTime::now().duration_since(UNIX_EPOCH).expect("a time");
    format!("{package}#{}", now.as_nanos())
}

#[test]
fn a_login_in_each_form_is_used_and_told_nowhere() {
    let Some(engines) = engines() else { return };
    let index = Index::serve(
        &format!("robot:{TOKEN}"),
        &[&unique("aa==1.0:bb"), &unique("bb==1.0")],
    );
    let server = index.root().replace("http://", "");
    let config = format!("{{\"auths\": {{\"{server}\": {{\"auth\": \"{ENCODED}=\"}}}}}}");
    let netrc = format!("machine 127.0.0.1\n  login robot\n  password {TOKEN}\n");
    for (form, secret) in [
        ("{secret: login, username: robot}", TOKEN),
        ("{netrc: login}", &netrc),
        ("{docker_config: login}", &config),
        ("{header: login}", &format!("Basic {ENCODED}=")),
    ] {
        let top = format!(
            "indexes:\n  - {{name: main, url: \"{}\", default: true, auth: {form}}}",
            index.url()
        );
        let project = project(&top, REQUIREMENTS, "aa\n");
        let archive = project.path().join("image.tar");
        let file = project.write("login", secret);
        let secret = format!("id=login,src={}", file.display());
        let output = format!("type=oci,dest={}", archive.display());
        let wrong = project.write("wrong", "robot:wrong");
        let wrong = format!("id=login,src={}", wrong.display());
        let refused = build(&engines, &project, "graph", &["--secret", &wrong]).fails();
        assert!(
            refused.contains("login") || refused.contains("401"),
            "{form}:\n{refused}"
        );
        let before = index.asked().len();
        let more = ["--secret", &secret, "-o", &output];
        let said = build(&engines, &project, "graph", &more).ok();
        let asked = index.asked()[before..].to_owned();
        // What one form has downloaded is the engine's, by its digest.
        let first = asked.contains("200 /files/aa/") && asked.contains("200 /files/bb/");
        assert!(first || form.contains("header"), "{form}:\n{asked}");
        let door = engines
            .buildctl(project.path(), "api", &["--secret", &secret])
            .ok();
        let exported = std::fs::read(&archive).expect("an archive");
        let exported = String::from_utf8_lossy(&exported);
        let records = run(Command::new("buildctl").args(["du", "--verbose"])).text;
        for word in [TOKEN, ENCODED] {
            for place in [&said, &door, exported.as_ref(), &records] {
                assert!(!place.contains(word), "{form}: the login is told");
            }
        }
    }
}

#[test]
fn a_token_in_a_header_downloads_what_a_lock_names() {
    let Some(engines) = engines() else { return };
    let index = Index::serve(&format!("Bearer {TOKEN}"), &[&unique("aa==1.0")]);
    let top = format!(
        "indexes:\n  - {{name: main, url: \"{}\", auth: {{header: login}}}}",
        index.url()
    );
    let project = project(&top, LOCK, &index.lock(&index.root(), &["aa"]));
    let secret = project.write("login", &format!("Bearer {TOKEN}"));
    let secret = format!("id=login,src={}", secret.display());
    // What the engine has downloaded it has without a login, so this machine is the first.
    for from in ["session", "graph"] {
        let before = index.asked().len();
        let cache = project.path().join(from).display().to_string();
        let without = ["--cache-dir", &cache];
        let refused = build(&engines, &project, from, &without).fails();
        let told = refused.contains("aa-1.0-py3-none-any.whl") && refused.contains("login");
        assert!(told, "{from}:\n{refused}");
        let said = build(
            &engines,
            &project,
            from,
            &["--cache-dir", &cache, "--secret", &secret],
        )
        .ok();
        let asked = index.asked()[before..].to_owned();
        assert!(asked.contains("200 /files/aa/"), "{from}:\n{asked}\n{said}");
        assert!(!said.contains(TOKEN), "{said}");
    }
}

/// A certificate for this machine, with its key in one file, signed by an authority of the test's own; both files.
fn certificates(project: &Project) -> [std::path::PathBuf; 2] {
    let folder = project.path();
    let openssl = |args: &str| {
        let mut command = Command::new("openssl");
        let fixed = "req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -days 2";
        run(command
            .current_dir(folder)
            .args(fixed.split(' '))
            .args(args.split(' ')))
        .ok()
    };
    openssl("-keyout ca.key -out ca.pem -subj /CN=test-authority");
    openssl(
        "-keyout own.key -out own.pem -subj /CN=test -CA ca.pem -CAkey ca.key -addext subjectAltName=IP:127.0.0.1 \
         -addext basicConstraints=critical,CA:FALSE",
    );
    let read = |name: &str| std::fs::read_to_string(folder.join(name)).expect("a file of openssl");
    let both = project.write("both.pem", &(read("own.pem") + &read("own.key")));
    [folder.join("ca.pem"), both]
}

#[test]
fn certificates_of_a_company_come_by_secret() {
    let Some(engines) = engines() else { return };
    let keys = Project::new();
    let [authority, own] = certificates(&keys);
    let index = Index::serve_tls(&format!("robot:{TOKEN}"), &own, &[&unique("aa==1.0")]);
    let top = format!(
        "ca_certificates: company-ca\nindexes:\n  - {{name: main, url: \"{}\", default: true, auth: {{secret: login}}}}",
        index.url()
    );
    let project = project(&top, REQUIREMENTS, "aa\n");
    let login = keys.write("login", &format!("robot:{TOKEN}"));
    let login = format!("id=login,src={}", login.display());
    let authority = format!("id=company-ca,src={}", authority.display());
    let image = engines.image("certificates");
    // What the engine has downloaded needs no certificate any more, so this machine is the first.
    for from in ["session", "graph"] {
        let cache = project.path().join(from).display().to_string();
        let more = ["--secret", &login, "--cache-dir", &cache];
        let refused = build(&engines, &project, from, &more).fails();
        assert!(
            refused.to_lowercase().contains("certificate"),
            "{from}:\n{refused}"
        );
        let with = ["--secret", &authority, "-t", &image, "--push"];
        build(&engines, &project, from, &[&more[..], &with].concat()).ok();
        let host = &engines.docker;
        let said = engines.pull_and_run(&image);
        assert_eq!(said.trim(), "1.0");
        let inside = "find / -xdev -name '*wheelwright-ca*' -o -xdev -path '/run/secrets/*'";
        let found = [
            "run",
            "--rm",
            "--network=host",
            "--entrypoint",
            "sh",
            &image,
            "-c",
            inside,
        ];
        assert_eq!(
            engines.docker(host, &found).ok().trim(),
            "",
            "certificates are in the image"
        );
    }
}

#[test]
fn a_proxy_is_used_and_left_nowhere() {
    let Some(engines) = engines() else { return };
    let index = Index::serve(&format!("robot:{TOKEN}"), &[&unique("aa==1.0")]);
    let top = "indexes:\n  - {name: main, url: \"http://packages.example/simple\", default: true, auth: {secret: login}}";
    // Requirements that no engine has resolved.
    let requirements = unique("aa ") + "\n";
    let project = project(top, REQUIREMENTS, &requirements);
    let secret = project.write("login", &format!("robot:{TOKEN}"));
    let secret = format!("id=login,src={}", secret.display());
    let archive = project.path().join("image.tar");
    let output = format!("type=oci,dest={}", archive.display());
    let proxy = format!("HTTP_PROXY={}", index.root());
    let more = ["--secret", &secret, "--build-arg", &proxy, "-o", &output];
    build(&engines, &project, "graph", &more).ok();
    let asked = index.asked();
    for path in ["simple/aa/", "files/aa/aa-1.0-py3-none-any.whl"] {
        let line = format!("through the proxy: http://packages.example/{path}");
        assert!(asked.contains(&line), "{asked}");
    }
    // It is in no cache key: the same without it is all there.
    let text = build(&engines, &project, "graph", &["--secret", &secret]).ok();
    assert_eq!(index.asked(), asked, "{text}");
    let exported = std::fs::read(&archive).expect("an archive");
    let left = String::from_utf8_lossy(&exported).contains(&index.root());
    assert!(!left, "the proxy is in the image");
}

#[test]
fn another_mirror_makes_nothing_again() {
    let Some(engines) = engines() else { return };
    let packages = ["aa==1.0", "bb==1.0"];
    let (first, second) = (Index::serve("", &packages), Index::serve("", &packages));
    let lock = first.lock("https://files.example", &["aa", "bb"]);
    let image = engines.image("mirrors");
    let mut layers = Vec::new();
    for index in [&first, &second] {
        let top = format!(
            "mirrors:\n  - {{from: \"https://files.example/\", to: \"{}/\"}}",
            index.root()
        );
        let project = project(&top, LOCK, &lock);
        build(&engines, &project, "graph", &["-t", &image, "--push"]).ok();
        layers.push(engines.layers(&image));
    }
    assert_eq!(layers[0], layers[1]);
    assert!(
        !second.asked().contains("/files/"),
        "fetched again:\n{}",
        second.asked()
    );
}

#[test]
fn a_server_that_does_not_give_a_file_is_told_with_its_name() {
    let Some(engines) = engines() else { return };
    let names = ["refused", "forbidden", "gone", "broken", "cut", "liar"];
    let packages = names.map(|name| format!("{name}==1.0"));
    let packages = packages.iter().map(String::as_str).collect::<Vec<_>>();
    let index = Index::serve("", &packages);
    // A login makes a step of the build download; the engine itself does it without one.
    let auth = format!(
        "indexes:\n  - {{name: main, url: \"{}\", auth: {{secret: login}}}}",
        index.url()
    );
    for (name, status) in [
        ("refused", "401"),
        ("forbidden", "403"),
        ("gone", "404"),
        ("broken", "500"),
        ("cut", ""),
        ("liar", "sha256"),
    ] {
        for (from, top) in [("graph", ""), ("graph", auth.as_str()), ("session", "")] {
            let project = project(top, LOCK, &index.lock(&index.root(), &[name]));
            let secret = project.write("login", "robot:word");
            let secret = format!("id=login,src={}", secret.display());
            let out = project.path().join("out");
            let output = format!("type=local,dest={}", out.display());
            let text = build(&engines, &project, from, &["--secret", &secret, "-o", &output]).fails();
            let file = format!("{name}-1.0-py3-none-any.whl");
            assert!(text.contains(&file), "{from} {top}: no `{file}` in:\n{text}");
            assert!(text.contains(status), "{from} {top}: no `{status}` in:\n{text}");
            assert!(!out.join("opt").exists(), "something was written");
        }
    }
}

#[test]
fn what_a_server_answers_the_engine_is_told_through_every_door() {
    let Some(engines) = engines() else { return };
    let index = Index::serve("", &["refused==1.0", "gone==1.0", "broken==1.0"]);
    for (name, status, help) in [
        ("refused", "401", "give index `main` an `auth: {secret: ID}`"),
        ("gone", "404", "`wheelwright lock` looks for one that is"),
        ("broken", "500", "take the file from elsewhere with `mirrors`"),
    ] {
        let top = format!("indexes:\n  - {{name: main, url: \"{}\"}}", index.url());
        let project = project(&top, LOCK, &index.lock(&index.root(), &[name]));
        let address = index.file(name, &format!("{name}-1.0-py3-none-any.whl"));
        let told = format!(
            "`{name}-1.0-py3-none-any.whl` of `{name} 1.0` could not be downloaded: index `main`, {address}: the server answers \
             with status {status}"
        );
        let folder = project.path();
        let said = build(&engines, &project, "graph", &[]);
        assert_eq!(said.code, 1, "{}", said.text);
        for text in [
            said.text,
            engines.buildctl(folder, "api", &[]).fails(),
            engines
                .buildx(&engines.docker, folder, "api", "e2e/x", &[])
                .fails(),
            engines
                .buildx(&engines.docker_graph, folder, "api", "e2e/x", &[])
                .fails(),
        ] {
            // What is wrapped on a terminal is one line of words.
            let words = text.split_whitespace().collect::<Vec<_>>().join(" ");
            assert!(words.contains(&told), "no `{told}` in:\n{text}");
            assert!(words.contains(help), "no `{help}` in:\n{text}");
            assert!(text.contains("wheelwright.yaml:"), "{text}");
        }
    }
}
