//! HTTP as this program speaks it: one client for indexes and registries, and addresses that may be shown.
//!
//! TLS is rustls with ring, trusting what the system trusts (`SSL_CERT_FILE` and `SSL_CERT_DIR` included); proxies are
//! those of the usual environment variables. HTTP/1.1 only: many large files come faster over connections of their own.

use std::error::Error as _;
use std::fmt;
use std::sync::{Arc, LazyLock};
use std::time::Duration;

pub use reqwest::{Client, Url};

/// How long a server may take to accept a connection.
const CONNECT: Duration = Duration::from_secs(10);
/// How long it may be silent while it should send.
pub const SILENCE: Duration = Duration::from_secs(30);
/// What is said of a server that was silent for longer.
pub const STOPPED: &str = "the server stopped sending";

/// The client; clones share connections.
pub fn client() -> Result<Client, String> {
    builder(SILENCE).build().map_err(|error| why(&error))
}

/// A client to be, for those who want other settings than [`client`]'s; `silence` is how long a server may be silent. It
/// counts from the request on, so what is sent has to be sent by then: uploads are for [`patient`] ones.
pub fn builder(silence: Duration) -> reqwest::ClientBuilder {
    patient().read_timeout(silence)
}

/// A client to be that waits for answers as long as it takes.
pub fn patient() -> reqwest::ClientBuilder {
    // A second installation of the same provider is refused, which is what is wanted.
    drop(tokio_rustls::rustls::crypto::ring::default_provider().install_default());
    Client::builder()
        .user_agent(concat!("wheelwright/", env!("CARGO_PKG_VERSION")))
        .connect_timeout(CONNECT)
}

/// A client that is made when it is first needed: it reads all of the system's certificates, which takes longer than what most
/// builds ask. Clones share it.
#[derive(Clone)]
pub struct LazyClient(Arc<LazyLock<Made, Box<dyn FnOnce() -> Made + Send>>>);

type Made = Result<Client, String>;

impl LazyClient {
    /// The client that `builder` makes.
    pub fn new(builder: reqwest::ClientBuilder) -> Self {
        let make = move || builder.build().map_err(|error| why(&error));
        Self(Arc::new(LazyLock::new(Box::new(make))))
    }

    /// The client, or why there is none.
    pub fn get(&self) -> Result<&Client, String> {
        LazyLock::force(&self.0).as_ref().map_err(Clone::clone)
    }
}

impl fmt::Debug for LazyClient {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("LazyClient")
    }
}

/// An address without what is secret in it: user, password, and the query, which may be a signature.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Shown(String);

impl Shown {
    /// The address as it may be shown.
    pub fn new(url: &str) -> Self {
        let parsed = Url::parse(url)
            .ok()
            .filter(|url| matches!(url.scheme(), "http" | "https"));
        let Some(mut url) = parsed else {
            return Self("an address that is not HTTP".to_owned());
        };
        // They fail only for addresses that cannot have any.
        let _ = (url.set_username(""), url.set_password(None));
        url.set_query(None);
        url.set_fragment(None);
        Self(url.into())
    }
}

impl fmt::Display for Shown {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// Why a request failed, in words, the cause first and without its address.
pub fn why(error: &reqwest::Error) -> String {
    if error.is_timeout() {
        return if error.is_connect() {
            format!("no connection within {} s", CONNECT.as_secs())
        } else {
            STOPPED.to_owned()
        };
    }
    // The layers above only say that there was an error below.
    let mut cause = error.source();
    while let Some(deeper) = cause.and_then(std::error::Error::source) {
        cause = Some(deeper);
    }
    cause.map_or_else(|| "the request could not be sent".to_owned(), ToString::to_string)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn secrets_in_addresses_are_not_shown() {
        let shown = |url: &str| Shown::new(url).to_string();
        assert_eq!(
            shown("https://user:secret@files.example/a/b.whl?X-Signature=secret#sha256=00"),
            "https://files.example/a/b.whl"
        );
        assert_eq!(shown("user:secret@files"), "an address that is not HTTP");
    }

    #[tokio::test]
    async fn a_failed_request_says_why() {
        let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        let url = format!("http://{}/", listener.local_addr().unwrap());
        drop(listener);
        let error = client().unwrap().get(&url).send().await.unwrap_err();
        assert!(why(&error).contains("refused"), "{}", why(&error));
    }
}
