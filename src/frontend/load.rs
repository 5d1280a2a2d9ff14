//! The project as the build needs it: the manifest, what .dockerignore leaves out, requirement files, locks.

use buildkit_llb::{Copy, FileOp, Source, SourceMap, State};

use super::failure::{language, range};
use super::listed::{self, Listed};
use super::project::Project;
use super::reader::{self, ByDisk, ByEngine, Inputs, Origin, Reader};
use super::{Failure, Locked, Options, Request, census, uv_project};
use crate::bridge::{Bridge, Warning};
use crate::diag::{Diagnostic, Diagnostics, SourceFile};
use crate::lower::{self, LocalContext};
use crate::manifest::{self, Manifest, ProjectPath, Service};
use crate::plan::Files;
use crate::python::text::of_file;
use crate::tree::Patterns;

/// A manifest and where it came from.
#[derive(Debug)]
pub(super) struct Loaded<'a> {
    pub(super) file: SourceFile,
    pub(super) sources: SourceMap,
    pub(super) manifest: Manifest,
    pub(super) context: LocalContext,
    /// What is to be looked at in the manifest.
    pub(super) warnings: Diagnostics,
    reader: Box<dyn Reader + 'a>,
    /// Digest of the vertex that warnings are shown with.
    vertex: String,
}

impl Loaded<'_> {
    /// Shows a warning.
    pub(super) async fn warn(&self, bridge: &dyn Bridge, warning: &Diagnostic) -> Result<(), Failure> {
        Ok(bridge.warn(wire_warning(warning, &self.vertex)).await?)
    }
}

/// Reads and checks the manifest, then .dockerignore.
pub(super) async fn manifest<'a>(
    bridge: &'a dyn Bridge,
    request: &Request,
    options: &'a Options,
) -> Result<Loaded<'a>, Failure> {
    let remote = options.remote_context.as_deref().map(remote).transpose()?;
    let inputs = match request.origin {
        Origin::Engine => inputs(bridge).await?,
        Origin::Disk { .. } => Inputs::new(),
    };
    let mut context = context(request, options, &inputs, remote.clone());
    let tree = manifest_tree(request, options, &inputs, remote);
    let digest = lower::marshal(&tree).head().unwrap_or_default().to_owned();
    let reader: Box<dyn Reader + 'a> = match &request.origin {
        Origin::Engine => Box::new(ByEngine {
            bridge,
            options,
            manifest: tree,
        }),
        Origin::Disk {
            context,
            manifest,
            read,
        } => Box::new(ByDisk {
            read: read.clone(),
            ..ByDisk::new(context, manifest, &options.filename)
        }),
    };
    let (file, excludes) = futures_util::try_join!(
        manifest_file(reader.as_ref(), options),
        ignored(reader.as_ref(), &context),
    )?;
    context.excludes = excludes;
    let (manifest, warnings) = manifest::parse(&file)?;
    let sources = SourceMap::new(
        file.name(),
        language(file.name()),
        file.text().as_bytes().to_vec(),
    );
    let loaded = Loaded {
        file,
        sources,
        manifest,
        context,
        warnings,
        reader,
        vertex: digest,
    };
    for warning in loaded.warnings.iter() {
        loaded.warn(bridge, warning).await?;
    }
    Ok(loaded)
}

async fn inputs(bridge: &dyn Bridge) -> Result<Inputs, Failure> {
    let mut inputs = Inputs::new();
    for (name, definition) in bridge.inputs().await? {
        let state =
            State::from_definition(&definition).map_err(|error| Failure::Internal(error.to_string()))?;
        inputs.insert(name, state);
    }
    Ok(inputs)
}

/// A context that is not a folder of the client: a git repository, or an archive by address (which is also how
/// clients hand over an archive on standard input).
fn remote(address: &str) -> Result<State, Failure> {
    let (repository, fragment) = address.split_once('#').unwrap_or((address, ""));
    let named = repository.strip_suffix(".git").is_some();
    let git = named || address.starts_with("git://") || address.starts_with("git@");
    if git {
        let (reference, folder) = fragment.split_once(':').unwrap_or((fragment, ""));
        let source =
            Source::git(repository, reference).name(format!("[internal] load git source {repository}"));
        return Ok(if folder.is_empty() {
            source.build()
        } else {
            source.subdir(folder).build()
        });
    }
    if address.starts_with("http://") || address.starts_with("https://") {
        let archive = Source::http(address)
            .filename("context")
            .name("[internal] load remote build context")
            .build();
        let unpack = Copy::from(&archive, "/context", "/").attempt_unpack();
        return Ok(FileOp::on(State::scratch())
            .copy(unpack)
            .name("[internal] unpack build context")
            .build());
    }
    Err(
        Diagnostic::error(format!("the build context `{address}` cannot be read"))
            .help("a context is a folder, a git repository, or the address of a tar archive")
            .into(),
    )
}

