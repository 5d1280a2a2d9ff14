//! The target `lock`: the locks of services, made in the build, as files to be exported.
//!
//! `lock` means every service that has requirements or a project that uv locks, `lock:NAME,NAME` these. Services of one lock group on one kind of
//! Python are resolved together, so that they get equal versions; each then gets a lock of what it asks for. What is
//! locked is kept where nothing speaks against it.

use std::collections::{BTreeMap, BTreeSet};

use buildkit_llb::{FileOp, Platform, State};
use futures_util::future::try_join_all;
use serde::Deserialize;

use super::build::{Build, Ground, tools};
use super::conflict::{self, Report};
use super::needs::Needs;
use super::target::{Target, platforms};
use super::{Failure, Locked, Made, Options, Project, Request, UvProject, load, made, shell};
use crate::bridge::{Bridge, Engine, Outcome, Refs};
use crate::diag::{Diagnostic, SourceFile, Spanned, did_you_mean};
use crate::lower::{self, Asked, EPOCH, ResolveInputs, WorkspaceInputs};
use crate::manifest::{ProjectPath, Service};
use crate::python::lock_text::{Resolved, lock_text};
use crate::python::requirements::is_archive;
use crate::python::{PackageName, Stamp, pylock};

const TARGET: &str = "lock";
/// What uv may read of any project that is locked with others.
const PROJECTS: &str = "**/pyproject.toml";
/// Which packages may change: `*` for all, or names.
const UPGRADE: &str = "WHEELWRIGHT_UPGRADE";
/// Another value asks the indexes again.
const REFRESH: &str = "WHEELWRIGHT_REFRESH";

/// Whether a target asks for locks.
pub(super) fn is_asked(target: &str) -> bool {
    target == TARGET || target.starts_with("lock:")
}

/// A service that has a lock made for it.
struct Lockable {
    name: String,
    service: Service,
    project: Project,
    made: Made,
    /// By platform, in order.
    grounds: Vec<Ground>,
}

/// Makes the locks that the target names.
pub(super) async fn lock(
    bridge: &dyn Bridge,
    request: &Request,
    options: &Options,
) -> Result<Outcome, Failure> {
    let (engine, loaded) = futures_util::try_join!(
        async { Ok(bridge.ping().await?) },
        load::manifest(bridge, request, options),
    )?;
    let platforms = platforms(&engine, &loaded.manifest, options)?;
    let tools = tools(request)?;
    let site = Site {
        bridge,
        request,
        options,
        engine: &engine,
        loaded: &loaded,
        tools,
    };
    let services = loaded.manifest.services.iter();
    let services = services.filter(|(_, service)| service.project.is_none());
    let services = services.map(|(name, service)| site.lockable((name, service), &platforms));
    let services = try_join_all(services).await?.into_iter().flatten();
    let services = services.collect::<Vec<_>>();
    let projects = uv_projects(&loaded, options.target.as_deref().and_then(named)).await?;
    let asked = asked(&loaded, options, &services, &projects)?;
    let locking = Locking {
        bridge,
        options,
        loaded: &loaded,
        platforms: &platforms,
        upgrade: upgrade(options, &services, &projects)?,
    };
    let groups = locking.groups(&services, &asked);
    let locks = futures_util::try_join!(
        try_join_all(groups.iter().map(|group| locking.group(group))),
        try_join_all(projects.iter().map(|project| locking.project(&site, project))),
    );
    let (locks, of_projects) = match locks {
        Ok(locks) => locks,
        Err(failure) => return Err(without_shell(bridge, failure, &services).await),
    };
    let files = locks
        .into_iter()
        .flatten()
        .filter(|(name, ..)| asked.contains(name))
        .chain(of_projects);
    let tree = files.fold(
        FileOp::on(State::scratch()).timestamp(EPOCH * 1_000_000_000),
        |op, (_, path, text)| {
            let op = match path.parent().as_str() {
                "." => op,
                folder => op.mkdir(format!("/{folder}"), 0o755, true, None),
            };
            op.mkfile(format!("/{path}"), 0o644, text.into_bytes(), None)
        },
    );
    let tree = lower::marshal(&tree.name("[internal] write locks").build());
    Ok(Outcome {
        refs: Refs::One(bridge.solve(tree.into_pb(), &[]).await?),
        metadata: BTreeMap::new(),
    })
}

