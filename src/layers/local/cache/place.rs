//! Where the cache is and how large it may be, unless the command line says so.

use std::env;
use std::path::PathBuf;

/// The variable that names the directory.
pub const DIRECTORY: &str = "WHEELWRIGHT_CACHE_DIR";

/// How large a cache may grow when nobody says: 10 GB.
pub const LIMIT: u64 = 10_000_000_000;

/// `$XDG_CACHE_HOME/wheelwright`, else `~/.cache/wheelwright`; None for a user without a home.
pub fn default_directory() -> Option<PathBuf> {
    let named = |name: &str| {
        env::var_os(name)
            .map(PathBuf::from)
            .filter(|path| path.is_absolute())
    };
    let caches = named("XDG_CACHE_HOME").or_else(|| Some(named("HOME")?.join(".cache")))?;
    Some(caches.join("wheelwright"))
}
