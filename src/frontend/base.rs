//! What a base holds: digest, config, Python, users, folders; as the engine says it.

use std::collections::BTreeMap;

use buildkit_llb::{Platform, State};
use futures_util::future::try_join_all;
use serde::{Deserialize, Serialize};

use super::{Failure, shell};
use crate::bridge::{Bridge, BridgeError, CacheImport, ImageQuery, ResolvedImage, Stat};
use crate::diag::{Diagnostic, SourceFile, Span};
use crate::lower::{self, Asking, Context, Folder, Folders};
use crate::plan::Accounts;
use crate::python::Interpreter;
use crate::python::interpreter::machine;

/// Finds an image; one that cannot be had underlines where it is named.
pub(super) async fn image(
    bridge: &dyn Bridge,
    query: &ImageQuery,
    file: &SourceFile,
    at: Span,
) -> Result<ResolvedImage, Failure> {
    bridge.resolve_image(query).await.map_err(|error: BridgeError| {
        if error.is_unavailable() {
            return Failure::from(error);
        }
        Diagnostic::error(format!("the image `{}` cannot be had: {error}", query.reference))
            .at(file, at)
            .help("check the name, the tag and your registry login")
            .into()
    })
}

/// The environment of an image's config.
pub(super) fn environment(config: &[u8]) -> BTreeMap<String, String> {
    let config = serde_json::from_slice::<serde_json::Value>(config).unwrap_or_default();
    let list = config["config"]["Env"].as_array().cloned().unwrap_or_default();
    let entries = list.iter().filter_map(serde_json::Value::as_str);
    entries
        .filter_map(|entry| entry.split_once('='))
        .map(|(k, v)| (k.to_owned(), v.to_owned()))
        .collect()
}

/// What is asked of a base's root file system. Nothing runs for it, so any platform can be read.
#[derive(Debug, Clone, Default)]
pub(super) struct Wanted {
    /// Its users.
    pub(super) accounts: bool,
    /// Owners and permissions of these folders.
    pub(super) folders: Vec<String>,
}

/// What is known of a base: all that a build has to ask it.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Facts {
    /// Its Python.
    pub(super) python: Python,
    /// Its users, where they were asked for.
    pub(super) accounts: Accounts,
    /// The folders that were asked for and that it has.
    pub(super) folders: Folders,
}

/// Asks the engine.
pub(super) async fn ask(
    bridge: &dyn Bridge,
    cx: &Context,
    root: &State,
    (python, at): (&str, Span),
    wanted: &Wanted,
    caches: &[CacheImport],
) -> Result<Facts, Failure> {
    let (python, (accounts, folders)) = futures_util::try_join!(
        self::python(bridge, cx, root.clone(), python, at, caches),
        look(bridge, root, wanted, caches),
    )?;
    Ok(Facts {
        python,
        accounts,
        folders,
    })
}

/// Looks at a base's root file system.
async fn look(
    bridge: &dyn Bridge,
    root: &State,
    wanted: &Wanted,
    caches: &[CacheImport],
) -> Result<(Accounts, Folders), Failure> {
    if !wanted.accounts && wanted.folders.is_empty() {
        return Ok((Accounts::default(), Folders::new()));
    }
    let result = bridge.solve(lower::marshal(root).into_pb(), caches).await?;
    let read = async |path: &str| {
        if !wanted.accounts {
            return Ok(String::new());
        }
        match bridge.read_file(&result, path).await {
            Ok(bytes) => Ok(String::from_utf8_lossy(&bytes).into_owned()),
            Err(error) if error.is_not_found() => Ok(String::new()),
            Err(error) => Err(Failure::from(error)),
        }
    };
    let stat = async |path: &String| match bridge.stat(&result, path).await {
        Ok(stat) => Ok((path.clone(), stat)),
        Err(error) => Err(Failure::from(error)),
    };
    let (passwd, group, found) = futures_util::try_join!(
        read("/etc/passwd"),
        read("/etc/group"),
        try_join_all(wanted.folders.iter().map(stat)),
    )?;
    let folder = |(path, stat): (String, Option<Stat>)| {
        let stat = stat.filter(|stat| stat.folder)?;
        let (mode, uid, gid) = (stat.mode, stat.uid, stat.gid);
        Some((path, Folder { mode, uid, gid }))
    };
    Ok((
        Accounts { passwd, group },
        found.into_iter().filter_map(folder).collect(),
    ))
}

/// A Python as it speaks of itself; nothing where there is none.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub(super) struct Python {
    version: String,
    implementation: String,
    executable: String,
    libc: String,
    machine: String,
}

/// Asks the image for its Python, and when it has none, the image with its packages.
pub(super) async fn python(
    bridge: &dyn Bridge,
    cx: &Context,
    rootfs: State,
    wanted: &str,
    at: Span,
    caches: &[CacheImport],
) -> Result<Python, Failure> {
    let ask = |root: Option<State>, asking| async move {
        let probe = lower::probe(cx, root, asking, at);
        let result = bridge.solve(lower::marshal(&probe).into_pb(), caches).await?;
        let bytes = bridge.read_file(&result, lower::PROBE_FILE).await?;
        serde_json::from_slice::<Python>(&bytes).map_err(|error| {
            Failure::Internal(format!(
                "the Python of `{}` gave no readable answer: {error}",
                cx.image
            ))
        })
    };
    let shell = Asking::Shell(wanted);
    let found = match ask(None, shell).await {
        Ok(found) => found,
        Err(failure) if shell::is_missing(bridge, &failure, cx, at).await => {
            return ask(None, Asking::Python).await.map_err(|failure| match failure {
                Failure::Engine(error) if !error.is_unavailable() => shell::neither(cx, at).into(),
                other => other,
            });
        }
        Err(failure) => return Err(failure),
    };
    if found.version.is_empty() {
        return ask(Some(rootfs), shell).await;
    }
    Ok(found)
}

/// The interpreter that packages are chosen for; `at` is where the base is named.
pub(super) fn interpreter(found: Python, cx: &Context, at: Span) -> Result<Interpreter, Failure> {
    let wrong =
        |message: String, help: &str| Failure::from(Diagnostic::error(message).at(&cx.file, at).help(help));
    if found.version.is_empty() {
        return Err(wrong(
            format!("`{}` has no Python", cx.image),
            "use an image such as `python:3.11-slim`, or add `python3` and `python3-venv` to the base's `packages`",
        ));
    }
    if found.implementation != "cpython" {
        return Err(wrong(
            format!("`{}` has {}, not CPython", cx.image, found.implementation),
            "use a CPython image",
        ));
    }
    let libc = found
        .libc
        .parse()
        .map_err(|error| wrong(error, "images with glibc or musl are supported"))?;
    let minor = found
        .version
        .parse()
        .map_err(|error: String| wrong(error, "use a newer image"))?;
    Ok(Interpreter {
        assumed: false,
        minor,
        libc,
        executable: found.executable,
        machine: machine_of(&cx.platform, &cx.build_platform, found.machine),
        version: found.version,
    })
}

/// The image of another platform has the same Python on another machine.
fn machine_of(target: &Platform, asked: &Platform, found: String) -> String {
    if target.architecture == asked.architecture {
        found
    } else {
        machine(&target.architecture).to_owned()
    }
}
