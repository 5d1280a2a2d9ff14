//! Stores that refuse, are silent, or want to know who asks.

use std::io::{Read as _, Write as _};
use std::net::{TcpListener, TcpStream};
use std::path::Path;
use std::time::{Duration, Instant};

use base64::Engine as _;

use crate::engine::{Said, engines, run};
use crate::front::Front;
use crate::store::{Shop, layers_of};

/// A server that does this with whoever comes; its port.
fn server(answer: impl Fn(TcpStream) + Send + 'static) -> u16 {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
    let port = listener.local_addr().expect("its number").port();
    std::thread::spawn(move || {
        for stream in listener.incoming().map_while(Result::ok) {
            answer(stream);
        }
    });
    port
}

/// A registry that has nothing and answers what is sent to it with this status and code.
fn registry_that_says(status: &'static str, body: &'static str) -> u16 {
    server(move |mut stream| {
        let mut head = [0; 4096];
        let length = stream.read(&mut head).unwrap_or_default();
        let asks = head[..length].starts_with(b"HEAD") || head[..length].starts_with(b"GET");
        let (status, body) = if asks {
            ("404 Not Found", "")
        } else {
            (status, body)
        };
        let length = body.len();
        let answer =
            format!("HTTP/1.1 {status}\r\nContent-Length: {length}\r\nConnection: close\r\n\r\n{body}");
        drop(stream.write_all(answer.as_bytes()));
    })
}

#[test]
fn registries_that_refuse_are_quoted() {
    let Some(engines) = engines() else { return };
    let shop = Shop::new(&engines, "no");
    let full = r#"{"errors":[{"code":"DENIED","message":"quota exceeded"}]}"#;
    for (status, body, said) in [
        ("403 Forbidden", full, "denied: quota exceeded"),
        ("405 Method Not Allowed", "", "denied: Method Not Allowed"),
        ("413 Payload Too Large", "", "denied: Payload Too Large"),
        ("507 Insufficient Storage", "", "denied: Insufficient Storage"),
        ("202 Accepted", "", "does not say where the upload goes on"),
    ] {
        let store = format!("127.0.0.1:{}/wheels", registry_that_says(status, body));
        let pushed = shop.run(&["wheels", "push", "--wheel-store", &store]);
        assert_eq!(pushed.code, 5, "{}", pushed.text);
        assert!(
            pushed.text.contains(said) && pushed.text.contains(&store),
            "{}",
            pushed.text
        );
    }
}

#[test]
fn a_store_that_is_silent_is_waited_for_once() {
    let Some(engines) = engines() else { return };
    let shop = Shop::new(&engines, "silent");
    let port = server(|stream| drop(std::thread::spawn(move || hold(&stream))));
    let store = format!("WHEELWRIGHT_WHEEL_STORE=127.0.0.1:{port}/wheels");
    let said = shop.run(&["build", "api", "--progress=plain", "--build-arg", &store]);
    let said = said.ok();
    assert_eq!(said.matches("no answer within 10 s").count(), 1, "{said}");
}

#[test]
fn a_store_that_trickles_is_left_for_who_makes_layers() {
    let Some(engines) = engines() else { return };
    let shop = Shop::new(&engines, "trickles");
    let port = server(|stream| drop(std::thread::spawn(move || trickle(stream))));
    let store = format!("WHEELWRIGHT_WHEEL_STORE=127.0.0.1:{port}/wheels");
    let begun = Instant::now();
    let said = shop.run(&["build", "api", "--progress=plain", "--build-arg", &store]);
    let said = said.ok();
    assert_eq!(said.matches("no answer within 10 s").count(), 1, "{said}");
    // Once for all layers and the base, and what it takes to make three layers on a busy machine.
    assert!(begun.elapsed() < Duration::from_mins(1), "{said}");
}

/// Answers with a manifest, a few bytes a second.
fn trickle(mut stream: TcpStream) {
    let mut heard = [0; 4096];
    drop(stream.read(&mut heard));
    let head = "HTTP/1.1 200 OK\r\nContent-Type: application/vnd.oci.image.manifest.v1+json\r\nContent-Length: 1000\r\n\r\n";
    let bytes = head
        .bytes()
        .chain(std::iter::repeat(b' '))
        .take(head.len() + 1000);
    for byte in bytes {
        if stream.write_all(&[byte]).is_err() {
            return;
        }
        std::thread::sleep(Duration::from_millis(200));
    }
}

/// Keeps a connection until the other end gives up.
fn hold(mut stream: &TcpStream) {
    let mut heard = [0; 4096];
    while stream.read(&mut heard).is_ok_and(|length| length > 0) {}
}

