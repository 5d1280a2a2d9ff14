//! Where the `unwheel` binary is that steps of the build mount.

use std::env;
use std::path::PathBuf;

use crate::cli::Failure;

/// Its name on disk and in the source that is shared.
pub(super) const NAME: &str = "unwheel";
const VARIABLE: &str = "WHEELWRIGHT_UNWHEEL";

/// Looks at `WHEELWRIGHT_UNWHEEL`, beside this executable, and on PATH.
pub(super) fn find() -> Result<PathBuf, Failure> {
    if let Some(path) = env::var_os(VARIABLE)
        .filter(|path| !path.is_empty())
        .map(PathBuf::from)
    {
        let missing = || {
            Failure::Local(format!(
                "`{VARIABLE}` says `{}`, which is no file",
                path.display()
            ))
        };
        return if path.is_file() { Ok(path) } else { Err(missing()) };
    }
    let beside = env::current_exe().ok().map(|own| own.with_file_name(NAME));
    let on_path = env::var_os("PATH").map(|dirs| {
        env::split_paths(&dirs)
            .map(|dir| dir.join(NAME))
            .collect::<Vec<_>>()
    });
    let found = beside
        .into_iter()
        .chain(on_path.into_iter().flatten())
        .find(|path| path.is_file());
    let text = format!(
        "`{NAME}` is not found, builds need it to unpack wheels\n  help: it comes with `wheelwright` and belongs beside it; \
         elsewhere `{VARIABLE}` says where"
    );
    found.ok_or(Failure::Local(text))
}
