//! The locks as they are on disk, and what is wrong with them; no engine is needed to see it.

use std::collections::BTreeMap;

use super::LockArgs;
use crate::cli::Failure;
use crate::cli::project::{Gathered, Opened};
use crate::diag::{Diagnostic, Diagnostics, SourceFile, did_you_mean};
use crate::frontend::{self, Locked, Made, UvProject, lock_group, theirs};
use crate::manifest::ProjectPath;
use crate::manifest::types::items;

/// The services that are asked for, with what their locks are made from.
pub(super) struct State {
    pub(super) services: Vec<Lockable>,
    /// Workspaces that uv locks, each with a service that it is for.
    projects: Vec<(String, UvProject)>,
    /// Services that have a lock of uv's or of another making.
    others: Vec<String>,
    python: String,
    platforms: Vec<String>,
    named: bool,
    /// Whether locks hold more than is asked for.
    pub(super) partial: bool,
}

/// One service.
pub(super) struct Lockable {
    pub(super) name: String,
    pub(super) made: Made,
    group: String,
}

impl State {
    /// Reads the files of the services asked for.
    pub(super) fn read(args: &LockArgs, opened: &Opened) -> Result<Self, Failure> {
        let manifest = &opened.manifest;
        let (mut services, mut projects, mut others) = (Vec::new(), Vec::new(), Vec::new());
        let mut mistakes = Diagnostics::default();
        let mut told = None;
        for (name, service) in &manifest.services {
            if !args.services.is_empty() && !args.services.contains(&name.value) {
                continue;
            }
            if service.project.is_some() {
                match args.project.lockable(opened, &name.value) {
                    Ok(Some(Locked::Uv(project))) => {
                        others.push(name.value.clone());
                        projects.push((name.value.clone(), project));
                    }
                    Ok(Some(Locked::Theirs(path, maker))) => {
                        others.push(name.value.clone());
                        told.get_or_insert(theirs(&path, maker).at(&opened.file, name.span));
                    }
                    Ok(None) => {}
                    Err(frontend::Failure::Mistakes(found)) => mistakes.extend(found),
                    Err(other) => return Err(other.into()),
                }
                continue;
            }
            match args.project.gather(opened, (name, service)) {
                Ok(Gathered { project, .. }) => match project.made {
                    Some(made) => services.push(Lockable {
                        name: name.value.clone(),
                        made,
                        group: lock_group(manifest, service),
                    }),
                    None if project.is_locked() => others.push(name.value.clone()),
                    None => {}
                },
                Err(frontend::Failure::Mistakes(found)) => mistakes.extend(found),
                Err(other) => return Err(other.into()),
            }
        }
        for name in &args.services {
            let known = || manifest.services.iter().map(|(name, _)| name.value.as_str());
            if !known().any(|known| known == name) {
                mistakes.push(
                    Diagnostic::error(format!(
                        "there is no service `{name}` in `{}`",
                        opened.file.name()
                    ))
                    .maybe_help(did_you_mean(name, known()))
                    .help(format!("known: {}", known().collect::<Vec<_>>().join(", "))),
                );
            }
        }
        let layers = args.layers && !others.is_empty();
        if services.is_empty() && projects.is_empty() && !layers && mistakes.is_empty() {
            mistakes.push(told.unwrap_or_else(|| {
                Diagnostic::error("there is nothing to lock").help(
                    "locks are made for services with `requirements` or a `project`; a `lock` alone is taken as it is",
                )
            }));
        }
        // Services of one workspace share its lock.
        projects.dedup_by(|(_, other), (_, known)| {
            let same = other.path == known.path;
            if same {
                known.stale.extend(std::mem::take(&mut other.stale));
            }
            same
        });
        let (services, _) = mistakes
            .unique()
            .finish(Some(services))
            .map_err(frontend::Failure::from)?;
        let python = manifest.python.as_ref();
        let platforms = items(manifest.platforms.as_ref())
            .iter()
            .map(|platform| platform.value.clone());
        Ok(Self {
            services,
            projects,
            others,
            python: python.map_or_else(String::new, |python| python.value.to_string()),
            platforms: if args.platforms.is_empty() {
                platforms.collect()
            } else {
                args.platforms.clone()
            },
            partial: !args.services.is_empty() || !args.platforms.is_empty(),
            named: !args.services.is_empty(),
        })
    }

    /// The services whose layers are recorded.
    pub(super) fn of_layers(&self) -> Vec<String> {
        let made = self.services.iter().map(|service| &service.name);
        made.chain(&self.others).cloned().collect()
    }

