//! The project as it is on disk, for commands that need no engine.

use std::io::ErrorKind;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};

use clap::Args;

use crate::diag::{Diagnostic, Diagnostics, SourceFile, Spanned, did_you_mean};
use crate::frontend::{Failure, Locked, Missing, Project, census, lockable, no_manifest, unused};
use crate::manifest::{self, Manifest, Service};
use crate::plan::Files;
use crate::python::text::of_file;

/// Where the project is.
#[derive(Debug, Clone, Default, Args)]
pub struct ProjectArgs {
    /// The manifest, relative to the context
    #[arg(short, long, default_value = manifest::DEFAULT_FILE, value_name = "FILE")]
    pub file: String,
    /// The repository's root
    #[arg(short = 'C', long, default_value = ".", value_name = "DIR")]
    pub context: PathBuf,
}

/// A manifest read from disk.
#[derive(Debug)]
pub struct Opened {
    /// Its text.
    pub file: SourceFile,
    /// What it says.
    pub manifest: Manifest,
    /// What it could say better.
    pub warnings: Diagnostics,
    /// What was read of the repository: services look at each other's locks.
    files: Mutex<Arc<Files>>,
}

/// What a service installs from.
#[derive(Debug)]
pub struct Gathered {
    /// Its own files.
    pub project: Project,
    /// All that was read.
    pub files: Arc<Files>,
}

impl ProjectArgs {
    /// Reads and checks the manifest.
    pub fn open(&self) -> Result<Opened, Failure> {
        if !self.context.is_dir() {
            let folder = self.context.display();
            return Err(Diagnostic::error(format!("there is no folder `{folder}`")).into());
        }
        let text =
            read(&self.context.join(&self.file), &self.file)?.ok_or_else(|| no_manifest(&self.file))?;
        let file = SourceFile::new(self.file.as_str(), text);
        let (manifest, warnings) = manifest::parse(&file)?;
        Ok(Opened {
            file,
            manifest,
            warnings,
            files: Mutex::default(),
        })
    }

    /// Reads the requirement files or the lock of a service; with its lock those of the other services, by which
    /// layers are shared.
    pub fn gather(&self, opened: &Opened, service: (&str, &Service)) -> Result<Gathered, Failure> {
        let mut files = opened.files.lock().unwrap_or_else(PoisonError::into_inner);
        loop {
            match census::gather(&opened.file, &opened.manifest, service, &files)? {
                Ok(project) => {
                    return Ok(Gathered {
                        project,
                        files: files.clone(),
                    });
                }
                Err(missing) => self.read(missing, &mut files)?,
            }
        }
    }

    /// What there is to lock of a service with a project.
    pub(in crate::cli) fn lockable(&self, opened: &Opened, service: &str) -> Result<Option<Locked>, Failure> {
        let mut files = Arc::<Files>::default();
        loop {
            match lockable(&opened.file, &opened.manifest, service, &files)? {
                Ok(found) => return Ok(found),
                Err(missing) => self.read(missing, &mut files)?,
            }
        }
    }

    fn read(&self, missing: Missing, files: &mut Arc<Files>) -> Result<(), Failure> {
        let files = Arc::make_mut(files);
        for path in missing {
            let text = read(&self.context.join(path.as_str()), path.as_str())?;
            files.insert(path, text.map(Into::into));
        }
        Ok(())
    }
}

impl Opened {
    /// Constraints of packages that no service installs, as far as the locks on disk tell.
    pub(in crate::cli) fn unused(&self, args: &ProjectArgs) -> Result<Diagnostics, Failure> {
        let mut files = self.files.lock().unwrap_or_else(PoisonError::into_inner);
        loop {
            match unused(&self.file, &self.manifest, &files) {
                Ok(found) => return Ok(found),
                Err(missing) => args.read(missing, &mut files)?,
            }
        }
    }

    /// The names of all services, in the order of the manifest.
    pub(in crate::cli) fn names(&self) -> impl Iterator<Item = &Spanned<String>> {
        self.manifest.services.iter().map(|(name, _)| name)
    }

    /// A service that was asked for, by its name.
    pub(in crate::cli) fn name(&self, asked: &str) -> Result<&Spanned<String>, Failure> {
        self.names().find(|name| name.value == asked).ok_or_else(|| {
            let known = self.names().map(|name| name.value.as_str()).collect::<Vec<_>>();
            Diagnostic::error(format!("there is no service `{asked}` in `{}`", self.file.name()))
                .maybe_help(did_you_mean(asked, known.iter().copied()))
                .help(format!("known: {}", known.join(", ")))
                .into()
        })
    }
}

/// A file's text; none when it is not there, or no file.
fn read(path: &Path, name: &str) -> Result<Option<String>, Failure> {
    match fs_err::read(path) {
        Ok(bytes) => match of_file(name, bytes) {
            Ok(text) => Ok(Some(text)),
            Err(reason) => Err(Diagnostic::error(format!("`{name}` {reason}")).into()),
        },
        Err(error)
            if matches!(
                error.kind(),
                ErrorKind::NotFound | ErrorKind::NotADirectory | ErrorKind::IsADirectory
            ) =>
        {
            Ok(None)
        }
        Err(error) => Err(Diagnostic::error(format!("`{name}` cannot be read: {error}")).into()),
    }
}
