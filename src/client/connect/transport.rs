//! Byte streams to an engine: a socket, TCP with or without TLS, or a program's standard input and output.

use std::io;
use std::path::PathBuf;
use std::pin::Pin;
use std::process::Stdio;
use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Context, Poll};

use tokio::io::{AsyncBufReadExt as _, AsyncRead, AsyncWrite, BufReader, ReadBuf};
use tokio::net::{TcpStream, UnixStream};
use tokio::process::{Child, ChildStdin, ChildStdout, Command};
use tokio_rustls::TlsConnector;
use tokio_rustls::rustls::pki_types::ServerName;

use crate::client::address::Address;

/// A way to open byte streams to one engine.
#[derive(Clone)]
pub(super) enum Transport {
    Unix(PathBuf),
    Tcp {
        host: String,
        port: u16,
        tls: Option<Tls>,
    },
    Command {
        argv: Vec<String>,
        said: Said,
    },
}

/// TLS with the name the server has to prove.
#[derive(Clone)]
pub(super) struct Tls {
    /// Offers HTTP/2, which gRPC servers insist on.
    pub(super) grpc: TlsConnector,
    /// Offers nothing: a connection that agreed on HTTP/2 cannot be upgraded to it.
    pub(super) http: TlsConnector,
    pub(super) name: ServerName<'static>,
}

/// The last lines that a connection's program wrote to its standard error.
#[derive(Clone, Default)]
pub(super) struct Said(Arc<Mutex<Vec<String>>>);

/// One open stream. Dropping it closes the connection and ends its program.
pub(in crate::client) type Io = Box<dyn Stream>;

/// Both directions of a connection.
pub(in crate::client) trait Stream: AsyncRead + AsyncWrite + Send + Unpin {}

impl<T: AsyncRead + AsyncWrite + Send + Unpin> Stream for T {}

impl Transport {
    pub(super) fn new(address: &Address, tls: Option<Tls>) -> Self {
        match address {
            Address::Unix(path) => Self::Unix(path.clone()),
            Address::Tcp { host, port } => Self::Tcp {
                host: host.clone(),
                port: *port,
                tls,
            },
            Address::Command { argv, .. } => Self::Command {
                argv: argv.clone(),
                said: Said::default(),
            },
        }
    }

    /// Opens a stream for `grpc`, or else for a request that asks Docker's API for it.
    pub(super) async fn open(&self, grpc: bool) -> io::Result<Io> {
        Ok(match self {
            Self::Unix(path) => Box::new(UnixStream::connect(path).await?),
            Self::Tcp { host, port, tls } => {
                let stream = TcpStream::connect((host.as_str(), *port)).await?;
                stream.set_nodelay(true)?;
                // A host that went away without a word is noticed by the kernel, not by gRPC pings: daemons take
                // frequent ones for an attack.
                rustix::net::sockopt::set_socket_keepalive(&stream, true)?;
                match tls {
                    Some(tls) => {
                        let connector = if grpc { &tls.grpc } else { &tls.http };
                        Box::new(connector.connect(tls.name.clone(), stream).await?)
                    }
                    None => Box::new(stream),
                }
            }
            Self::Command { argv, said } => Box::new(ChildStream::spawn(argv, said.clone())?),
        })
    }

    /// Sees whether anybody listens.
    pub(super) async fn probe(&self) -> io::Result<()> {
        self.open(true).await.map(drop)
    }

    /// What the connection's program had to say, if it is one.
    pub(super) fn said(&self) -> Option<String> {
        let Self::Command { said, .. } = self else {
            return None;
        };
        let lines = said.0.lock().unwrap_or_else(PoisonError::into_inner);
        (!lines.is_empty()).then(|| lines.join("; "))
    }
}

/// A program's standard input and output as one stream. The program is ended when the stream is dropped.
struct ChildStream {
    stdin: ChildStdin,
    stdout: ChildStdout,
    _child: Child,
}

impl ChildStream {
    fn spawn(argv: &[String], said: Said) -> io::Result<Self> {
        let (program, arguments) = argv.split_first().ok_or(io::ErrorKind::InvalidInput)?;
        let mut child = Command::new(program)
            .args(arguments)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            // A group of its own: Ctrl-C in the terminal is for this process, which ends the build in order.
            .process_group(0)
            .kill_on_drop(true)
            .spawn()
            .map_err(|error| io::Error::new(error.kind(), format!("failed to run `{program}`: {error}")))?;
        let (Some(stdin), Some(stdout), Some(stderr)) =
            (child.stdin.take(), child.stdout.take(), child.stderr.take())
        else {
            return Err(io::ErrorKind::BrokenPipe.into());
        };
        tokio::spawn(said.listen(stderr));
        Ok(Self {
            stdin,
            stdout,
            _child: child,
        })
    }
}

impl Said {
    async fn listen(self, stderr: tokio::process::ChildStderr) {
        let mut lines = BufReader::new(stderr).lines();
        while let Ok(Some(line)) = lines.next_line().await {
            let mut said = self.0.lock().unwrap_or_else(PoisonError::into_inner);
            if !line.trim().is_empty() {
                said.push(line.trim().to_owned());
            }
            if said.len() > 5 {
                said.remove(0);
            }
        }
    }
}

impl AsyncRead for ChildStream {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stdout).poll_read(cx, buffer)
    }
}

impl AsyncWrite for ChildStream {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, data: &[u8]) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.stdin).poll_write(cx, data)
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stdin).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stdin).poll_shutdown(cx)
    }
}
