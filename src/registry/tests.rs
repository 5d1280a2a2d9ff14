//! Registries that are slow, silent, or want to know who asks.

use std::sync::Arc;
use std::time::{Duration, Instant};

use tokio::io::{AsyncBufReadExt as _, AsyncReadExt as _, AsyncWriteExt as _, BufReader};
use tokio::net::{TcpListener, TcpStream};

use super::dockerconfig::DockerConfig;
use super::{Content, Registry, Remote};

/// How long the registries here may say nothing.
const SILENCE: Duration = Duration::from_millis(400);
/// Large enough that no connection holds it.
const SIZE: u64 = 48 << 20;

/// What a registry does with the parts of a blob.
#[derive(Debug, Clone, Copy)]
enum Takes {
    Slowly,
    Never,
}

/// A repository of a registry that has nothing, takes blobs as told, and greets others with `status`.
async fn repository(takes: Takes, status: &'static str) -> Remote {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = listener.local_addr().unwrap().port();
    tokio::spawn(async move {
        while let Ok((stream, _)) = listener.accept().await {
            tokio::spawn(answer(stream, takes, status));
        }
    });
    let registry = Registry::patient(Arc::new(DockerConfig::default()), [], SILENCE);
    registry.repository(&format!("127.0.0.1:{port}/wheels").parse().unwrap())
}

async fn answer(stream: TcpStream, takes: Takes, status: &str) {
    let mut stream = BufReader::new(stream);
    let (mut head, mut length) = (String::new(), 0);
    loop {
        let mut line = String::new();
        if stream.read_line(&mut line).await.unwrap_or_default() == 0 || line == "\r\n" {
            break;
        }
        if let Some(value) = line.to_ascii_lowercase().strip_prefix("content-length:") {
            length = value.trim().parse().unwrap();
        }
        head += &line;
    }
    let place = "Location: /v2/wheels/blobs/uploads/1";
    let said = match head.split(' ').next().unwrap_or_default() {
        _ if !status.is_empty() => format!("{status}\r\n"),
        "HEAD" => "404 Not Found\r\n".to_owned(),
        "POST" => format!("202 Accepted\r\n{place}\r\n"),
        "PUT" => "201 Created\r\n".to_owned(),
        "PATCH" => {
            let mut piece = vec![0; 1 << 20];
            while length > 0 {
                match takes {
                    Takes::Slowly => tokio::time::sleep(Duration::from_millis(30)).await,
                    Takes::Never => std::future::pending().await,
                }
                length -= stream.read(&mut piece).await.unwrap() as u64;
            }
            format!("202 Accepted\r\n{place}\r\n")
        }
        // Nobody knows how much it has.
        _ => std::future::pending().await,
    };
    let answer = format!("HTTP/1.1 {said}Content-Length: 0\r\nConnection: close\r\n\r\n");
    drop(stream.write_all(answer.as_bytes()).await);
}

/// A file of zeros.
fn content(folder: &tempfile::TempDir) -> Content {
    let path = folder.path().join("blob");
    fs_err::File::create(&path).unwrap().set_len(SIZE).unwrap();
    Content::File(path)
}

#[tokio::test]
async fn an_upload_may_last_longer_than_a_silence() {
    let folder = tempfile::tempdir().unwrap();
    let remote = repository(Takes::Slowly, "").await;
    let begun = Instant::now();
    let sent = remote.upload("sha256:0", SIZE, &content(&folder)).await;
    assert_eq!(sent.unwrap(), SIZE);
    assert!(begun.elapsed() > SILENCE * 2, "{:?}", begun.elapsed());
}

#[tokio::test]
async fn an_upload_that_nobody_takes_ends() {
    let folder = tempfile::tempdir().unwrap();
    let remote = repository(Takes::Never, "").await;
    let failed = remote.upload("sha256:0", SIZE, &content(&folder)).await;
    let said = failed.unwrap_err().to_string();
    assert!(said.contains("no answer within"), "{said}");
}

#[tokio::test]
async fn who_is_silent_is_asked_twice() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let name = format!("{}/wheels", listener.local_addr().unwrap());
    let registry = Registry::patient(Arc::new(DockerConfig::default()), [], SILENCE);
    let failed = registry.repository(&name.parse().unwrap()).tags().await;
    let said = failed.unwrap_err().to_string();
    assert!(said.contains("no answer within 0 s, asked twice"), "{said}");
}

#[tokio::test]
async fn nobody_is_told_how_to_be_somebody() {
    let remote = repository(
        Takes::Never,
        "401 Unauthorized\r\nWWW-Authenticate: Basic realm=x",
    )
    .await;
    let said = remote.tags().await.unwrap_err().to_string();
    let host = remote.repository().host();
    for part in [
        format!("no credentials are known for `{host}`"),
        format!("`docker login {host}`"),
    ] {
        assert!(said.contains(&part), "{said}");
    }
    let remote = repository(Takes::Never, "403 Forbidden").await;
    let said = remote.tags().await.unwrap_err().to_string();
    assert!(said.contains("no credentials are known"), "{said}");
}
