//! The options that clients send, typed. Unknown ones are ignored, as new clients send new ones; what is known
//! and wrong is an error.

use std::collections::BTreeMap;
use std::net::IpAddr;

use buildkit_llb::{Network, Platform, ProxyEnv, ResolveMode};

use super::Failure;
use crate::bridge::CacheImport;
use crate::diag::{Diagnostic, Diagnostics};
use crate::manifest::DEFAULT_FILE;

/// What clients may ask of this frontend besides building.
const CAPABILITIES: [&str; 4] = [
    "moby.buildkit.frontend.inputs",
    "moby.buildkit.frontend.subrequests",
    "moby.buildkit.frontend.contexts",
    "moby.buildkit.frontend.gitquerystring",
];

/// Options of one request.
#[derive(Debug, Clone)]
pub struct Options {
    /// The manifest, relative to the folder of the manifest.
    pub filename: String,
    /// A service or `base:NAME`; none when not given.
    pub target: Option<String>,
    /// Platforms asked for.
    pub platforms: Vec<Platform>,
    /// Whether the result is a map even for one platform.
    pub multi_platform: Option<bool>,
    /// Build arguments by name.
    pub build_args: BTreeMap<String, String>,
    /// Labels to add.
    pub labels: BTreeMap<String, String>,
    /// Run everything again.
    pub no_cache: bool,
    /// How images are looked up.
    pub resolve_mode: ResolveMode,
    /// Caches to import.
    pub cache_imports: Vec<CacheImport>,
    /// Network of steps that use it.
    pub network: Network,
    /// Hosts to add to steps that use the network.
    pub extra_hosts: Vec<(String, IpAddr)>,
    /// What addresses of packages begin with, and what they begin with instead.
    pub mirrors: Vec<(String, String)>,
    /// A subrequest in place of a build.
    pub request: Option<String>,
    /// Name of the local source with the manifest.
    pub manifest_local: String,
    /// Name of the local source with the repository.
    pub context_local: String,
    /// A remote context in place of the local one.
    pub remote_context: Option<String>,
    /// A local wheel store that the client hands over.
    pub wheels_layout: Option<WheelsLayout>,
    /// Sessions of local sources that are not the caller's own.
    pub local_sessions: BTreeMap<String, String>,
    /// The client's hints that keep snapshots of local folders apart.
    pub shared_keys: BTreeMap<String, String>,
}

/// A wheel store in an OCI layout of the client: `--build-context wheels=oci-layout://DIR`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct WheelsLayout {
    /// The client's name for the layout.
    pub store: String,
    /// Digest of the catalog.
    pub digest: String,
}

impl Options {
    /// Reads the options of a request; all that are wrong are told.
    pub fn parse(opts: &BTreeMap<String, String>) -> Result<Self, Failure> {
        capabilities(opts)?;
        let mut mistakes = Diagnostics::default();
        let get = |key: &str| opts.get(key).filter(|value| !value.is_empty()).cloned();
        let build_args = with_prefix(opts, "build-arg:");
        let context_local = get("contextkey").unwrap_or_else(|| "context".to_owned());
        let options = Self {
            filename: filename(get("filename")),
            target: get("target"),
            platforms: platforms(get("platform").as_deref(), &mut mistakes),
            multi_platform: get("multi-platform")
                .or_else(|| build_args.get("BUILDKIT_MULTI_PLATFORM").cloned())
                .map(|value| matches!(value.as_str(), "1" | "t" | "true" | "T" | "TRUE" | "True")),
            labels: with_prefix(opts, "label:"),
            no_cache: no_cache(opts),
            resolve_mode: ResolveMode::named(&get("image-resolve-mode").unwrap_or_default()),
            cache_imports: cache_imports(opts, &mut mistakes),
            network: network(get("force-network-mode").as_deref(), &mut mistakes),
            extra_hosts: extra_hosts(get("add-hosts").as_deref(), &mut mistakes),
            mirrors: mirrors(
                build_args.get("WHEELWRIGHT_MIRRORS").map(String::as_str),
                &mut mistakes,
            ),
            request: get("requestid"),
            manifest_local: get("dockerfilekey").unwrap_or_else(|| "dockerfile".to_owned()),
            remote_context: get(&context_local),
            context_local,
            wheels_layout: wheels_layout(get("context:wheels").as_deref(), &mut mistakes),
            local_sessions: with_prefix(opts, "local-sessionid:"),
            shared_keys: with_prefix(opts, "sharedkey:localdir:"),
            build_args,
        };
        mistakes
            .finish(Some(options))
            .map(|(options, _)| options)
            .map_err(Failure::from)
    }

