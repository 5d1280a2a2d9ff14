//! The `key=value,key=value` texts of `--output`, `--cache-to`, `--secret` and their kin.
//!
//! One text is one CSV record, as for buildx: a field that holds a comma is put in double quotes, as in
//! `type=image,"name=a,b"`.

use std::collections::BTreeMap;
use std::path::PathBuf;

use crate::layers::Format;

/// A text that does not say what it should.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("bad {what} `{text}`: {reason}")]
pub struct BadSpec {
    /// Which option it was for.
    pub what: &'static str,
    /// The text.
    pub text: String,
    /// What is wrong.
    pub reason: String,
}

/// What an image is exported as.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Output {
    /// BuildKit's name of the exporter: image, oci, docker, local, tar, moby.
    pub exporter: String,
    /// Its attributes, without `type` and `dest`.
    pub attributes: BTreeMap<String, String>,
    /// Where files go, for exporters that make files.
    pub dest: Option<Dest>,
}

/// Where the files of an exporter go.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Dest {
    /// A directory that is filled.
    Directory(PathBuf),
    /// One file.
    File(PathBuf),
    /// Standard output.
    Stdout,
    /// The standard input of `docker load`.
    DockerLoad,
}

/// A cache to import from or to export to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Cache {
    /// registry, local, inline, gha, s3, azblob.
    pub kind: String,
    /// Its attributes, without `type`.
    pub attributes: BTreeMap<String, String>,
}

/// Where a secret's value comes from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum SecretSource {
    /// A file.
    File(PathBuf),
    /// An environment variable of this process.
    Env(String),
}

/// An ssh agent to be forwarded.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Ssh {
    /// The id that mounts refer to.
    pub id: String,
    /// The agent's socket; `$SSH_AUTH_SOCK` without.
    pub socket: Option<PathBuf>,
}

impl Output {
    /// Reads `type=…,dest=…`; a text without `=` is the directory of a `local` export, `-` is a tar on standard output.
    pub fn parse(text: &str) -> Result<Self, BadSpec> {
        let bad = |reason: &str| BadSpec {
            what: "output",
            text: text.to_owned(),
            reason: reason.to_owned(),
        };
        if text == "-" {
            return Ok(Self {
                exporter: "tar".to_owned(),
                attributes: BTreeMap::new(),
                dest: Some(Dest::Stdout),
            });
        }
        if !text.contains('=') && !text.is_empty() {
            let dest = Some(Dest::Directory(text.into()));
            return Ok(Self {
                exporter: "local".to_owned(),
                attributes: BTreeMap::new(),
                dest,
            });
        }
        let mut attributes = pairs(text, "output")?;
        let mut exporter = attributes
            .remove("type")
            .ok_or_else(|| bad("`type=` is missing"))?;
        if exporter == "registry" {
            exporter = String::from("image");
            attributes.insert("push".to_owned(), "true".to_owned());
        }
        let dest = attributes.remove("dest");
        let dest = match (exporter.as_str(), dest) {
            ("local", Some(dir)) if dir != "-" => Some(Dest::Directory(dir.into())),
            ("local", _) => return Err(bad("`dest=DIR` is missing")),
            ("tar" | "oci", None) => return Err(bad("`dest=FILE` is missing (`dest=-` is standard output)")),
            ("docker", None) => Some(Dest::DockerLoad),
            ("tar" | "oci" | "docker", Some(dest)) if dest == "-" => Some(Dest::Stdout),
            ("tar" | "oci" | "docker", Some(dest)) => Some(Dest::File(dest.into())),
            ("image" | "moby", None) => None,
            ("image" | "moby", Some(_)) => return Err(bad("an image has no `dest`, its name is `name=`")),
            _ => {
                return Err(bad(
                    "the types are image, registry, oci, docker, local, tar, moby",
                ));
            }
        };
        if exporter == "local" && attributes.get("mode").is_some_and(|mode| mode != "copy") {
            return Err(bad("`mode=copy` is the only one supported"));
        }
        if attributes.get("tar").is_some_and(|tar| tar != "true") {
            return Err(bad("only tar archives are written, `tar=false` is not supported"));
        }
        Ok(Self {
            exporter,
            attributes,
            dest,
        })
    }

    /// The same with `{service}` replaced in every value.
    pub fn for_service(&self, service: &str) -> Self {
        let mut output = self.clone();
        for value in output.attributes.values_mut() {
            *value = with_service(value, service);
        }
        let path = |path: &PathBuf| PathBuf::from(with_service(&path.to_string_lossy(), service));
        output.dest = output.dest.map(|dest| match dest {
            Dest::Directory(dir) => Dest::Directory(path(&dir)),
            Dest::File(file) => Dest::File(path(&file)),
            other => other,
        });
        output
    }

