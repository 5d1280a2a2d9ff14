//! Reading the project through the engine: the manifest, what .dockerignore leaves out, requirement files, locks.

use std::collections::BTreeMap;

use buildkit_llb::{Copy, Differ, FileOp, Source, SourceMap, State};
use futures_util::future::try_join_all;

use super::failure::{language, range};
use super::project::{Files, Project};
use super::{Failure, Options, Request, census};
use crate::bridge::{Bridge, Ref, Warning};
use crate::diag::{Diagnostic, SourceFile};
use crate::lower::{self, LocalContext};
use crate::manifest::{self, Manifest, ProjectPath, Service};

/// A manifest and where it came from.
#[derive(Debug, Clone)]
pub(super) struct Loaded {
    pub(super) file: SourceFile,
    pub(super) sources: SourceMap,
    pub(super) manifest: Manifest,
    pub(super) context: LocalContext,
}

/// What clients hand over in place of local folders, by name.
type Inputs = BTreeMap<String, State>;

/// Reads and checks the manifest, then .dockerignore.
pub(super) async fn manifest(
    bridge: &dyn Bridge,
    request: &Request,
    options: &Options,
) -> Result<Loaded, Failure> {
    let inputs = inputs(bridge).await?;
    let remote = options.remote_context.as_deref().map(remote).transpose()?;
    let ((file, digest), context) = futures_util::try_join!(
        manifest_file(bridge, request, options, &inputs, remote.as_ref()),
        context(bridge, request, options, &inputs, remote.clone()),
    )?;
    let (manifest, warnings) = manifest::parse(&file)?;
    let sources = SourceMap::new(
        file.name(),
        language(file.name()),
        file.text().as_bytes().to_vec(),
    );
    for warning in warnings.iter() {
        bridge.warn(wire_warning(warning, &digest)).await?;
    }
    Ok(Loaded {
        file,
        sources,
        manifest,
        context,
    })
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

/// The manifest's text and the digest of the vertex it came from.
async fn manifest_file(
    bridge: &dyn Bridge,
    request: &Request,
    options: &Options,
    inputs: &Inputs,
    remote: Option<&State>,
) -> Result<(SourceFile, String), Failure> {
    let name = &options.filename;
    let state = match (
        inputs
            .get(&options.manifest_local)
            .or_else(|| inputs.get(&options.context_local)),
        remote,
    ) {
        (Some(state), _) | (None, Some(state)) => state.clone(),
        (None, None) => Source::local(&options.manifest_local)
            .session_id(session(request, options, &options.manifest_local))
            .follow_paths([name.clone()])
            .shared_key_hint(format!("{name}{}", shared_key(options, &options.manifest_local)))
            .differ(Differ::None)
            .name(format!("[internal] load build definition from {name}"))
            .build(),
    };
    let definition = lower::marshal(&state);
    let digest = definition.head().unwrap_or_default().to_owned();
    let result = bridge.solve(definition.to_pb(), &[]).await?;
    match bridge.read_file(&result, name).await {
        Ok(bytes) => Ok((SourceFile::new(name.as_str(), text(name, bytes)?), digest)),
        Err(error) if error.is_not_found() => Err(no_manifest(name).into()),
        Err(error) => Err(error.into()),
    }
}

/// The message for a manifest that is not there; the command uses it too.
pub(crate) fn no_manifest(name: &str) -> Diagnostic {
    Diagnostic::error(format!("there is no `{name}`"))
        .help("create one, or name another file with `-f FILE`; its keys are in docs/manifest.md")
}

fn text(name: &str, bytes: Vec<u8>) -> Result<String, Failure> {
    String::from_utf8(bytes).map_err(|error| {
        let at = error.utf8_error().valid_up_to();
        Diagnostic::error(format!("`{name}` is not UTF-8: byte {at} cannot be read")).into()
    })
}

fn session(request: &Request, options: &Options, local: &str) -> String {
    options
        .local_sessions
        .get(local)
        .unwrap_or(&request.session)
        .clone()
}

fn shared_key(options: &Options, local: &str) -> String {
    options
        .shared_keys
        .get(local)
        .map(|key| format!("-{key}"))
        .unwrap_or_default()
}

/// The repository as a source, without what .dockerignore leaves out.
async fn context(
    bridge: &dyn Bridge,
    request: &Request,
    options: &Options,
    inputs: &Inputs,
    remote: Option<State>,
) -> Result<LocalContext, Failure> {
    let name = options.context_local.clone();
    let mut context = LocalContext {
        session: session(request, options, &name),
        shared_key: shared_key(options, &name),
        state: inputs.get(&name).cloned().or(remote),
        excludes: Vec::new(),
        name,
    };
    if context.state.is_none() {
        context.excludes = ignored(bridge, options, &context).await?;
    }
    Ok(context)
}

/// Patterns of `<manifest>.dockerignore`, else of `.dockerignore`.
async fn ignored(
    bridge: &dyn Bridge,
    options: &Options,
    context: &LocalContext,
) -> Result<Vec<String>, Failure> {
    let own = format!("{}.dockerignore", options.filename);
    let names = [own.as_str(), ".dockerignore"];
    let source = Source::local(&context.name)
        .session_id(&context.session)
        .follow_paths(names)
        .shared_key_hint(format!("{}-.dockerignore{}", context.name, context.shared_key))
        .differ(Differ::None)
        .name("[internal] load .dockerignore")
        .build();
    let result = bridge.solve(lower::marshal(&source).to_pb(), &[]).await?;
    for name in names {
        match bridge.read_file(&result, name).await {
            Ok(bytes) => return Ok(ignore_patterns(&text(name, bytes)?)),
            Err(error) if error.is_not_found() => {}
            Err(error) => return Err(error.into()),
        }
    }
    Ok(Vec::new())
}

/// The lines of an ignore file as patterns relative to the root, as Docker reads them: comments and empty lines
/// out, cleaned, `!` kept in front.
fn ignore_patterns(text: &str) -> Vec<String> {
    let lines = text
        .trim_start_matches('\u{feff}')
        .lines()
        .filter(|line| !line.starts_with('#'))
        .map(str::trim);
    lines
        .filter(|line| !line.is_empty())
        .filter_map(|line| {
            let (not, path) = line
                .strip_prefix('!')
                .map_or(("", line), |path| ("!", path.trim()));
            let parts = path
                .split('/')
                .filter(|part| !part.is_empty() && *part != ".")
                .collect::<Vec<_>>();
            (!parts.is_empty()).then(|| format!("{not}{}", parts.join("/")))
        })
        .collect()
}

/// Reads a service's requirement files or lock, in as many rounds as they name each other; with the first, the locks of
/// the other services, by which layers are shared.
pub(super) async fn project(
    bridge: &dyn Bridge,
    loaded: &Loaded,
    service: &Service,
) -> Result<(Project, Files), Failure> {
    let mut files = Files::new();
    let mut locks = census::locks(&loaded.manifest, service);
    loop {
        match Project::gather(&loaded.file, &loaded.manifest, service, &files)? {
            Ok(project) => return Ok((project, files)),
            Err(mut missing) => {
                missing.append(&mut locks);
                let missing = missing.into_iter().collect::<Vec<_>>();
                files.extend(read(bridge, &loaded.context, &missing).await?);
            }
        }
    }
}

async fn read(bridge: &dyn Bridge, context: &LocalContext, paths: &[ProjectPath]) -> Result<Files, Failure> {
    let what = paths
        .iter()
        .map(ProjectPath::as_str)
        .collect::<Vec<_>>()
        .join(" ");
    let source = lower::narrowed(context, &what, paths);
    let result = bridge.solve(lower::marshal(&source).to_pb(), &[]).await?;
    let one = |path: &ProjectPath| {
        let (path, result) = (path.clone(), result.clone());
        async move {
            match bridge.read_file(&result, path.as_str()).await {
                Ok(bytes) => Ok((path.clone(), Some(text(path.as_str(), bytes)?))),
                Err(error) if error.is_not_found() => Ok((path, None)),
                Err(error) => Err(Failure::from(error)),
            }
        }
    };
    Ok(try_join_all(paths.iter().map(one)).await?.into_iter().collect())
}

/// Those of some paths that the repository does not have, or that .dockerignore leaves out.
pub(super) async fn absent(
    bridge: &dyn Bridge,
    source: &State,
    paths: &[ProjectPath],
) -> Result<Vec<ProjectPath>, Failure> {
    let result: Ref = bridge.solve(lower::marshal(source).to_pb(), &[]).await?;
    let found = try_join_all(paths.iter().map(|path| bridge.exists(&result, path.as_str()))).await?;
    Ok(paths
        .iter()
        .zip(found)
        .filter(|(_, found)| !found)
        .map(|(path, _)| path.clone())
        .collect())
}

fn wire_warning(diagnostic: &Diagnostic, digest: &str) -> Warning {
    let place = diagnostic.place.as_ref();
    Warning {
        digest: digest.to_owned(),
        short: diagnostic.summary(),
        detail: diagnostic.help.clone(),
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

#[cfg(test)]
mod tests {
    use super::ignore_patterns;

    #[test]
    fn ignore_files_are_read_as_docker_does() {
        let patterns = ignore_patterns("\u{feff}# c\n\n/dist/\n**/*.pyc\n ./a \n!keep\n! ./b/\n/\n");
        assert_eq!(patterns, ["dist", "**/*.pyc", "a", "!keep", "!b"]);
    }
}
