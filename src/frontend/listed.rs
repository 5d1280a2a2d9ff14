//! What a service lists of the repository: told before anything is copied when it is not there, all of it at once.

#[cfg(feature = "command")]
use std::path::Path;

use super::reader::{Reader, Shape};
use crate::diag::{Diagnostic, Diagnostics, SourceFile, Span, did_you_mean};
use crate::manifest::{ProjectPath, Service};
use crate::plan::{self, FileFrom};

/// One path of the repository.
#[derive(Debug)]
pub(super) struct Listed {
    pub(super) path: ProjectPath,
    /// Where it is listed.
    at: Span,
    /// Whether a folder will not do.
    file: bool,
}

/// The paths of the repository that a service lists.
pub(super) fn of(service: &Service) -> Vec<Listed> {
    let code = plan::code(service).into_iter().map(|code| Listed {
        path: code.from,
        at: code.at,
        file: false,
    });
    let files = plan::files(service)
        .into_iter()
        .filter_map(|file| match file.from {
            FileFrom::Path(path) => Some(Listed {
                path,
                at: file.at,
                file: true,
            }),
            FileFrom::Url { .. } => None,
        });
    code.chain(files).collect()
}

/// An error for each listed path that is not there, or not what it should be.
pub(super) fn mistakes(
    file: &SourceFile,
    listed: &[Listed],
    found: &[Option<Shape>],
    reader: &dyn Reader,
) -> Diagnostics {
    let mistake = |(listed, found): (&Listed, &Option<Shape>)| {
        let path = &listed.path;
        let mistake = match found {
            None => Diagnostic::error(format!("`{path}` is not in the repository"))
                .label("not there, or left out by .dockerignore")
                .help(instead_of(path, reader)),
            Some(Shape::Folder) if listed.file => {
                Diagnostic::error(format!("expected a file, found the folder `{path}`"))
                    .help("folders are listed in `code`")
            }
            Some(_) => return None,
        };
        Some(mistake.at(file, listed.at))
    };
    listed.iter().zip(found).filter_map(mistake).collect()
}

/// What to write in place of a path that is not there.
fn instead_of(path: &ProjectPath, reader: &dyn Reader) -> String {
    if path.as_str().contains(['*', '?', '[']) {
        return "patterns are not read here: list folders, and leave files out with `.dockerignore`"
            .to_owned();
    }
    let beside = reader.beside(path);
    did_you_mean(path.as_str(), beside.iter().map(ProjectPath::as_str))
        .unwrap_or_else(|| "paths are relative to the repository's root, the build context".to_owned())
}

/// The same for a repository on this machine, without an engine.
#[cfg(feature = "command")]
pub(crate) async fn check(
    file: &SourceFile,
    repository: &Path,
    service: &Service,
) -> Result<(), super::Failure> {
    use super::reader::ByDisk;

    let disk = ByDisk::new(repository, repository, file.name());
    let mut context = crate::lower::LocalContext::default();
    context.excludes = super::load::ignored(&disk, &context).await?;
    let listed = of(service);
    let paths = listed
        .iter()
        .map(|listed| listed.path.clone())
        .collect::<Vec<_>>();
    let found = disk
        .shapes(&context, &buildkit_llb::State::scratch(), &paths)
        .await?;
    let mistakes = mistakes(file, &listed, &found, &disk);
    if mistakes.is_empty() {
        Ok(())
    } else {
        Err(mistakes.into())
    }
}