    /// A build argument that is not empty.
    pub fn build_arg(&self, name: &str) -> Option<&str> {
        self.build_args
            .get(name)
            .map(String::as_str)
            .filter(|value| !value.is_empty())
    }

    /// Proxy settings among the build arguments, as Docker's clients pass them.
    pub fn proxy(&self) -> ProxyEnv {
        let get = |name: &str| {
            let found = self
                .build_args
                .iter()
                .find(|(given, _)| given.eq_ignore_ascii_case(name));
            found.map(|(_, value)| value.clone()).unwrap_or_default()
        };
        ProxyEnv {
            http_proxy: get("http_proxy"),
            https_proxy: get("https_proxy"),
            ftp_proxy: get("ftp_proxy"),
            no_proxy: get("no_proxy"),
            all_proxy: get("all_proxy"),
        }
    }
}

/// Clients write `oci-layout://STORE[:TAG]@DIGEST`.
fn wheels_layout(given: Option<&str>, mistakes: &mut Diagnostics) -> Option<WheelsLayout> {
    let text = given?;
    let parts = text.strip_prefix("oci-layout://").and_then(|rest| {
        let (name, digest) = rest.split_once('@')?;
        let store = name.split_once(':').map_or(name, |(store, _)| store);
        Some(WheelsLayout {
            store: store.to_owned(),
            digest: digest.to_owned(),
        })
    });
    if parts.is_none() {
        mistakes.push(
            Diagnostic::error(format!("the build context `wheels` cannot be `{text}`"))
                .help("it is a folder made by `wheelwright wheels export`: `--build-context wheels=oci-layout://DIR`"),
        );
    }
    parts
}

/// `docker build` sends `Dockerfile` when no file was named.
fn filename(given: Option<String>) -> String {
    match given {
        Some(name) if name != "Dockerfile" => name,
        _ => DEFAULT_FILE.to_owned(),
    }
}

fn with_prefix(opts: &BTreeMap<String, String>, prefix: &str) -> BTreeMap<String, String> {
    opts.iter()
        .filter_map(|(key, value)| Some((key.strip_prefix(prefix)?.to_owned(), value.clone())))
        .collect()
}

/// A capability that is asked for and unknown ends the request, unless it is only to be forwarded.
fn capabilities(opts: &BTreeMap<String, String>) -> Result<(), Failure> {
    let asked = opts.get("frontend.caps").map(String::as_str).unwrap_or_default();
    for cap in asked
        .split(',')
        .map(str::trim)
        .filter(|cap| !cap.is_empty() && !cap.ends_with("+forward"))
    {
        if !CAPABILITIES.contains(&cap) {
            return Err(Failure::Capability(cap.to_owned()));
        }
    }
    Ok(())
}

fn platforms(given: Option<&str>, mistakes: &mut Diagnostics) -> Vec<Platform> {
    let mut platforms: Vec<Platform> = Vec::new();
    for text in given
        .iter()
        .flat_map(|list| list.split(','))
        .map(str::trim)
        .filter(|text| !text.is_empty())
    {
        match text.parse::<Platform>() {
            // Twice the same platform breaks provenance.
            Ok(platform) if platforms.contains(&platform) => {}
            Ok(platform) => platforms.push(platform),
            Err(error) => mistakes
                .push(Diagnostic::error(format!("`{text}` is not a platform")).help(error.to_string())),
        }
    }
    platforms
}

/// An empty value means everything; names mean services, and a build is of one service.
fn no_cache(opts: &BTreeMap<String, String>) -> bool {
    match (opts.get("no-cache").map(String::as_str), opts.get("target")) {
        (None, _) => false,
        (Some(names), Some(target)) if !names.is_empty() => names
            .split(',')
            .any(|name| name.trim().eq_ignore_ascii_case(target)),
        (Some(_), _) => true,
    }
}

