//! Layers made of small wheels: once, equal everywhere, and again when something was damaged.

use std::path::Path;
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use super::server::{Answer, Server};
use super::wheel::wheel;
use crate::http;
use crate::layers::local::{Cache, Fetch, Layer, MakeError, Maker, News};
use crate::layers::{Format, Kind, LayerKey, Reason, Wanted, WheelLayer};
use crate::python::{Artifact, Locked, Origin, Pick};

/// What a lock says of two small wheels, and the index that has them.
struct Demo {
    server: Server,
    picks: Vec<Pick>,
    layer: WheelLayer,
}

impl Demo {
    fn new() -> Self {
        let server = Server::new();
        let mut picks = Vec::new();
        for name in ["one", "two"] {
            let (bytes, sha256) = wheel(name, &format!("NAME = '{name}'\n"));
            let size = bytes.len() as u64;
            let url = server.on(&format!("/{name}"), &[Answer::File(bytes)]);
            picks.push(Pick {
                name: name.parse().unwrap(),
                version: "1".to_owned(),
                artifact: Artifact::Wheel(Locked {
                    filename: format!("{name}-1-py3-none-any.whl"),
                    origin: Origin::Url(url),
                    sha256: sha256.parse().unwrap(),
                    size,
                }),
            });
        }
        let digests = picks
            .iter()
            .filter_map(|pick| Some(pick.artifact.file()?.sha256.hex()));
        let layer = WheelLayer {
            key: LayerKey::new(digests, "/opt/venv", "3.11"),
            kind: Kind::Wheels,
            reason: Reason::Heavy,
            packages: vec![0, 1],
            bytes: 0,
            services: Vec::new(),
        };
        Self { server, picks, layer }
    }

    fn wanted(&self) -> Wanted<'_> {
        Wanted {
            layer: &self.layer,
            picks: &self.picks,
            venv: "/opt/venv",
            minor: "3.11".parse().unwrap(),
            platform: "linux/amd64",
        }
    }

    async fn make(&self, folder: &Path) -> Result<Layer, MakeError> {
        let news = |_: News| ();
        maker(folder).layer(&self.wanted(), Format::Gzip, &news).await
    }
}

fn maker(folder: &Path) -> Maker {
    let client = http::LazyClient::new(http::builder(Duration::from_secs(5)));
    let fetch = Fetch::new(client, Vec::new()).with_backoff(Duration::from_millis(5));
    Maker::new(Cache::open(folder, u64::MAX).unwrap(), fetch)
}

#[tokio::test]
async fn a_layer_is_made_once_and_equal_everywhere() {
    let demo = Demo::new();
    let (here, there) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let first = demo.make(here.path()).await.unwrap();
    assert!(!first.cached);
    assert_eq!(first.blob.size(), first.record.size);
    let again = demo.make(here.path()).await.unwrap();
    assert!(again.cached);
    assert_eq!(demo.server.seen().len(), 2, "both wheels, once");
    let other = demo.make(there.path()).await.unwrap();
    assert_eq!(other.record, first.record);
    assert_eq!(
        std::fs::read(other.blob.path()).unwrap(),
        std::fs::read(first.blob.path()).unwrap()
    );
}

#[tokio::test]
async fn what_two_ask_for_at_once_is_made_once() {
    let (demo, folder) = (Demo::new(), tempfile::tempdir().unwrap());
    let maker = maker(folder.path());
    let started = AtomicUsize::new(0);
    let news = |news: News| {
        if news == News::Started {
            started.fetch_add(1, Ordering::Relaxed);
        }
    };
    let wanted = demo.wanted();
    let ask = || maker.layer(&wanted, Format::Gzip, &news);
    let (a, b, c) = futures_util::join!(ask(), ask(), ask());
    assert_eq!(a.unwrap().record, b.unwrap().record);
    assert!(c.is_ok());
    assert_eq!(started.load(Ordering::Relaxed), 1);
    assert_eq!(demo.server.seen().len(), 2);
}

#[tokio::test]
async fn damaged_entries_are_made_again() {
    let (demo, folder) = (Demo::new(), tempfile::tempdir().unwrap());
    let first = demo.make(folder.path()).await.unwrap();
    let blob = first.blob.path().to_owned();
    let bytes = std::fs::read(&blob).unwrap();
    drop(first);

    let mut damaged = bytes.clone();
    damaged[100] ^= 1;
    std::fs::write(&blob, &damaged).unwrap();
    let again = demo.make(folder.path()).await.unwrap();
    assert!(!again.cached, "its bytes were changed");
    assert_eq!(std::fs::read(again.blob.path()).unwrap(), bytes);
    assert_eq!(demo.server.seen().len(), 2, "the wheels were good");

    std::fs::write(
        folder
            .path()
            .join("layers")
            .join(format!("{}.gzip.json", demo.layer.key)),
        "{",
    )
    .unwrap();
    for file in demo.picks.iter().filter_map(|pick| pick.artifact.file()) {
        let path = folder
            .path()
            .join("wheels")
            .join(file.sha256.hex())
            .join(&file.filename);
        let mut wheel = std::fs::read(&path).unwrap();
        wheel[50] ^= 1;
        std::fs::write(&path, wheel).unwrap();
    }
    assert_eq!(demo.make(folder.path()).await.unwrap().record, again.record);
    assert_eq!(demo.server.seen().len(), 4, "the wheels were not");
}

#[tokio::test]
async fn nothing_is_left_of_a_layer_that_nobody_waits_for() {
    let (demo, folder) = (Demo::new(), tempfile::tempdir().unwrap());
    demo.server.on("/one", &[Answer::Silence(Duration::from_secs(3))]);
    let given_up = tokio::time::timeout(Duration::from_millis(200), demo.make(folder.path())).await;
    assert!(given_up.is_err());
    let usage = Cache::open(folder.path(), 0).unwrap().usage().unwrap();
    assert_eq!(usage.layers.entries, 0);
}

#[tokio::test]
async fn a_broken_wheel_is_named_and_not_an_affair_of_this_machine() {
    let mut demo = Demo::new();
    let (mut bytes, _) = wheel("one", "NAME = 'one'\n");
    let at = bytes.windows(6).position(|window| window == b"NAME =").unwrap();
    bytes[at] = b'G';
    let digest = crate::layers::key::hex(&<sha2::Sha256 as sha2::Digest>::digest(&bytes));
    demo.server.on("/one", &[Answer::File(bytes)]);
    let Artifact::Wheel(file) = &mut demo.picks[0].artifact else {
        unreachable!("it is a wheel")
    };
    file.sha256 = digest.parse().unwrap();
    let folder = tempfile::tempdir().unwrap();
    let error = demo.make(folder.path()).await.unwrap_err();
    assert!(!error.is_of_this_machine());
    let text = error.to_string();
    assert!(
        text.starts_with("one two cannot be laid down: ") && text.contains("one-1-py3-none-any.whl"),
        "{text}"
    );
}

#[tokio::test]
async fn the_news_tell_what_comes() {
    let (demo, folder) = (Demo::new(), tempfile::tempdir().unwrap());
    let told = Mutex::new(Vec::new());
    let news = |news: News| told.lock().unwrap().push(news);
    maker(folder.path())
        .layer(&demo.wanted(), Format::Gzip, &news)
        .await
        .unwrap();
    let told = told.into_inner().unwrap();
    assert_eq!(told[0], News::Started);
    let done = told
        .iter()
        .filter(|news| matches!(news, News::Wheel { done: true, .. }));
    assert_eq!(done.count(), 2);
}