/// Where the manifest is: what the client handed over, a remote context, or a local folder.
fn manifest_tree(request: &Request, options: &Options, inputs: &Inputs, remote: Option<State>) -> State {
    let given = inputs
        .get(&options.manifest_local)
        .or_else(|| inputs.get(&options.context_local));
    given
        .cloned()
        .or(remote)
        .unwrap_or_else(|| reader::manifest_source(request, options))
}

async fn manifest_file(reader: &dyn Reader, options: &Options) -> Result<SourceFile, Failure> {
    let name = &options.filename;
    match reader.manifest().await? {
        Some(bytes) => Ok(SourceFile::new(name.as_str(), text(name, bytes)?)),
        None => Err(no_manifest(name).into()),
    }
}

/// The message for a manifest that is not there; the command uses it too.
pub(crate) fn no_manifest(name: &str) -> Diagnostic {
    Diagnostic::error(format!("there is no `{name}`"))
        .help("create one, or name another file with `-f FILE`; its keys are in docs/manifest.md")
}

fn text(name: &str, bytes: Vec<u8>) -> Result<String, Failure> {
    of_file(name, bytes).map_err(|reason| Diagnostic::error(format!("`{name}` {reason}")).into())
}

/// The repository as a source.
fn context(request: &Request, options: &Options, inputs: &Inputs, remote: Option<State>) -> LocalContext {
    let name = options.context_local.clone();
    LocalContext {
        session: reader::session(request, options, &name),
        shared_key: reader::shared_key(options, &name),
        state: inputs.get(&name).cloned().or(remote),
        excludes: Vec::new(),
        name,
    }
}

/// Patterns of `<manifest>.dockerignore`, else of `.dockerignore`; none for a repository that is no local folder.
pub(super) async fn ignored(reader: &dyn Reader, context: &LocalContext) -> Result<Vec<String>, Failure> {
    if context.state.is_some() {
        return Ok(Vec::new());
    }
    let Some((name, bytes)) = reader.ignore_file(context).await? else {
        return Ok(Vec::new());
    };
    let patterns = Patterns::lines(&text(&name, bytes)?);
    match Patterns::new(&patterns) {
        Ok(_) => Ok(patterns),
        Err(error) => Err(Diagnostic::error(format!("`{name}` cannot be used: {error}")).into()),
    }
}

impl Loaded<'_> {
    /// Reads a service's requirement files or lock, in as many rounds as they name each other; with the first, the locks
    /// of the other services, by which layers are shared.
    pub(super) async fn project(&self, service: (&str, &Service)) -> Result<(Project, Files), Failure> {
        let mut files = Files::new();
        loop {
            match census::gather(&self.file, &self.manifest, service, &files)? {
                Ok(project) => return Ok((project, files)),
                Err(missing) => files.extend(self.read(missing.into_iter().collect()).await?),
            }
        }
    }

    /// What there is to lock of a service with a project.
    pub(super) async fn lockable(&self, service: &str) -> Result<Option<Locked>, Failure> {
        let mut files = Files::new();
        loop {
            match uv_project::lockable(&self.file, &self.manifest, service, &files)? {
                Ok(found) => return Ok(found),
                Err(missing) => files.extend(self.read(missing.into_iter().collect()).await?),
            }
        }
    }

    /// Reads files of the repository.
    pub(super) async fn read(&self, paths: Vec<ProjectPath>) -> Result<Files, Failure> {
        let found = self.reader.read(&self.context, &paths).await?;
        let texts = paths.into_iter().zip(found).map(|(path, bytes)| {
            let text = bytes.map(|bytes| text(path.as_str(), bytes)).transpose()?;
            Ok((path, text.map(Into::into)))
        });
        texts.collect()
    }

    /// What a service lists of the repository and is not there as it should be. `source` is the repository narrowed to it.
    pub(super) async fn mistakes_in(
        &self,
        source: &State,
        listed: &[Listed],
    ) -> Result<Diagnostics, Failure> {
        let paths = listed
            .iter()
            .map(|listed| listed.path.clone())
            .collect::<Vec<_>>();
        let found = self.reader.shapes(&self.context, source, &paths).await?;
        Ok(listed::mistakes(&self.file, listed, &found, self.reader.as_ref()))
    }
}

fn wire_warning(diagnostic: &Diagnostic, digest: &str) -> Warning {
    let place = diagnostic.place.as_ref();
    Warning {
        digest: digest.to_owned(),
        short: diagnostic.summary(),
        detail: diagnostic.details().collect(),
        info: place.map(|(file, _)| buildkit_proto::pb::SourceInfo {
            filename: file.name().to_owned(),
            data: file.text().as_bytes().to_vec(),
            language: language(file.name()).to_owned(),
            ..Default::default()
        }),
        ranges: place
            .map(|(file, span)| range(file, *span).into())
            .into_iter()
            .collect(),
    }
}
