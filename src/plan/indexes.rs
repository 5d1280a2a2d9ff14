//! Where packages are looked for and fetched from, from the manifest and what the build was told.

use serde::Serialize;

use crate::manifest::types::items;
use crate::manifest::{Auth, Manifest};
use crate::python::PackageName;

/// Indexes, mirrors and whom to trust.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Indexes {
    /// Indexes in the order they are asked.
    pub list: Vec<IndexPlan>,
    /// What addresses begin with, and what they begin with instead; the first that fits counts.
    pub mirrors: Vec<(String, String)>,
    /// Id of the secret with certificates to trust besides the system's.
    pub ca_certificates: Option<String>,
    /// Whether the engine's own downloads can send a login.
    pub engine_login: bool,
}

/// One index.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct IndexPlan {
    /// Its name.
    pub name: String,
    /// Where it is asked.
    pub url: String,
    /// In place of the default one.
    pub default: bool,
    /// The packages that belong to it, when it is for these only.
    pub only: Vec<PackageName>,
    /// Who may read it.
    #[serde(skip)]
    pub auth: Option<Auth>,
}

impl Indexes {
    /// What a manifest says; `mirrors` of the build come before its own.
    pub fn of(manifest: &Manifest, mirrors: Vec<(String, String)>) -> Self {
        let own = manifest.mirrors.iter().flatten();
        let own = own.map(|mirror| (mirror.from.value.clone(), mirror.to.value.clone()));
        let list = manifest.indexes.iter().flatten().map(|index| IndexPlan {
            name: index.name.value.clone(),
            url: index.url.value.clone(),
            default: index.default.as_ref().is_some_and(|default| default.value),
            only: items(index.only.as_ref())
                .iter()
                .filter_map(|name| name.parse().ok())
                .collect(),
            auth: index.auth.clone(),
        });
        Self {
            list: list.collect(),
            mirrors: mirrors.into_iter().chain(own).collect(),
            ca_certificates: manifest.ca_certificates.as_ref().map(|id| id.value.clone()),
            engine_login: false,
        }
    }

    /// What sources are built with comes from these: the indexes that need no login, which build code could read, and
    /// that are for all packages.
    pub fn public(&self) -> impl Iterator<Item = &IndexPlan> {
        self.list
            .iter()
            .filter(|index| index.auth.is_none() && index.only.is_empty())
    }

    /// Whether any index needs a login.
    pub fn have_logins(&self) -> bool {
        self.list.iter().any(|index| index.auth.is_some())
    }

    /// The credentials for an address: those of the index on the same server.
    pub fn auth(&self, url: &str) -> Option<&Auth> {
        self.on_server(url).find_map(|index| index.auth.as_ref())
    }

    /// The indexes on the server of an address.
    pub fn on_server(&self, url: &str) -> impl Iterator<Item = &IndexPlan> {
        let both = |url: &str| [url.to_owned(), self.mirrored(url)].map(|url| server(&url).to_owned());
        let servers = both(url);
        let is_there = move |index: &&IndexPlan| both(&index.url).iter().any(|own| servers.contains(own));
        self.list.iter().filter(is_there)
    }

    /// Where an address is fetched from.
    pub fn mirrored(&self, url: &str) -> String {
        let found = self
            .mirrors
            .iter()
            .find_map(|(from, to)| Some((to, url.strip_prefix(from.as_str())?)));
        found.map_or_else(|| url.to_owned(), |(to, rest)| format!("{to}{rest}"))
    }

    /// The address that stands in locks for one that a mirror gave.
    pub fn canonical(&self, url: &str) -> Option<String> {
        let found = self
            .mirrors
            .iter()
            .find_map(|(from, to)| Some((from, url.strip_prefix(to.as_str())?)));
        found.map(|(from, rest)| format!("{from}{rest}"))
    }

    /// Each index in a line, as locks record them.
    pub fn lines(&self) -> impl Iterator<Item = String> {
        self.list.iter().map(|index| {
            let default = if index.default { " (default)" } else { "" };
            let only = index
                .only
                .iter()
                .map(PackageName::as_str)
                .collect::<Vec<_>>()
                .join(" ");
            let only = if only.is_empty() {
                only
            } else {
                format!(" for {only}")
            };
            format!("{} {}{default}{only}", index.name, index.url)
        })
    }
}

/// Scheme, host and port of an address.
fn server(url: &str) -> &str {
    let path = url.find("://").map_or(0, |at| at + 3);
    let end = url[path..].find('/').map_or(url.len(), |at| path + at);
    &url[..end]
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::diag::{Span, Spanned};

    #[test]
    fn files_on_an_indexs_server_take_its_login() {
        let netrc = Spanned::new("id".to_owned(), Span::default());
        let indexes = Indexes {
            list: vec![IndexPlan {
                name: "company".to_owned(),
                url: "https://packages.example/simple".to_owned(),
                default: false,
                only: Vec::new(),
                auth: Some(Auth::Netrc { netrc }),
            }],
            ..Indexes::default()
        };
        assert!(indexes.auth("https://packages.example/files/x.whl").is_some());
        assert!(indexes.auth("https://packages.example.org/files/x.whl").is_none());
        assert!(indexes.auth("http://packages.example/x.whl").is_none());
    }

    #[test]
    fn mirrors_go_both_ways() {
        let indexes = Indexes {
            mirrors: vec![(
                "https://files.example/".to_owned(),
                "http://mirror.example/f/".to_owned(),
            )],
            ..Indexes::default()
        };
        let url = "https://files.example/a/x.whl";
        let mirrored = indexes.mirrored(url);
        assert_eq!(mirrored, "http://mirror.example/f/a/x.whl");
        assert_eq!(indexes.canonical(&mirrored).as_deref(), Some(url));
        assert_eq!(indexes.canonical(url), None);
        assert_eq!(
            indexes.mirrored("https://other.example/"),
            "https://other.example/"
        );
    }
}