/// The same failure, told as what it is if one of the bases has no shell.
async fn without_shell(bridge: &dyn Bridge, mut failure: Failure, services: &[Lockable]) -> Failure {
    for ground in services.iter().flat_map(|service| &service.grounds) {
        failure = shell::told(bridge, failure, &ground.cx, ground.at).await;
    }
    failure
}

/// What grounds are found with.
struct Site<'a> {
    bridge: &'a dyn Bridge,
    request: &'a Request,
    options: &'a Options,
    engine: &'a Engine,
    loaded: &'a load::Loaded<'a>,
    tools: State,
}

impl Site<'_> {
    /// What a service is locked on.
    async fn grounds(
        &self,
        (name, service): (&Spanned<String>, &Service),
        platforms: &[Platform],
    ) -> Result<Vec<Ground>, Failure> {
        let target = Target {
            name: name.value.clone(),
            service: service.clone(),
            at: name.span,
            base_only: false,
        };
        let build = Build {
            bridge: self.bridge,
            request: self.request,
            options: self.options,
            engine: self.engine,
            loaded: self.loaded,
            target: &target,
            tools: self.tools.clone(),
            notes: std::sync::Mutex::default(),
        };
        try_join_all(platforms.iter().map(|platform| build.ground(platform))).await
    }

    /// A service's files and grounds; none when nothing is to be locked.
    async fn lockable(
        &self,
        (name, service): (&Spanned<String>, &Service),
        platforms: &[Platform],
    ) -> Result<Option<Lockable>, Failure> {
        let project = self.loaded.project((&name.value, service)).await?.0;
        let Some(made) = project.made.clone() else {
            return Ok(None);
        };
        Ok(Some(Lockable {
            name: name.value.clone(),
            service: service.clone(),
            project,
            made,
            grounds: self.grounds((name, service), platforms).await?,
        }))
    }
}

/// A workspace, and the services that it is locked for.
struct OfProject {
    services: Vec<String>,
    uv: UvProject,
}

/// The workspaces of all services, or of some. What uv reads is told by all services of a workspace.
async fn uv_projects(loaded: &load::Loaded<'_>, names: Option<&str>) -> Result<Vec<OfProject>, Failure> {
    let names = names.map(|names| names.split(',').map(str::trim).collect::<BTreeSet<_>>());
    let asked = |name: &str| names.as_ref().is_none_or(|names| names.contains(name));
    let mut projects = Vec::<OfProject>::new();
    for (name, _) in &loaded.manifest.services {
        let found = match loaded.lockable(&name.value).await {
            Err(Failure::Mistakes(_)) if !asked(&name.value) => continue,
            found => found?,
        };
        match found {
            Some(Locked::Uv(uv)) => match projects.iter_mut().find(|known| known.uv.path == uv.path) {
                Some(known) => {
                    known.uv.files.extend(uv.files);
                    known.services.push(name.value.clone());
                }
                None => projects.push(OfProject {
                    services: vec![name.value.clone()],
                    uv,
                }),
            },
            Some(Locked::Theirs(path, maker)) if names.is_some() && asked(&name.value) => {
                return Err(theirs(&path, maker).at(&loaded.file, name.span).into());
            }
            Some(Locked::Theirs(..)) | None => {}
        }
    }
    projects.retain(|project| project.services.iter().any(|name| asked(name)));
    Ok(projects)
}

/// What is said of a lock that another tool makes.
pub(crate) fn theirs(path: &ProjectPath, maker: &str) -> Diagnostic {
    Diagnostic::error(format!("`{path}` is not Wheelwright's to make"))
        .help(format!("{maker} makes it, and builds install from it"))
}

/// The names in a target; none where it means all.
fn named(target: &str) -> Option<&str> {
    target.strip_prefix("lock:")
}

