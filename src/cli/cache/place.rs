//! Where the cache of wheels and layers is: the options that commands share.

use std::path::PathBuf;

use clap::Args;

use crate::cli::Failure;
use crate::layers::local::Cache;
use crate::layers::local::cache::{LIMIT, Size, default_directory};

/// The cache of wheels and layers.
#[derive(Debug, Clone, Args)]
pub struct CachePlace {
    /// Folder for wheels and layers that were downloaded and made here
    ///
    /// Without it: `$XDG_CACHE_HOME/wheelwright` or `~/.cache/wheelwright`. Several commands may use one at a time.
    #[arg(
        long = "cache-dir",
        env = "WHEELWRIGHT_CACHE_DIR",
        value_name = "DIR",
        help_heading = "Cache"
    )]
    dir: Option<PathBuf>,
    /// How large that folder may grow, such as 20GB; what was not used for longest goes first
    #[arg(
        long = "cache-size",
        env = "WHEELWRIGHT_CACHE_SIZE",
        value_name = "SIZE",
        default_value = "10GB",
        help_heading = "Cache"
    )]
    size: Size,
}

impl Default for CachePlace {
    fn default() -> Self {
        Self {
            dir: None,
            size: Size(LIMIT),
        }
    }
}

impl CachePlace {
    /// The folder's path.
    pub(in crate::cli) fn path(&self) -> Result<PathBuf, Failure> {
        let named = self.dir.clone().filter(|dir| !dir.as_os_str().is_empty());
        named.or_else(default_directory).ok_or_else(|| {
            Failure::Usage("there is no home folder for the cache; `--cache-dir` says where it is".to_owned())
        })
    }

    /// The cache, made where there is none.
    pub(in crate::cli) fn open(&self) -> Result<Cache, Failure> {
        let path = self.path()?;
        Cache::open(&path, self.size.0).map_err(|error| {
            Failure::Local(format!(
                "the cache in `{}` cannot be used: {error}",
                path.display()
            ))
        })
    }
}
