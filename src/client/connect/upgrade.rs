//! Docker's HTTP API turned into a raw stream: `POST /grpc` and `POST /session` with `Upgrade: h2c`.
//!
//! The request is fixed and the answer is one line and headers, so no HTTP client is needed; what follows the
//! answer's blank line is the stream.

use std::io;

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};

use super::transport::Io;

/// An answer's head longer than this is none.
const HEAD_LIMIT: usize = 64 << 10;

/// Asks for `path` to become an h2c stream; `headers` are sent along.
pub(super) async fn upgrade(mut io: Io, path: &str, headers: &[(&str, &str)]) -> io::Result<Io> {
    let mut request = format!(
        "POST {path} HTTP/1.1\r\nHost: docker\r\nConnection: Upgrade\r\nUpgrade: h2c\r\nContent-Length: 0\r\n"
    );
    for (name, value) in headers {
        if value.contains(['\r', '\n']) {
            return Err(io::Error::new(
                io::ErrorKind::InvalidInput,
                format!("a line break in header `{name}`"),
            ));
        }
        request.extend([name, ": ", value, "\r\n"]);
    }
    request.push_str("\r\n");
    io.write_all(request.as_bytes()).await?;
    io.flush().await?;
    let head = head(&mut io).await?;
    let status = head.lines().next().unwrap_or_default();
    if status.split(' ').nth(1) == Some("101") {
        return Ok(io);
    }
    let message = format!("`POST {path}` was answered with `{status}`, expected `101 Switching Protocols`");
    Err(io::Error::new(io::ErrorKind::ConnectionRefused, message))
}

/// Reads up to the blank line and not a byte more: those are the stream's.
async fn head(io: &mut Io) -> io::Result<String> {
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") {
        head.push(io.read_u8().await?);
        if head.len() > HEAD_LIMIT {
            return Err(io::Error::new(
                io::ErrorKind::InvalidData,
                "the answer is not HTTP",
            ));
        }
    }
    Ok(String::from_utf8_lossy(&head).into_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    async fn answered_with(answer: &'static [u8]) -> io::Result<Io> {
        let (client, mut server) = tokio::io::duplex(1 << 12);
        tokio::spawn(async move {
            let mut request = vec![0; 512];
            let length = server.read(&mut request).await.unwrap();
            let request = String::from_utf8_lossy(&request[..length]).into_owned();
            assert!(request.starts_with("POST /session HTTP/1.1\r\n"), "{request}");
            assert!(request.contains("\r\nA: b\r\n"), "{request}");
            server.write_all(answer).await.unwrap();
        });
        upgrade(Box::new(client), "/session", &[("A", "b")]).await
    }

    #[tokio::test]
    async fn the_stream_begins_after_the_head() {
        let mut io = answered_with(b"HTTP/1.1 101 UPGRADED\r\nUpgrade: h2c\r\n\r\nPRI")
            .await
            .unwrap();
        let mut rest = String::new();
        io.read_to_string(&mut rest).await.unwrap();
        assert_eq!(rest, "PRI");
    }

    #[tokio::test]
    async fn other_answers_are_errors() {
        let error = answered_with(b"HTTP/1.1 404 Not Found\r\n\r\n")
            .await
            .err()
            .unwrap();
        assert!(error.to_string().contains("404 Not Found"));
    }
}