/// The names of the services whose locks are asked for.
fn asked(
    loaded: &load::Loaded<'_>,
    options: &Options,
    services: &[Lockable],
    projects: &[OfProject],
) -> Result<BTreeSet<String>, Failure> {
    let Some(names) = options.target.as_deref().and_then(named) else {
        return Ok(services.iter().map(|service| service.name.clone()).collect());
    };
    let names = names.split(',').map(str::trim).filter(|name| !name.is_empty());
    let manifest = &loaded.manifest;
    let has_project = |name: &str| {
        manifest
            .service(name)
            .is_some_and(|service| service.project.is_some())
    };
    let known = |name: &&str| services.iter().any(|service| service.name == **name) || has_project(name);
    if let Some(name) = names.clone().find(|name| !known(name)) {
        let listed = services.iter().map(|service| service.name.as_str());
        let listed = listed.chain(
            projects
                .iter()
                .flat_map(|project| &project.services)
                .map(String::as_str),
        );
        let wrong = match loaded.manifest.services.iter().find(|(key, _)| key.value == name) {
            Some((key, _)) => Diagnostic::error(format!("service `{name}` has no requirements to lock"))
                .at(&loaded.file, key.span)
                .help("a lock is made from `requirements` or a `project`; a `lock` alone is taken as it is"),
            None => Diagnostic::error(format!(
                "there is no service `{name}` in `{}`",
                loaded.file.name()
            ))
            .maybe_help(did_you_mean(name, listed.clone())),
        };
        return Err(wrong
            .help(format!("known: {}", listed.collect::<Vec<_>>().join(", ")))
            .into());
    }
    Ok(names.map(str::to_owned).collect())
}

/// Which locked packages may change.
enum Upgrade {
    All,
    These(BTreeSet<PackageName>),
}

impl Upgrade {
    /// The same in uv's options.
    fn options(&self) -> Vec<String> {
        match self {
            Self::All => vec!["--upgrade".to_owned()],
            Self::These(names) => names
                .iter()
                .map(|name| format!("--upgrade-package={name}"))
                .collect(),
        }
    }
}

fn upgrade(options: &Options, services: &[Lockable], projects: &[OfProject]) -> Result<Upgrade, Failure> {
    let words = options.build_arg(UPGRADE).unwrap_or_default();
    let words = words
        .split([',', ' '])
        .filter(|word| !word.is_empty())
        .collect::<Vec<_>>();
    if words.contains(&"*") {
        return Ok(Upgrade::All);
    }
    let locked = services.iter().flat_map(|service| service.made.versions());
    let of_projects = projects.iter().filter_map(|project| project.uv.text.as_ref());
    let locked = locked
        .chain(of_projects.flat_map(made::locked_versions))
        .map(|(name, _)| name);
    let locked = locked.collect::<BTreeSet<_>>();
    let names = words.into_iter().map(|word| {
        let name = word.parse::<PackageName>().map_err(Diagnostic::error)?;
        if locked.contains(&name) {
            return Ok(name);
        }
        Err(
            Diagnostic::error(format!("`{name}` is in no lock, so it cannot be upgraded"))
                .maybe_help(did_you_mean(
                    name.as_str(),
                    locked.iter().map(PackageName::as_str),
                ))
                .help("services come before the option: `wheelwright lock SERVICE --upgrade`"),
        )
    });
    Ok(Upgrade::These(names.collect::<Result<_, Diagnostic>>()?))
}

struct Locking<'a> {
    bridge: &'a dyn Bridge,
    options: &'a Options,
    loaded: &'a load::Loaded<'a>,
    platforms: &'a [Platform],
    upgrade: Upgrade,
}

/// A file name and its text, by service.
type Lock = (String, ProjectPath, String);

