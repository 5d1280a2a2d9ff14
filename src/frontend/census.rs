//! The census of a project: every locked service's packages, so that all services group their wheels alike.

use std::collections::{BTreeMap, BTreeSet};
use std::num::NonZero;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, OnceLock, PoisonError};

use super::lock::{from_source, picks};
use super::project::{Missing, Project};
use crate::diag::{Diagnostics, SourceFile};
use crate::layers::Census;
use crate::manifest::{Manifest, ProjectPath, PythonMinor, Service};
use crate::plan::{self, Building, Files};
use crate::python::{Anchor, Interpreter, PackageName, Pick, Selection};

/// Gathers a service's project and, where it has a lock, what a census needs of the others: one that has none shares
/// no groups with anybody.
pub(crate) fn gather(
    file: &SourceFile,
    manifest: &Manifest,
    (name, service): (&str, &Service),
    files: &Files,
) -> Result<Result<Project, Missing>, Diagnostics> {
    let own = Project::gather(file, manifest, (name, service), files)?;
    let mut missing = Missing::new();
    let from_lock = matches!(&own, Ok(project) if project.lock.is_some());
    if is_locked(service) || from_lock {
        let others = manifest
            .services
            .iter()
            .filter(|(_, other)| is_locked(other) || from_lock);
        for (name, other) in others {
            if let Ok(Err(more)) = Project::gather(file, manifest, (name, other), files) {
                missing.extend(more);
            }
        }
    }
    Ok(match own {
        Ok(project) if missing.is_empty() => Ok(project),
        Ok(_) => Err(missing),
        Err(more) => {
            missing.extend(more);
            Err(missing)
        }
    })
}

fn is_locked(service: &Service) -> bool {
    (service.lock.is_some() && service.requirements.is_none()) || service.project.is_some()
}

/// The census of a project on a platform. All services of a run ask for the same one, so the last is kept.
pub(crate) fn take(file: &SourceFile, manifest: &Manifest, files: &Files, platform: &str) -> Arc<Census> {
    static LAST: Mutex<Option<Taken>> = Mutex::new(None);
    // Held while it is counted: services that are built at a time ask at the same moment, and one count does for all.
    let mut last = LAST.lock().unwrap_or_else(PoisonError::into_inner);
    let asked = |taken: &&Taken| taken.platform == platform && taken.file == *file && taken.files == *files;
    if let Some(taken) = last.as_ref().filter(asked) {
        return taken.census.clone();
    }
    let census = Arc::new(count(file, manifest, files, platform));
    *last = Some(Taken {
        platform: platform.to_owned(),
        file: file.clone(),
        files: files.clone(),
        census: census.clone(),
    });
    census
}

/// A census and all that it was taken of.
struct Taken {
    platform: String,
    file: SourceFile,
    files: Files,
    census: Arc<Census>,
}

/// Counts the services whose locks were read. One whose lock has mistakes is not counted: its own build tells them.
fn count(file: &SourceFile, manifest: &Manifest, files: &Files, platform: &str) -> Census {
    let services = locked(file, manifest, files, platform);
    let mut different = Vec::new();
    let mut known: BTreeMap<Alike<'_>, usize> = BTreeMap::new();
    let which = services.iter().map(|service| {
        *known.entry(service.alike()).or_insert_with(|| {
            different.push(service);
            different.len() - 1
        })
    });
    let which = which.collect::<Vec<_>>();
    let picked = side_by_side(&different, |service| service.picks(platform));
    let mut census = Census::default();
    for (locked, which) in services.iter().zip(which) {
        let Some(packages) = &picked[which] else { continue };
        let building = Building {
            manifest,
            service: locked.service,
            files,
            image: &locked.image,
            platform,
            interpreter: &locked.interpreter,
        };
        let identities = building.identities(packages);
        census.add(locked.name, &locked.minor.to_string(), (packages, &identities));
    }
    census
}

/// A service with its lock, what of it is installed, and for which interpreter.
struct Locked<'a> {
    name: &'a str,
    service: &'a Service,
    path: ProjectPath,
    lock: SourceFile,
    selection: Selection,
    image: String,
    minor: PythonMinor,
    interpreter: Interpreter,
}

/// Services that install the same: lock, packages built from source, interpreter.
type Alike<'a> = (&'a ProjectPath, &'a Selection, BTreeSet<PackageName>, String);

impl Locked<'_> {
    fn alike(&self) -> Alike<'_> {
        let Interpreter { version, libc, .. } = &self.interpreter;
        let interpreter = format!("{version} {libc}");
        (
            &self.path,
            &self.selection,
            from_source(self.service),
            interpreter,
        )
    }

    /// The wheels it takes; none where its lock has mistakes.
    fn picks(&self, platform: &str) -> Option<Vec<Pick>> {
        let anchor = Anchor::beside(self.path.as_str());
        let lock = (&self.lock, &self.selection);
        picks(lock, self.service, &self.interpreter, platform, anchor).ok()
    }
}

/// The services whose locks were read.
fn locked<'a>(file: &SourceFile, manifest: &'a Manifest, files: &Files, platform: &str) -> Vec<Locked<'a>> {
    let architecture = platform.split('/').nth(1).unwrap_or("amd64");
    let services = manifest.services.iter().filter_map(|(name, service)| {
        let project = Project::gather(file, manifest, (name, service), files);
        let project = project.ok()?.ok()?;
        let (path, lock) = project.lock?;
        let image = plan::stand(manifest, service).image;
        let minor = manifest.python.as_ref();
        let minor = minor.map_or_else(|| minor_of(&image), |python| python.value);
        Some(Locked {
            name,
            service,
            path,
            lock,
            selection: project.selection,
            interpreter: Interpreter::assumed_in(&image, minor, architecture),
            image,
            minor,
        })
    });
    services.collect()
}

/// One result an item, in their order. Reading locks one after another would be most of what a build thinks about.
fn side_by_side<T: Sync, R: Send + Sync>(items: &[T], job: impl Fn(&T) -> R + Sync) -> Vec<R> {
    let results = items.iter().map(|_| OnceLock::new()).collect::<Vec<_>>();
    let processors = std::thread::available_parallelism().map_or(1, NonZero::get);
    let next = AtomicUsize::new(0);
    std::thread::scope(|scope| {
        for _ in 0..processors.min(items.len()) {
            scope.spawn(|| {
                loop {
                    let at = next.fetch_add(1, Ordering::Relaxed);
                    let (Some(item), Some(result)) = (items.get(at), results.get(at)) else {
                        break;
                    };
                    result.get_or_init(|| job(item));
                }
            });
        }
    });
    results.into_iter().filter_map(OnceLock::into_inner).collect()
}

/// The minor version in an image's tag, as in `python:3.12-slim`.
pub(crate) fn minor_of(image: &str) -> PythonMinor {
    let tag = image.rsplit_once(':').map_or("", |(_, tag)| tag);
    let version = tag.split('-').next().unwrap_or_default();
    let minor = version.split('.').take(2).collect::<Vec<_>>().join(".");
    minor.parse().unwrap_or(PythonMinor { major: 3, minor: 11 })
}

#[cfg(test)]
mod tests {
    use super::minor_of;

    #[test]
    fn tags_of_official_images_name_the_minor() {
        let text = |image| minor_of(image).to_string();
        assert_eq!(text("python:3.12-slim"), "3.12");
        assert_eq!(text("registry.example:5000/python:3.13.2-alpine3.20"), "3.13");
        assert_eq!(text("debian:bookworm"), "3.11");
        assert_eq!(text("python"), "3.11");
    }
}
