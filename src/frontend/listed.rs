//! What a service lists of the repository: told before anything is copied when it is not there, all of it at once.

#[cfg(feature = "command")]
use std::path::Path;

use super::reader::Shape;
use crate::diag::{Diagnostic, Diagnostics, SourceFile, Span};
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
pub(super) fn mistakes(file: &SourceFile, listed: &[Listed], found: &[Option<Shape>]) -> Diagnostics {
    let mistake = |(listed, found): (&Listed, &Option<Shape>)| {
        let path = &listed.path;
        let mistake = match found {
            None => Diagnostic::error(format!("`{path}` is not in the repository"))
                .label("not there, or left out by .dockerignore")
                .help("paths are relative to the repository's root, the build context"),
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

/// The same for a repository on this machine, without an engine.
#[cfg(feature = "command")]
pub(crate) async fn check(
    file: &SourceFile,
    repository: &Path,
    service: &Service,
) -> Result<(), super::Failure> {
    use super::reader::{ByDisk, Reader as _};

    let disk = ByDisk {
        context: repository.to_owned(),
        manifest: repository.join(file.name()),
        name: file.name().to_owned(),
    };
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
    let mistakes = mistakes(file, &listed, &found);
    if mistakes.is_empty() {
        Ok(())
    } else {
        Err(mistakes.into())
    }
}