    /// True if it is an image, whichever way it leaves the engine.
    pub fn is_image(&self) -> bool {
        matches!(self.exporter.as_str(), "image" | "oci" | "docker" | "moby")
    }

    /// How the layers of the image are to be packed, where it says a way that layers are made in here.
    pub fn packing(&self) -> Option<Format> {
        self.attributes.get("compression")?.parse().ok()
    }

    /// True if two services would write to one place.
    pub fn collides(&self) -> bool {
        let fixed = |path: &PathBuf| !path.to_string_lossy().contains(SERVICE);
        let name = self
            .attributes
            .get("name")
            .is_some_and(|name| !name.contains(SERVICE));
        name || match &self.dest {
            Some(Dest::Directory(path) | Dest::File(path)) => fixed(path),
            Some(Dest::Stdout) => true,
            Some(Dest::DockerLoad) | None => false,
        }
    }
}

/// What stands for the service's name in tags and destinations.
pub const SERVICE: &str = "{service}";

/// A service, or a target of one such as `base:web`, in the place of `{service}`: tags and folders take no colon.
fn with_service(text: &str, service: &str) -> String {
    text.replace(SERVICE, &service.replace(':', "-"))
}

impl Cache {
    /// Reads `type=registry,ref=…`; a text without `=` is a registry reference.
    pub fn parse(text: &str, what: &'static str) -> Result<Self, BadSpec> {
        if !text.contains('=') {
            let attributes = BTreeMap::from([("ref".to_owned(), text.to_owned())]);
            return Ok(Self {
                kind: "registry".to_owned(),
                attributes,
            });
        }
        let mut attributes = pairs(text, what)?;
        let bad = |reason: &str| BadSpec {
            what,
            text: text.to_owned(),
            reason: reason.to_owned(),
        };
        let kind = attributes
            .remove("type")
            .ok_or_else(|| bad("`type=` is missing"))?;
        let needed = match (kind.as_str(), what) {
            ("registry", _) => Some("ref"),
            ("local", "cache export") => Some("dest"),
            ("local", _) => Some("src"),
            _ => None,
        };
        if let Some(key) = needed.filter(|key| !attributes.contains_key(*key)) {
            return Err(bad(&format!("a {kind} cache needs `{key}=`")));
        }
        Ok(Self { kind, attributes })
    }

    /// The same with `{service}` replaced in every value.
    pub fn for_service(&self, service: &str) -> Self {
        let mut cache = self.clone();
        for value in cache.attributes.values_mut() {
            *value = with_service(value, service);
        }
        cache
    }
}

impl SecretSource {
    /// Reads `id=…,src=FILE` or `id=…,env=NAME`; with neither, the variable or else the file of the id's name, as
    /// docker does. Returns the id, too.
    pub fn parse(text: &str) -> Result<(String, Self), BadSpec> {
        let bad = |reason: &str| BadSpec {
            what: "secret",
            text: text.to_owned(),
            reason: reason.to_owned(),
        };
        let mut attributes = pairs(text, "secret")?;
        let id = attributes
            .remove("id")
            .filter(|id| !id.is_empty())
            .ok_or_else(|| bad("`id=` is missing"))?;
        let kind = attributes.remove("type");
        let source = attributes.remove("src").or_else(|| attributes.remove("source"));
        let variable = attributes.remove("env");
        if let Some(key) = attributes.keys().next() {
            return Err(bad(&format!(
                "nothing is known about `{key}`, the keys are id, src and env"
            )));
        }
        let source = match (kind.as_deref(), source, variable) {
            (_, Some(_), Some(_)) => return Err(bad("either `src=` or `env=`, not both")),
            (Some("env"), Some(name), None) | (_, None, Some(name)) => Self::Env(name),
            (_, Some(path), None) => Self::File(path.into()),
            (Some("file"), None, None) => Self::File(id.clone().into()),
            (_, None, None) if std::env::var_os(&id).is_some() => Self::Env(id.clone()),
            (_, None, None) => Self::File(id.clone().into()),
        };
        Ok((id, source))
    }
}

impl Ssh {
    /// Reads `default`, `ID` or `ID=SOCKET`.
    pub fn parse(text: &str) -> Result<Self, BadSpec> {
        let (id, socket) = text
            .split_once('=')
            .map_or((text, None), |(id, socket)| (id, Some(socket)));
        if id.is_empty() || socket.is_some_and(str::is_empty) {
            let reason = "expected `ID` or `ID=SOCKET`".to_owned();
            return Err(BadSpec {
                what: "ssh agent",
                text: text.to_owned(),
                reason,
            });
        }
        Ok(Self {
            id: id.to_owned(),
            socket: socket.map(PathBuf::from),
        })
    }

