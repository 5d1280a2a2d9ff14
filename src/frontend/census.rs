//! The census of a project: every locked service's packages, so that all services group their wheels alike.

use std::collections::{BTreeMap, BTreeSet};
use std::num::NonZero;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use super::lock::{from_source, is_uv_lock, picks};
use super::project::{Missing, Project};
use crate::diag::{Diagnostics, SourceFile};
use crate::layers::Census;
use crate::manifest::{Manifest, ProjectPath, PythonMinor, Service};
use crate::plan::{self, Building, Files};
use crate::python::{Anchor, Interpreter, PackageName, Pick, Selection, pylock, uv_lock};

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
    let mut census = Census::default();
    let mut known: BTreeMap<Alike, Option<Vec<Pick>>> = BTreeMap::new();
    let locked = locked(file, manifest, files);
    read_ahead(&locked);
    for (name, service, (path, lock), selection) in locked {
        let stand = plan::stand(manifest, service);
        let minor = manifest
            .python
            .as_ref()
            .map_or_else(|| minor_of(&stand.image), |python| python.value);
        let architecture = platform.split('/').nth(1).unwrap_or("amd64");
        let interpreter = Interpreter::assumed_in(&stand.image, minor, architecture);
        let alike = (
            (path, selection),
            from_source(service),
            format!("{} {}", interpreter.version, interpreter.libc),
        );
        let packages = known.entry(alike).or_insert_with_key(|((path, selection), ..)| {
            picks(
                (&lock, selection),
                service,
                &interpreter,
                platform,
                Anchor::beside(path.as_str()),
            )
            .ok()
        });
        if let Some(packages) = packages {
            let building = Building {
                manifest,
                service,
                files,
                image: &stand.image,
                platform,
                interpreter: &interpreter,
            };
            let identities = building.identities(packages);
            census.add(name, &minor.to_string(), (packages, &identities));
        }
    }
    census
}

/// A service with its lock and what of it is installed.
type LockedService<'a> = (&'a str, &'a Service, (ProjectPath, SourceFile), Selection);

/// The services whose locks were read.
fn locked<'a>(file: &SourceFile, manifest: &'a Manifest, files: &Files) -> Vec<LockedService<'a>> {
    let services = manifest.services.iter().filter_map(|(name, service)| {
        let project = Project::gather(file, manifest, (name, service), files);
        let project = project.ok()?.ok()?;
        Some((name.as_str(), service, project.lock?, project.selection))
    });
    services.collect()
}

/// Reads locks side by side: one after another would be most of what a build thinks about.
fn read_ahead(services: &[LockedService<'_>]) {
    let locks = services.iter().map(|(_, _, (_, lock), _)| lock);
    let locks = locks.collect::<Vec<_>>();
    let processors = std::thread::available_parallelism().map_or(1, NonZero::get);
    let next = AtomicUsize::new(0);
    std::thread::scope(|scope| {
        for _ in 0..processors.min(locks.len()) {
            scope.spawn(|| {
                while let Some(lock) = locks.get(next.fetch_add(1, Ordering::Relaxed)) {
                    // What is wrong with it is told where it is used.
                    if is_uv_lock(lock) {
                        drop(uv_lock::parse(lock));
                    } else {
                        drop(pylock::parse(lock));
                    }
                }
            });
        }
    });
}

/// Services that install the same: lock, packages built from source, interpreter.
type Alike = ((ProjectPath, Selection), BTreeSet<PackageName>, String);

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
