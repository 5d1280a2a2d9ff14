//! The census of a project: every locked service's packages, so that all services group their wheels alike.

use std::collections::{BTreeMap, BTreeSet};

use super::lock::{from_source, picks};
use super::project::{Files, Missing, Project};
use crate::diag::SourceFile;
use crate::layers::Census;
use crate::manifest::{Manifest, ProjectPath, PythonMinor};
use crate::plan;
use crate::python::{Anchor, Interpreter, PackageName, Pick};

/// Locks of the project's services: what has to be read for a census. None when the service itself has no lock, since
/// it then shares no groups with anybody.
pub(crate) fn locks(manifest: &Manifest, service: &crate::manifest::Service) -> Missing {
    if service.lock.is_none() {
        return Missing::new();
    }
    let services = manifest.services.iter();
    services
        .filter_map(|(_, service)| Some(service.lock.as_ref()?.value.clone()))
        .collect()
}

/// Counts the services whose locks were read. One whose lock has mistakes is not counted: its own build tells them.
pub(crate) fn take(file: &SourceFile, manifest: &Manifest, files: &Files, platform: &str) -> Census {
    let mut census = Census::default();
    let mut known: BTreeMap<Alike, Option<Vec<Pick>>> = BTreeMap::new();
    for (name, service) in &manifest.services {
        let stand = plan::stand(manifest, service);
        let minor = manifest
            .python
            .as_ref()
            .map_or_else(|| minor_of(&stand.image), |python| python.value);
        let architecture = platform.split('/').nth(1).unwrap_or("amd64");
        let interpreter = Interpreter::assumed_in(&stand.image, minor, architecture);
        let Ok(Ok(Project {
            lock: Some((path, lock)),
            ..
        })) = Project::gather(file, manifest, service, files)
        else {
            continue;
        };
        let alike = (
            path,
            from_source(service),
            format!("{} {}", interpreter.version, interpreter.libc),
        );
        let packages = known.entry(alike).or_insert_with_key(|(path, ..)| {
            picks(
                &lock,
                service,
                &interpreter,
                platform,
                Anchor::beside(path.as_str()),
            )
            .ok()
        });
        if let Some(packages) = packages {
            census.add(name, &minor.to_string(), packages);
        }
    }
    census
}

/// Services that install the same: lock, packages built from source, interpreter.
type Alike = (ProjectPath, BTreeSet<PackageName>, String);

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
