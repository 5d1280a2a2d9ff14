//! TLS to an engine: certificates from files, the engine's checked against the given authority and no other.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use tokio_rustls::TlsConnector;
use tokio_rustls::rustls::pki_types::pem::PemObject as _;
use tokio_rustls::rustls::pki_types::{CertificateDer, PrivateKeyDer, ServerName};
use tokio_rustls::rustls::{ClientConfig, RootCertStore, crypto::ring};

use super::transport::Tls;

/// The certificate files of a `tcp://` engine.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct TlsFiles {
    /// The authority that signed the engine's certificate. TLS is used when it is there.
    pub ca: Option<PathBuf>,
    /// This client's certificate.
    pub cert: Option<PathBuf>,
    /// Its key.
    pub key: Option<PathBuf>,
    /// The name in the engine's certificate, where it is not the host's.
    pub server_name: Option<String>,
}

/// TLS that cannot be set up.
#[derive(Debug, thiserror::Error)]
pub enum TlsError {
    /// A file is missing or holds something else.
    #[error("failed to read `{path}`: {reason}")]
    File {
        /// The file.
        path: PathBuf,
        /// What is wrong.
        reason: String,
    },
    /// Options that only make sense together.
    #[error("{0}")]
    Incomplete(&'static str),
    /// The certificate or the name are of no use.
    #[error("failed to set up TLS: {0}")]
    Setup(String),
}

/// TLS for the engine at `host`, None if no file is given.
pub(super) fn connector(files: &TlsFiles, host: &str) -> Result<Option<Tls>, TlsError> {
    let Some(ca) = &files.ca else {
        let given = files.cert.is_some() || files.key.is_some() || files.server_name.is_some();
        let missing =
            TlsError::Incomplete("TLS needs `--tlscacert`, the authority that the engine is checked against");
        return if given { Err(missing) } else { Ok(None) };
    };
    let setup = |error: &dyn std::fmt::Display| TlsError::Setup(error.to_string());
    let mut roots = RootCertStore::empty();
    for certificate in certificates(ca)? {
        roots.add(certificate).map_err(|error| setup(&error))?;
    }
    let config = ClientConfig::builder_with_provider(Arc::new(ring::default_provider()))
        .with_safe_default_protocol_versions()
        .map_err(|error| setup(&error))?
        .with_root_certificates(roots);
    let mut config = match (&files.cert, &files.key) {
        (Some(cert), Some(key)) => {
            let private = PrivateKeyDer::from_pem_file(key).map_err(|error| file_error(key, &error))?;
            config
                .with_client_auth_cert(certificates(cert)?, private)
                .map_err(|error| setup(&error))?
        }
        (None, None) => config.with_no_client_auth(),
        _ => return Err(TlsError::Incomplete("`--tlscert` and `--tlskey` belong together")),
    };
    let http = TlsConnector::from(Arc::new(config.clone()));
    config.alpn_protocols = vec![b"h2".to_vec()];
    let grpc = TlsConnector::from(Arc::new(config));
    let name = files.server_name.as_deref().unwrap_or(host).to_owned();
    let name = ServerName::try_from(name).map_err(|error| setup(&error))?;
    Ok(Some(Tls { grpc, http, name }))
}

fn certificates(path: &Path) -> Result<Vec<CertificateDer<'static>>, TlsError> {
    let read = || CertificateDer::pem_file_iter(path)?.collect::<Result<Vec<_>, _>>();
    let certificates = read().map_err(|error| file_error(path, &error))?;
    if certificates.is_empty() {
        return Err(file_error(path, &"no certificate in it"));
    }
    Ok(certificates)
}

fn file_error(path: &Path, reason: &dyn std::fmt::Display) -> TlsError {
    TlsError::File {
        path: path.to_owned(),
        reason: reason.to_string(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn error(files: &TlsFiles) -> String {
        connector(files, "host")
            .err()
            .map(|error| error.to_string())
            .unwrap_or_default()
    }

    #[test]
    fn what_is_missing_is_named() {
        assert!(connector(&TlsFiles::default(), "host").is_ok_and(|tls| tls.is_none()));
        let key_only = TlsFiles {
            key: Some("k".into()),
            ..TlsFiles::default()
        };
        assert!(error(&key_only).contains("--tlscacert"));
        let absent = TlsFiles {
            ca: Some("/nonexistent/ca.pem".into()),
            ..TlsFiles::default()
        };
        assert!(error(&absent).contains("`/nonexistent/ca.pem`"));
    }
}