    /// Where the agent listens; none where neither it nor the environment says.
    pub fn place(&self) -> Option<PathBuf> {
        let own = || std::env::var_os("SSH_AUTH_SOCK").map(PathBuf::from);
        self.socket.clone().or_else(own)
    }
}

/// Splits one CSV record of `key=value` fields.
fn pairs(text: &str, what: &'static str) -> Result<BTreeMap<String, String>, BadSpec> {
    let bad = |reason: String| BadSpec {
        what,
        text: text.to_owned(),
        reason,
    };
    let mut found = BTreeMap::new();
    for field in fields(text).ok_or_else(|| bad("a quote is not closed".to_owned()))? {
        let (key, value) = field
            .split_once('=')
            .ok_or_else(|| bad(format!("expected `key=value`, found `{field}`")))?;
        if found.insert(key.trim().to_owned(), value.to_owned()).is_some() {
            return Err(bad(format!("`{key}` is there twice")));
        }
    }
    Ok(found)
}

fn fields(text: &str) -> Option<Vec<String>> {
    let mut fields = vec![String::new()];
    let mut quoted = false;
    let mut rest = text.chars().peekable();
    while let Some(c) = rest.next() {
        let field = fields.last_mut()?;
        match c {
            '"' if quoted && rest.next_if_eq(&'"').is_some() => field.push('"'),
            '"' if quoted || field.is_empty() => quoted = !quoted,
            ',' if !quoted => fields.push(String::new()),
            c => field.push(c),
        }
    }
    (!quoted).then_some(fields)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn outputs() {
        let image = Output::parse(r#"type=image,"name=r.example/a:1,r.example/a:2",push=true"#).unwrap();
        assert_eq!(image.attributes["name"], "r.example/a:1,r.example/a:2");
        assert_eq!(Output::parse("type=registry").unwrap().attributes["push"], "true");
        assert_eq!(
            Output::parse("out").unwrap().dest,
            Some(Dest::Directory("out".into()))
        );
        assert_eq!(Output::parse("type=oci,dest=-").unwrap().dest, Some(Dest::Stdout));
        assert_eq!(Output::parse("type=docker").unwrap().dest, Some(Dest::DockerLoad));
        for (text, part) in [
            ("type=local", "`dest=DIR` is missing"),
            ("type=tar", "`dest=FILE` is missing"),
            ("type=imgae", "the types are"),
            ("dest=x", "`type=` is missing"),
            ("type=oci,dest=x,dest=y", "`dest` is there twice"),
            ("type=oci,tar=false,dest=x", "`tar=false` is not supported"),
            ("type=image,\"name=x", "a quote is not closed"),
        ] {
            let error = Output::parse(text).unwrap_err().to_string();
            assert!(error.contains(part), "{error}");
        }
    }

    #[test]
    fn service_placeholder() {
        let output = Output::parse("type=oci,dest=out/{service}.tar,name=r/{service}").unwrap();
        assert!(!output.collides());
        assert_eq!(
            output.for_service("api").dest,
            Some(Dest::File("out/api.tar".into()))
        );
        assert_eq!(output.for_service("api").attributes["name"], "r/api");
        assert!(Output::parse("out").unwrap().collides());
    }

    #[test]
    fn caches_secrets_agents() {
        assert_eq!(
            Cache::parse("r.example/c", "cache import").unwrap().attributes["ref"],
            "r.example/c"
        );
        assert!(
            Cache::parse("type=local", "cache export")
                .unwrap_err()
                .reason
                .contains("`dest=`")
        );
        assert_eq!(
            SecretSource::parse("id=a,src=f").unwrap(),
            ("a".into(), SecretSource::File("f".into()))
        );
        assert_eq!(
            SecretSource::parse("id=a,env=E").unwrap(),
            ("a".into(), SecretSource::Env("E".into()))
        );
        assert!(
            SecretSource::parse("id=a,scr=f")
                .unwrap_err()
                .reason
                .contains("`scr`")
        );
        assert!(SecretSource::parse("src=f").is_err());
        assert_eq!(
            Ssh::parse("default").unwrap(),
            Ssh {
                id: "default".into(),
                socket: None
            }
        );
        assert_eq!(Ssh::parse("x=/s").unwrap().socket, Some("/s".into()));
        assert!(Ssh::parse("x=").is_err());
    }
}