impl Locking<'_> {
    /// Services that are resolved together; groups without an asked service are left out.
    fn groups<'s>(&self, services: &'s [Lockable], asked: &BTreeSet<String>) -> Vec<Vec<&'s Lockable>> {
        let mut groups: BTreeMap<_, Vec<&Lockable>> = BTreeMap::new();
        for service in services {
            let group = service
                .service
                .lock_group
                .as_ref()
                .map(|group| group.value.clone());
            let torch = made::torch(&self.loaded.manifest, &service.service);
            let pythons = service.grounds.iter().map(|ground| {
                let interpreter = &ground.interpreter;
                format!("{} {}", interpreter.minor, interpreter.libc)
            });
            let key = (group, torch, pythons.collect::<Vec<_>>());
            groups.entry(key).or_default().push(service);
        }
        groups
            .into_values()
            .filter(|group| group.iter().any(|service| asked.contains(&service.name)))
            .collect()
    }

    /// The locks of a group: its platforms one after the other, so that one version serves all where it can.
    async fn group(&self, group: &[&Lockable]) -> Result<Vec<Lock>, Failure> {
        let mut kept = self.kept(group);
        let mut resolved = vec![Vec::new(); group.len()];
        for n in 0..self.platforms.len() {
            for (service, found) in self.resolve(group, n, &kept).await?.into_iter().enumerate() {
                for (name, version) in versions(&found) {
                    kept.entry(name).or_insert(version);
                }
                resolved[service].push(found);
            }
        }
        Ok(group
            .iter()
            .zip(resolved)
            .map(|(service, resolved)| self.text(service, &resolved))
            .collect())
    }

    /// A workspace's lock: uv looks at the one that is there itself.
    async fn project(&self, site: &Site<'_>, project: &OfProject) -> Result<Lock, Failure> {
        let OfProject { services, uv } = project;
        let service = &services[0];
        let services = self.loaded.manifest.services.iter();
        let mut services = services.filter(|(name, _)| name.value == *service);
        let Some((name, found)) = services.next() else {
            return Err(Failure::Internal(format!("no service `{service}`")));
        };
        let grounds = site.grounds((name, found), &self.platforms[..1]).await?;
        let ground = &grounds[0];
        let files = uv.files.iter().cloned().collect::<Vec<_>>();
        let inputs = WorkspaceInputs {
            folder: &uv.folder(),
            root: ground.root.clone(),
            interpreter: &ground.interpreter,
            files: lower::matching(&ground.cx.context, "projects", &[PROJECTS], &files),
            upgrade: self.upgrade.options(),
            refresh: self.options.build_arg(REFRESH).unwrap_or_default(),
            at: uv.at,
        };
        let definition = lower::marshal(&lower::lock_workspace(&inputs, &ground.cx));
        let caches = &self.options.cache_imports;
        let read = async {
            let result = self.bridge.solve(definition.into_pb(), caches).await?;
            Ok(self.bridge.read_file(&result, lower::UV_LOCK_FILE).await?)
        };
        let text = match read.await {
            Ok(text) => text,
            Err(failure) => return Err(shell::told(self.bridge, failure, &ground.cx, ground.at).await),
        };
        let text = String::from_utf8_lossy(&text).into_owned();
        Ok((service.clone(), uv.path.clone(), text))
    }

    /// What is locked and is to stay.
    fn kept(&self, group: &[&Lockable]) -> BTreeMap<PackageName, String> {
        let Upgrade::These(names) = &self.upgrade else {
            return BTreeMap::new();
        };
        let locked = group.iter().rev().flat_map(|service| service.made.versions());
        locked.filter(|(name, _)| !names.contains(name)).collect()
    }

    /// What each service of a group gets on a platform.
    async fn resolve(
        &self,
        group: &[&Lockable],
        n: usize,
        kept: &BTreeMap<PackageName, String>,
    ) -> Result<Vec<Resolved>, Failure> {
        let first = group[0];
        let ground = &first.grounds[n];
        let manifest = &self.loaded.manifest;
        let files = group
            .iter()
            .flat_map(|service| service.project.files.iter().cloned());
        let files = files.collect::<BTreeSet<_>>().into_iter().collect::<Vec<_>>();
        let names = group
            .iter()
            .map(|service| service.name.as_str())
            .collect::<Vec<_>>()
            .join(" ");
        let asked = group.iter().map(|service| Asked {
            name: &service.name,
            requirements: &service.project.requirements,
            constraints: &service.project.constraints,
        });
        let needs = Needs::of_all(group.iter().map(|service| &service.project.needs));
        let inputs = ResolveInputs {
            label: &names,
            root: ground.root.clone(),
            interpreter: &ground.interpreter,
            services: asked.collect(),
            torch: made::torch(manifest, &first.service),
            exclude_newer: made::exclude_newer(manifest),
            build_constraints: &made::build_constraints(manifest),
            preferences: kept.iter().fold(String::new(), |text, (name, version)| {
                text + &format!("{name}=={version}\n")
            }),
            report: true,
            refresh: self.options.build_arg(REFRESH).unwrap_or_default(),
            files: needs.tree(&ground.cx, "requirements", &files),
            writable: needs.writable(&ground.cx),
            variables: needs.values(&ground.cx.build_args),
            at: first.project.at,
        };
        let definition = lower::marshal(&lower::resolve(&inputs, &ground.cx));
        let result = self
            .bridge
            .solve(definition.into_pb(), &self.options.cache_imports)
            .await?;
        let report = self.bridge.read_file(&result, lower::REPORT_FILE).await?;
        let report: Report = parse(&report)?;
        if report.failed.is_some() {
            let services = group
                .iter()
                .map(|service| (service.name.as_str(), &service.project));
            let services = services.collect::<Vec<_>>();
            let files = self.files(&files).await?;
            return Err(conflict::explain(&self.loaded.file, &services, &files, &report).into());
        }
        let read = (0..group.len()).map(|service| {
            let (result, ground) = (&result, ground);
            async move {
                let bytes = self
                    .bridge
                    .read_file(result, &lower::lock_file(service, group.len()))
                    .await?;
                let text = String::from_utf8_lossy(&bytes);
                let mut resolved =
                    Resolved::parse(&ground.interpreter.machine, &text).map_err(Failure::Internal)?;
                resolved.edit_urls(|url| ground.cx.indexes.canonical(url));
                let made = lower::lock_file(service, group.len());
                let lock = (made.as_str(), &group[service].made.path);
                for package in &mut resolved.packages {
                    group[service].project.needs.settle(package, lock);
                }
                Ok::<_, Failure>(resolved)
            }
        });
        try_join_all(read).await
    }

    async fn files(&self, paths: &[ProjectPath]) -> Result<Vec<SourceFile>, Failure> {
        let texts = paths.iter().filter(|path| !is_archive(path.as_str()));
        let files = self.loaded.read(texts.cloned().collect()).await?;
        let there = files
            .into_iter()
            .filter_map(|(path, text)| Some(SourceFile::new(path.as_str(), text?)));
        Ok(there.collect())
    }

    /// A service's lock; the one that is there, to the byte, when it says the same.
    fn text(&self, service: &Lockable, resolved: &[Resolved]) -> Lock {
        let stamp = Stamp {
            python: service
                .grounds
                .first()
                .map_or_else(String::new, |ground| ground.interpreter.minor.to_string()),
            platforms: self.platforms.iter().map(ToString::to_string).collect(),
            ..service.made.now.clone()
        };
        let path = service.made.path.clone();
        let mut resolved = resolved.to_vec();
        for one in &mut resolved {
            one.edit_paths(|found| beside(&path, found));
        }
        let text = lock_text(&resolved, &stamp);
        if let Some(old) = &service.made.text
            && Stamp::of(old).is_some_and(|old| old == stamp)
            && same_versions(old, &SourceFile::new(path.as_str(), text.as_str()))
        {
            return (service.name.clone(), path, old.text().to_owned());
        }
        (service.name.clone(), path, text)
    }
}

