//! Where an engine is: the addresses that buildctl, buildx and Docker understand.
//!
//! ```text
//! unix:///run/buildkit/buildkitd.sock     a socket, of buildkitd or of dockerd
//! tcp://host:1234                         the same over TCP, with TLS where certificates are given
//! docker-container://NAME[?context=C]     a buildkitd in a container: docker exec -i NAME buildctl dial-stdio
//! podman-container://NAME                 the same with podman
//! kube-pod://POD[?namespace=N&container=C&context=X]
//! ssh://[USER@]HOST[:PORT][/SOCKET]       ssh HOST buildctl dial-stdio
//! docker+ssh://[USER@]HOST[:PORT]         ssh HOST docker system dial-stdio, what DOCKER_HOST calls ssh://
//! buildx://[NAME]                         docker buildx dial-stdio: any buildx builder, the current one without a name
//! ```

use std::collections::BTreeMap;
use std::fmt;
use std::path::PathBuf;
use std::str::FromStr;

/// The address of an engine.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Address {
    /// A Unix socket.
    Unix(PathBuf),
    /// `host:port`, the host without brackets.
    Tcp {
        /// Name or IP address.
        host: String,
        /// Port.
        port: u16,
    },
    /// A program whose standard input and output are the connection.
    Command {
        /// How it was written.
        text: String,
        /// Program and arguments.
        argv: Vec<String>,
        /// What answers at its other end.
        speaks: Speaks,
    },
}

/// Which protocol a connection opens with.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Speaks {
    /// gRPC at once, as buildkitd does.
    Grpc,
    /// Docker's HTTP API, which has to be asked for gRPC.
    Docker,
}

/// An address that is none.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("`{text}` is no engine address: {reason}")]
pub struct BadAddress {
    text: String,
    reason: String,
}

impl FromStr for Address {
    type Err = BadAddress;

    fn from_str(text: &str) -> Result<Self, BadAddress> {
        let bad = |reason: &str| BadAddress {
            text: text.to_owned(),
            reason: reason.to_owned(),
        };
        let (scheme, rest) = text
            .split_once("://")
            .ok_or_else(|| bad("expected a scheme such as `unix://` or `tcp://`"))?;
        let (target, query) = rest.split_once('?').unwrap_or((rest, ""));
        let mut query: BTreeMap<&str, &str> = query
            .split('&')
            .filter(|pair| !pair.is_empty())
            .map(|pair| pair.split_once('=').unwrap_or((pair, "")))
            .collect();
        let command = |argv: Vec<String>, speaks| Self::Command {
            text: text.to_owned(),
            argv,
            speaks,
        };
        let address = match scheme {
            "unix" if target.starts_with('/') => Self::Unix(target.into()),
            "unix" => return Err(bad("expected an absolute path after `unix://`")),
            "tcp" => tcp(target).map_err(|reason| bad(&reason))?,
            "docker-container" | "podman-container" => {
                let program = scheme.trim_end_matches("-container");
                let context = query.remove("context");
                let name = plain(target).ok_or_else(|| bad("expected the name of a container"))?;
                command(container(program, context, name), Speaks::Grpc)
            }
            "kube-pod" => {
                let name = plain(target).ok_or_else(|| bad("expected the name of a pod"))?;
                command(pod(name, &mut query), Speaks::Grpc)
            }
            "ssh" => {
                let (mut argv, socket) = ssh(target).map_err(bad)?;
                argv.push("buildctl".to_owned());
                if let Some(socket) = socket {
                    argv.extend(["--addr".to_owned(), format!("unix://{socket}")]);
                }
                argv.push("dial-stdio".to_owned());
                command(argv, Speaks::Grpc)
            }
            "docker+ssh" => {
                let (mut argv, _) = ssh(target).map_err(bad)?;
                argv.extend(["docker", "system", "dial-stdio"].map(str::to_owned));
                command(argv, Speaks::Docker)
            }
            "buildx" => Self::builder(Some(target).filter(|name| !name.is_empty())),
            _ => {
                return Err(bad(
                    "the schemes are unix, tcp, docker-container, podman-container, kube-pod, ssh, buildx",
                ));
            }
        };
        match query.keys().next() {
            Some(key) => Err(bad(&format!("nothing is known about `{key}`"))),
            None => Ok(address),
        }
    }
}

impl Address {
    /// A buildx builder, the current one without a name.
    pub fn builder(name: Option<&str>) -> Self {
        let mut argv = ["docker", "buildx", "dial-stdio", "--progress=plain"]
            .map(str::to_owned)
            .to_vec();
        argv.extend(name.map(|name| format!("--builder={name}")));
        let text = format!("buildx://{}", name.unwrap_or_default());
        Self::Command {
            text,
            argv,
            speaks: Speaks::Grpc,
        }
    }

    /// The address in `DOCKER_HOST`, where `ssh://` leads to dockerd.
    pub fn docker_host(text: &str) -> Result<Self, BadAddress> {
        match text.strip_prefix("ssh://") {
            Some(rest) => format!("docker+ssh://{rest}").parse(),
            None => text.parse(),
        }
    }
}

impl fmt::Display for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Unix(path) => write!(f, "unix://{}", path.display()),
            Self::Tcp { host, port } if host.contains(':') => write!(f, "tcp://[{host}]:{port}"),
            Self::Tcp { host, port } => write!(f, "tcp://{host}:{port}"),
            Self::Command { text, .. } => f.write_str(text),
        }
    }
}