    /// How many locks there are to speak of.
    pub(super) fn count(&self) -> String {
        match self.services.len() + self.projects.len() {
            1 => "1 lock is".to_owned(),
            n => format!("{n} locks are"),
        }
    }

    /// Whether there is no lock to make.
    pub(super) fn is_nothing(&self) -> bool {
        self.locks().next().is_none()
    }

    /// Whether all that is to be known of staleness is known here: what uv makes only uv knows to be fresh.
    pub(super) fn is_sure(&self) -> bool {
        self.projects.is_empty()
    }

    /// All locks: where they are, and their texts.
    pub(super) fn locks(&self) -> impl Iterator<Item = (&str, Option<&SourceFile>)> {
        let made = self.services.iter().map(|service| &service.made);
        let made = made.map(|made| (made.path.as_str(), made.text.as_ref()));
        let projects = self.projects.iter();
        made.chain(projects.map(|(_, project)| (project.path.as_str(), project.text.as_ref())))
    }

    /// The build target that makes them. Locks of requirements that fit need not be made for the sake of a project.
    pub(super) fn target(&self, requirements: bool) -> String {
        let services = self.services.iter().filter(|_| requirements);
        let services = services.map(|service| service.name.as_str());
        let names = services.chain(self.projects.iter().map(|(name, _)| name.as_str()));
        format!("lock:{}", names.collect::<Vec<_>>().join(","))
    }

    /// Locks of projects that are missing or do not fit.
    pub(super) fn stale_projects(&self, opened: &Opened) -> Diagnostics {
        let mut found = Diagnostics::default();
        for (name, project) in &self.projects {
            if project.text.is_none() {
                let help = format!("`wheelwright lock {name}` makes it, as does `uv lock`");
                let missing = no_lock(name, &project.path);
                found.push(missing.at(&opened.file, project.at).help(help));
            }
            found.extend(project.stale.clone());
        }
        found.unique()
    }

    /// Locks of requirements that are missing, that do not fit what they are made from, or that do not agree.
    pub(super) fn stale(&self, opened: &Opened) -> Diagnostics {
        let mut found = Diagnostics::default();
        for Lockable { name, made, .. } in &self.services {
            if made.text.is_none() {
                let help = format!("`wheelwright lock {name}` makes it");
                let missing = no_lock(name, &made.path);
                found.push(missing.at(&opened.file, made.at).help(help));
            } else if made.is_foreign() {
                found.push(
                    Diagnostic::error(format!("`{}` does not say what it was made from", made.path))
                        .at(&opened.file, made.at)
                        .help("something else wrote it, or a merge broke it")
                        .help(format!("`wheelwright lock {name}` makes it anew")),
                );
            }
            found.extend(
                made.check(&opened.file, name, &self.python, &self.platforms)
                    .into_iter()
                    .collect(),
            );
        }
        found.extend(self.disagreeing(opened));
        found
    }

    /// Packages that services of one group have in different versions.
    fn disagreeing(&self, opened: &Opened) -> Diagnostics {
        let mut versions: BTreeMap<_, BTreeMap<String, Vec<&Lockable>>> = BTreeMap::new();
        for service in &self.services {
            for (name, version) in service.made.versions() {
                let by_version = versions.entry((service.group.as_str(), name)).or_default();
                by_version.entry(version).or_default().push(service);
            }
        }
        let differing = versions
            .into_iter()
            .filter(|(_, by_version)| by_version.len() > 1);
        let mistakes = differing.map(|((_, package), by_version)| {
            let each = by_version.iter().map(|(version, services)| {
                let names = services
                    .iter()
                    .map(|service| service.name.as_str())
                    .collect::<Vec<_>>();
                format!("{version} in {}", names.join(", "))
            });
            let message = format!(
                "locks have different versions of `{package}`: {}",
                each.collect::<Vec<_>>().join("; ")
            );
            let at = by_version
                .values()
                .flatten()
                .next()
                .map_or_else(Default::default, |service| service.made.at);
            Diagnostic::error(message)
                .at(&opened.file, at)
                .help("`wheelwright lock` gives them one version")
        });
        // Two platforms of one service may differ; that is no disagreement between services.
        if self.services.len() > 1 {
            mistakes.collect()
        } else {
            Diagnostics::default()
        }
    }

    /// Whether services were named.
    pub(super) fn is_part(&self) -> bool {
        self.named
    }
}

fn no_lock(service: &str, path: &ProjectPath) -> Diagnostic {
    Diagnostic::error(format!("service `{service}` has no lock: `{path}` is not there"))
}