/// A path that the resolver wrote, as it is from a lock at `lock`: files of the repository were in a folder of their
/// own.
fn beside(lock: &ProjectPath, found: &str) -> Option<String> {
    let (_, inside) = found.split_once(lower::RESOLVED.repository.trim_start_matches('/'))?;
    let up = "../".repeat(lock.as_str().matches('/').count());
    let path = format!("{up}{}", inside.trim_start_matches('/'));
    Some(if path.is_empty() { ".".to_owned() } else { path })
}

fn versions(resolved: &Resolved) -> impl Iterator<Item = (PackageName, String)> {
    resolved.packages.iter().filter_map(|package| {
        let word = |key: &str| package.get(key)?.as_str();
        Some((word("name")?.parse().ok()?, word("version")?.to_owned()))
    })
}

/// Whether two locks hold the same packages in the same versions for the same machines.
fn same_versions(old: &SourceFile, new: &SourceFile) -> bool {
    let listed = |file: &SourceFile| {
        let lock = pylock::parse(file).ok()?;
        let packages = lock.packages.iter().map(|package| {
            let marker = package.marker.as_ref().map(|marker| marker.get_ref().clone());
            (package.name.get_ref().clone(), package.version.clone(), marker)
        });
        Some(packages.collect::<BTreeSet<_>>())
    };
    listed(old).is_some() && listed(old) == listed(new)
}

fn parse<'b, T: Deserialize<'b>>(bytes: &'b [u8]) -> Result<T, Failure> {
    serde_json::from_slice(bytes)
        .map_err(|error| Failure::Internal(format!("the resolver's report cannot be read: {error}")))
}

#[cfg(test)]
mod tests {
    use super::beside;

    #[test]
    fn paths_are_from_the_lock() {
        let from = |lock: &str, found| beside(&lock.parse().unwrap(), found);
        let found = "../../run/requirements/libs/common";
        assert_eq!(from("pylock.api.toml", found).as_deref(), Some("libs/common"));
        assert_eq!(
            from("locks/api/pylock.toml", found).as_deref(),
            Some("../../libs/common")
        );
        assert_eq!(
            from("pylock.api.toml", "../../run/requirements").as_deref(),
            Some(".")
        );
        assert_eq!(from("pylock.api.toml", "wheels/x.whl"), None);
    }
}