fn cache_imports(opts: &BTreeMap<String, String>, mistakes: &mut Diagnostics) -> Vec<CacheImport> {
    let mut imports = Vec::new();
    if let Some(text) = opts.get("cache-imports").filter(|text| !text.is_empty()) {
        match serde_json::from_str::<Vec<CacheImport>>(text) {
            Ok(list) => imports.extend(list),
            Err(error) => mistakes.push(Diagnostic::error(format!(
                "`cache-imports` cannot be read: {error}"
            ))),
        }
    }
    let legacy = opts.get("cache-from").map(String::as_str).unwrap_or_default();
    imports.extend(
        legacy
            .split(',')
            .filter(|name| !name.is_empty())
            .map(|name| CacheImport {
                r#type: "registry".to_owned(),
                attrs: BTreeMap::from([("ref".to_owned(), name.to_owned())]),
            }),
    );
    imports
}

fn network(given: Option<&str>, mistakes: &mut Diagnostics) -> Network {
    match given {
        None | Some("default" | "sandbox") => Network::Default,
        Some("host") => Network::Host,
        Some("none") => Network::None,
        Some(other) => {
            mistakes.push(
                Diagnostic::error(format!("`{other}` is not a network mode"))
                    .help("known: default, host, none"),
            );
            Network::Default
        }
    }
}

/// `FROM=TO`, several with blanks between them.
fn mirrors(given: Option<&str>, mistakes: &mut Diagnostics) -> Vec<(String, String)> {
    let mut mirrors = Vec::new();
    for entry in given.iter().flat_map(|list| list.split_whitespace()) {
        match entry
            .split_once('=')
            .filter(|(from, to)| from.contains("://") && to.contains("://"))
        {
            Some((from, to)) => mirrors.push((from.to_owned(), to.to_owned())),
            None => mistakes.push(
                Diagnostic::error(format!("`{entry}` is not a mirror"))
                    .help("expected FROM=TO, two addresses"),
            ),
        }
    }
    mirrors
}

fn extra_hosts(given: Option<&str>, mistakes: &mut Diagnostics) -> Vec<(String, IpAddr)> {
    let mut hosts = Vec::new();
    for entry in given
        .iter()
        .flat_map(|list| list.split(','))
        .filter(|entry| !entry.is_empty())
    {
        let parsed = entry
            .split_once('=')
            .and_then(|(host, ip)| Some((host.to_owned(), ip.parse().ok()?)));
        match parsed {
            Some(host) => hosts.push(host),
            None => mistakes
                .push(Diagnostic::error(format!("`{entry}` is not a host to add")).help("expected HOST=IP")),
        }
    }
    hosts
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(opts: &[(&str, &str)]) -> Result<Options, Failure> {
        Options::parse(
            &opts
                .iter()
                .map(|(k, v)| ((*k).to_owned(), (*v).to_owned()))
                .collect(),
        )
    }

    #[test]
    fn defaults_are_those_of_a_plain_build() {
        let options = parse(&[("filename", "Dockerfile"), ("cache-from", ""), ("new-thing", "1")]).unwrap();
        assert_eq!(options.filename, "wheelwright.yaml");
        assert!(options.cache_imports.is_empty() && !options.no_cache && options.platforms.is_empty());
        assert_eq!(options.context_local, "context");
    }

    #[test]
    fn known_options_are_typed() {
        let options = parse(&[
            ("platform", "linux/amd64,linux/aarch64,linux/arm64"),
            (
                "cache-imports",
                r#"[{"Type":"registry","Attrs":{"ref":"r.example/c"}}]"#,
            ),
            ("no-cache", ""),
            ("label:a", "b"),
            ("add-hosts", "x=1.2.3.4"),
            ("build-arg:HTTP_PROXY", "http://p.example"),
            ("local-sessionid:context", "s"),
        ])
        .unwrap();
        assert_eq!(options.platforms.len(), 2);
        assert_eq!(options.cache_imports[0].attrs["ref"], "r.example/c");
        assert!(options.no_cache);
        assert_eq!(options.labels["a"], "b");
        assert_eq!(options.proxy().http_proxy, "http://p.example");
        assert_eq!(options.local_sessions["context"], "s");
    }

    #[test]
    fn mistakes_are_told_together() {
        let text = parse(&[("platform", "no/such/thing/at/all"), ("force-network-mode", "x")])
            .unwrap_err()
            .to_string();
        assert!(
            text.contains("not a platform") && text.contains("not a network mode"),
            "{text}"
        );
        assert!(matches!(
            parse(&[("frontend.caps", "x.y")]),
            Err(Failure::Capability(_))
        ));
        assert!(parse(&[("frontend.caps", "x.y+forward,moby.buildkit.frontend.inputs")]).is_ok());
    }
}