/// A word that no program can take for an option or a path.
fn plain(word: &str) -> Option<&str> {
    let word = word.trim_end_matches('/');
    let ok = !word.is_empty() && !word.starts_with('-') && !word.contains('/');
    ok.then_some(word)
}

fn tcp(target: &str) -> Result<Address, String> {
    let target = target.trim_end_matches('/');
    let (host, port) = target.rsplit_once(':').ok_or("expected `tcp://host:port`")?;
    let host = host
        .strip_prefix('[')
        .and_then(|host| host.strip_suffix(']'))
        .unwrap_or(host);
    let port = port.parse().map_err(|_| format!("`{port}` is no port"))?;
    if host.is_empty() {
        return Err("expected a host before the port".to_owned());
    }
    Ok(Address::Tcp {
        host: host.to_owned(),
        port,
    })
}

fn container(program: &str, context: Option<&str>, name: &str) -> Vec<String> {
    let mut argv = vec![program.to_owned()];
    argv.extend(context.map(|context| format!("--context={context}")));
    argv.extend(["exec", "-i", name, "buildctl", "dial-stdio"].map(str::to_owned));
    argv
}

fn pod(name: &str, query: &mut BTreeMap<&str, &str>) -> Vec<String> {
    let mut argv = vec!["kubectl".to_owned()];
    for key in ["context", "namespace"] {
        argv.extend(query.remove(key).map(|value| format!("--{key}={value}")));
    }
    argv.extend(["exec", "-i"].map(str::to_owned));
    argv.extend(
        query
            .remove("container")
            .map(|value| format!("--container={value}")),
    );
    argv.extend([name, "--", "buildctl", "dial-stdio"].map(str::to_owned));
    argv
}

/// The `ssh` command up to the host, and the socket path if one is given.
fn ssh(target: &str) -> Result<(Vec<String>, Option<String>), &'static str> {
    let (host, socket) = target
        .split_once('/')
        .map_or((target, None), |(host, path)| (host, Some(path)));
    let (host, port) = match host.rsplit_once(':') {
        Some((host, port)) => (
            host,
            Some(port.parse::<u16>().map_err(|_| "the port is no number")?),
        ),
        None => (host, None),
    };
    let host = plain(host).ok_or("expected `ssh://[user@]host[:port]`")?;
    let mut argv = vec!["ssh".to_owned()];
    argv.extend(port.map(|port| format!("-p{port}")));
    argv.extend(["--".to_owned(), host.to_owned()]);
    Ok((
        argv,
        socket
            .filter(|path| !path.is_empty())
            .map(|path| format!("/{path}")),
    ))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn argv(text: &str) -> String {
        match text.parse().unwrap() {
            Address::Command { argv, .. } => argv.join(" "),
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn sockets_and_hosts() {
        assert_eq!(
            "unix:///run/x.sock".parse(),
            Ok(Address::Unix("/run/x.sock".into()))
        );
        assert_eq!(
            "tcp://h:1234".parse(),
            Ok(Address::Tcp {
                host: "h".into(),
                port: 1234
            })
        );
        let six: Address = "tcp://[::1]:1".parse().unwrap();
        assert_eq!(
            (six.clone(), six.to_string().as_str()),
            (
                Address::Tcp {
                    host: "::1".into(),
                    port: 1
                },
                "tcp://[::1]:1"
            )
        );
    }

    #[test]
    fn programs() {
        assert_eq!(
            argv("docker-container://bk"),
            "docker exec -i bk buildctl dial-stdio"
        );
        assert_eq!(
            argv("docker-container://bk?context=c"),
            "docker --context=c exec -i bk buildctl dial-stdio"
        );
        assert_eq!(
            argv("kube-pod://p?namespace=n&container=c"),
            "kubectl --namespace=n exec -i --container=c p -- buildctl dial-stdio"
        );
        assert_eq!(
            argv("ssh://me@host:22/run/b.sock"),
            "ssh -p22 -- me@host buildctl --addr unix:///run/b.sock dial-stdio"
        );
        assert_eq!(
            argv("buildx://remote"),
            "docker buildx dial-stdio --progress=plain --builder=remote"
        );
        let over_ssh = Address::docker_host("ssh://me@host").unwrap();
        assert!(
            matches!(over_ssh, Address::Command { speaks: Speaks::Docker, argv, .. } if argv[2..] == ["me@host", "docker", "system", "dial-stdio"])
        );
    }

    #[test]
    fn mistakes_are_explained() {
        for (text, part) in [
            ("buildkitd.sock", "a scheme such as"),
            ("http://x", "the schemes are"),
            ("unix://x", "an absolute path"),
            ("tcp://host", "host:port"),
            ("tcp://host:x", "`x` is no port"),
            ("docker-container://", "name of a container"),
            ("docker-container://--privileged", "name of a container"),
            ("ssh://-oProxyCommand=x", "expected `ssh://"),
            ("kube-pod://p?nmespace=x", "nothing is known about `nmespace`"),
        ] {
            let error = text.parse::<Address>().unwrap_err().to_string();
            assert!(error.contains(part), "{error}");
        }
    }
}
