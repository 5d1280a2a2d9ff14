//! What a service lists of the repository: told before anything is copied when it is not there, all of it at once.

use std::path::Path;

use super::Failure;
use super::load::ignored;
use super::reader::{ByDisk, Reader as _};
use crate::diag::{Diagnostic, Diagnostics, SourceFile, Span};
use crate::lower::LocalContext;
use crate::manifest::{ProjectPath, Service};
use crate::plan::{self, FileFrom};
use buildkit_llb::State;

/// The paths of the repository that a service lists, and where it does.
pub(super) fn paths(service: &Service) -> Vec<(ProjectPath, Span)> {
    let code = plan::code(service).into_iter().map(|code| (code.from, code.at));
    let files = plan::files(service)
        .into_iter()
        .filter_map(|file| match file.from {
            FileFrom::Path(path) => Some((path, file.at)),
            FileFrom::Url { .. } => None,
        });
    code.chain(files).collect()
}

/// An error for each listed path that is absent.
pub(super) fn mistakes(
    file: &SourceFile,
    listed: &[(ProjectPath, Span)],
    absent: &[ProjectPath],
) -> Diagnostics {
    let absent = listed.iter().filter(|(path, _)| absent.contains(path));
    let mistakes = absent.map(|(path, at)| {
        Diagnostic::error(format!("`{path}` is not in the repository"))
            .at(file, *at)
            .label("not there, or left out by .dockerignore")
            .help("paths are relative to the repository's root, the build context")
    });
    mistakes.collect()
}

/// The same for a repository on this machine, without an engine.
pub(crate) async fn check(file: &SourceFile, repository: &Path, service: &Service) -> Result<(), Failure> {
    let disk = ByDisk {
        context: repository.to_owned(),
        manifest: repository.join(file.name()),
        name: file.name().to_owned(),
    };
    let mut context = LocalContext::default();
    context.excludes = ignored(&disk, file.name(), &context).await?;
    let listed = paths(service);
    let named = listed.iter().map(|(path, _)| path.clone()).collect::<Vec<_>>();
    let absent = disk.absent(&context, &State::scratch(), &named).await?;
    let mistakes = mistakes(file, &listed, &absent);
    if mistakes.is_empty() {
        Ok(())
    } else {
        Err(mistakes.into())
    }
}