#[test]
fn a_read_only_store_serves_what_it_has() {
    let Some(engines) = engines() else { return };
    let mut shop = Shop::new(&engines, "sealed");
    let sealed = Front::read_only(&engines);
    let store = shop.store().replace(&engines.registry, &sealed.host());
    let fill = [
        "build",
        "api",
        "--fill-store",
        "--progress=plain",
        "-t",
        &engines.image("store-sealed"),
        "--push",
    ]
    .map(str::to_owned);
    let fill = |shop: &Shop| shop.run(&fill.each_ref().map(String::as_str));

    // What cannot be stored is said, and the image is there.
    shop.stand(&store);
    let said = fill(&shop);
    assert_eq!(said.code, 5, "{}", said.text);
    let reason = format!("{store}: denied: the registry is read-only");
    assert_eq!(said.text.matches(&reason).count(), 1, "{}", said.text);
    assert!(!layers_of(&engines, &engines.image("store-sealed")).is_empty());

    // Full, it refuses nothing, because nothing is asked of it.
    let open = store.replace(&sealed.host(), &engines.registry);
    shop.run(&["wheels", "push", "--wheel-store", &open]).ok();
    shop.end_server();
    let refused = sealed.log();
    fill(&shop).ok();
    assert_eq!(sealed.log(), refused);
    let layers = shop.layers();
    assert!(layers.is_subset(&layers_of(&engines, &engines.image("store-sealed"))));
}

/// A folder with Docker's configuration in it: who one is at a registry.
fn login(folder: &Path, host: &str, login: &str) -> String {
    let auth = base64::engine::general_purpose::STANDARD.encode(login);
    let config = serde_json::json!({"auths": {host: {"auth": auth}}});
    std::fs::create_dir_all(folder).expect("a folder");
    std::fs::write(folder.join("config.json"), config.to_string()).expect("a file");
    folder.display().to_string()
}

#[test]
fn stores_that_give_tokens_are_filled_and_used() {
    let Some(engines) = engines() else { return };
    let mut shop = Shop::new(&engines, "tokens");
    let front = Front::with_tokens(&engines, "robot:p4ss-w0rd");
    let store = shop.store().replace(&engines.registry, &front.host());
    shop.stand(&store);
    let config = |who: &str| login(&shop.path().join(who.replace(':', "-")), &front.host(), who);
    let (right, wrong) = (config("robot:p4ss-w0rd"), config("robot:s3cret"));
    let wheelwright =
        |config: &str, args: &[&str]| -> Said { run(shop.command(args).env("DOCKER_CONFIG", config)) };

    let said = wheelwright(&wrong, &["wheels", "push"]);
    assert_eq!(said.code, 5, "{}", said.text);
    assert!(
        said.text
            .contains("not allowed with these credentials: wrong password")
            && !said.text.contains("s3cret"),
        "{}",
        said.text
    );
    // Others build all the same, and hear of it once.
    let said = wheelwright(&wrong, &["build", "api", "--progress=plain"]).ok();
    assert_eq!(said.matches("could not be asked").count(), 1, "{said}");

    // A token runs out in the middle of the upload, and a connection breaks off: it goes on with what is missing.
    wheelwright(&right, &["wheels", "push"]).ok();
    let log = front.log();
    for line in ["401 PATCH", "broke off PATCH", "went on at"] {
        assert!(log.contains(line), "no `{line}` in:\n{log}");
    }
    let again = wheelwright(&right, &["wheels", "push"]).ok();
    assert!(again.contains(": 0 stored, 0 B sent"), "{again}");
    let verified = wheelwright(&right, &["wheels", "verify"]).ok();
    assert!(verified.contains(": 0 wrong"), "{verified}");

    let layers = {
        let open = shop.store().replace(&front.host(), &engines.registry);
        shop.layers_in(&open)
    };
    shop.end_server();
    let image = engines.image("store-tokens");
    let wheelwright = |args: &[&str]| run(shop.command(args).env("DOCKER_CONFIG", &right));
    let said = wheelwright(&["build", "api", "--push", "-t", &image, "--progress=plain"]).ok();
    assert!(!said.contains("p4ss-w0rd") && !said.contains("token-"), "{said}");
    assert!(layers.is_subset(&layers_of(&engines, &image)));
    let ran = engines.docker(&engines.docker, &["run", "--rm", "--pull=always", &image]);
    assert!(ran.ok().contains("alpha beta gamma"));

    // The frontend image asks through the session of whoever builds.
    let output = format!("--output=type=image,name={image},push=true");
    let mut buildctl = engines.buildctl_command(shop.path(), "api");
    run(buildctl.arg(output).env("DOCKER_CONFIG", &right)).ok();
    assert!(layers.is_subset(&layers_of(&engines, &image)));
}
