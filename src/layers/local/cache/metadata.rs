//! What is known of wheels that need not be here: their metadata, by the digest of the wheel.

use std::io::{self, Write as _};
use std::path::PathBuf;

use unwheel::Facts;

use super::{Cache, Held};

impl Cache {
    /// What a wheel says of itself, if it was asked before.
    pub fn metadata(&self, sha256: &str) -> Option<Facts> {
        let held = Held::open(&self.metadata_path(sha256)?)?;
        let text = io::read_to_string(held.file()).ok()?;
        let Ok(facts) = serde_json::from_str(&text) else {
            held.remove();
            return None;
        };
        held.touch();
        Some(facts)
    }

    /// Remembers what a wheel says of itself.
    pub fn keep_metadata(&self, sha256: &str, facts: &Facts) -> io::Result<()> {
        let Some(path) = self.metadata_path(sha256) else {
            return Ok(());
        };
        let mut file = self.writing()?;
        serde_json::to_writer(&mut file, facts)?;
        file.flush()?;
        file.persist(path).map_err(|error| error.error)?;
        Ok(())
    }

    /// A digest becomes a path: only one in the usual form does.
    fn metadata_path(&self, sha256: &str) -> Option<PathBuf> {
        let plain = sha256.len() == 64 && sha256.bytes().all(|byte| byte.is_ascii_hexdigit());
        plain.then(|| self.root.join("metadata").join(format!("{sha256}.json")))
    }
}
