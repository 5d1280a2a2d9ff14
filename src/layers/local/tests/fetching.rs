//! Downloads from indexes that behave and from others.

use std::fs::File;
use std::io::{Read as _, Seek as _, Write as _};
use std::time::Duration;

use sha2::{Digest as _, Sha256};

use super::server::{Answer, Server};
use crate::http;
use crate::layers::key::hex;
use crate::layers::local::{Fetch, Remote};

fn bytes() -> Vec<u8> {
    (0..300_000_u32).map(|n| (n % 251) as u8).collect()
}

fn remote(url: String, bytes: &[u8]) -> Remote {
    Remote {
        package: "demo 1".to_owned(),
        filename: "demo-1-py3-none-any.whl".to_owned(),
        url,
        sha256: hex(&Sha256::digest(bytes)),
        size: bytes.len() as u64,
    }
}

fn fetch() -> Fetch {
    let client = http::LazyClient::new(http::builder(Duration::from_millis(300)));
    let fetch = Fetch::new(client, Vec::new()).with_backoff(Duration::from_millis(5));
    fetch.with_window(Duration::from_millis(300))
}

/// What comes of it, and what is in the file then.
async fn download(remote: &Remote, already: &[u8]) -> (Result<(), String>, Vec<u8>) {
    let mut file: File = tempfile::tempfile().unwrap();
    file.write_all(already).unwrap();
    file.rewind().unwrap();
    let outcome = fetch().download(remote, file.try_clone().unwrap(), &|_| ()).await;
    let mut found = Vec::new();
    file.rewind().unwrap();
    file.read_to_end(&mut found).unwrap();
    // The port is another one each time.
    let outcome = outcome.map_err(|error| match error.to_string().split_once("127.0.0.1:") {
        Some((before, after)) => format!("{before}HOST{}", &after[after.find('/').unwrap()..]),
        None => error.to_string(),
    });
    (outcome, found)
}

#[tokio::test]
async fn broken_connections_are_gone_on_with() {
    let (server, bytes) = (Server::new(), bytes());
    let url = server.on(
        "/demo",
        &[
            Answer::Status(503),
            Answer::Cut(bytes.clone(), 100_000),
            Answer::Cut(bytes.clone(), 50_000),
            Answer::File(bytes.clone()),
        ],
    );
    let (outcome, found) = download(&remote(url, &bytes), b"").await;
    assert_eq!((outcome, found == bytes), (Ok(()), true));
    let ranges = server.seen().into_iter().map(|seen| seen.1).collect::<Vec<_>>();
    assert_eq!(ranges.len(), 4);
    assert_eq!(ranges[..2], [None, None]);
    assert!(ranges[2..].iter().all(Option::is_some), "{ranges:?}");
}

#[tokio::test]
async fn what_an_earlier_process_left_is_gone_on_with_if_it_is_right() {
    let (server, bytes) = (Server::new(), bytes());
    let url = server.on("/demo", &[Answer::File(bytes.clone())]);
    let remote = remote(url, &bytes);
    let (outcome, found) = download(&remote, &bytes[..200_000]).await;
    assert_eq!((outcome, found == bytes), (Ok(()), true));
    assert_eq!(server.seen()[0].1.as_deref(), Some("bytes=200000-"));
    let (outcome, found) = download(&remote, &[7; 1000]).await;
    assert_eq!((outcome, found == bytes), (Ok(()), true), "it was another file's");
    let (outcome, found) = download(&remote, &vec![7; 300_001]).await;
    assert_eq!((outcome, found == bytes), (Ok(()), true), "it was longer");
}

#[tokio::test]
async fn servers_without_ranges_send_all_of_it_again() {
    let (server, bytes) = (Server::new(), bytes());
    let answers = [Answer::Cut(bytes.clone(), 100_000), Answer::Whole(bytes.clone())];
    let url = server.on("/demo", &answers);
    let (outcome, found) = download(&remote(url, &bytes), b"").await;
    assert_eq!((outcome, found == bytes), (Ok(()), true));
}

#[tokio::test]
async fn refusals_name_package_file_and_cause() {
    let (server, bytes) = (Server::new(), bytes());
    let mut said = Vec::new();
    let other = bytes.iter().map(|byte| byte ^ 1).collect::<Vec<_>>();
    let long = [bytes.clone(), vec![0]].concat();
    let cases = [
        ("/401", Answer::Status(401)),
        ("/404", Answer::Status(404)),
        ("/500", Answer::Status(500)),
        ("/truncated", Answer::File(bytes[..5000].to_vec())),
        ("/other", Answer::File(other)),
        ("/long", Answer::File(long)),
        ("/slow", Answer::Silence(Duration::from_secs(2))),
        ("/trickle", Answer::Trickle(bytes.clone())),
    ];
    for (path, answer) in cases {
        let url = server
            .on(path, &[answer])
            .replace("http://", "http://user:secret@");
        let remote = remote(url + "#secret", &bytes);
        let (outcome, found) = download(&remote, b"").await;
        said.push(outcome.unwrap_err());
        assert!(
            matches!(path, "/truncated" | "/trickle") || found.is_empty(),
            "{path} left {} bytes",
            found.len()
        );
    }
    said.push(
        download(&remote("file:///etc/passwd".to_owned(), &bytes), b"")
            .await
            .0
            .unwrap_err(),
    );
    insta::assert_snapshot!(said.join("\n"));
}
