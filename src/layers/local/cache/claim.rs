//! Who is making something, so that it is made once.

use std::fs::{File, TryLockError};
use std::io;
use std::path::Path;
use std::time::Duration;

/// How often it is looked whether a claim is free; the lock itself cannot be waited for without a thread.
const LOOK: Duration = Duration::from_millis(20);

/// The right to make something. Ends when dropped, or with the process.
#[derive(Debug)]
pub struct Claim(#[expect(dead_code, reason = "its lock is what counts")] File);

impl Claim {
    pub(super) async fn of(path: &Path) -> io::Result<Self> {
        let mut options = fs_err::OpenOptions::new();
        let file = options.write(true).create(true).truncate(false).open(path)?;
        let (file, _) = file.into_parts();
        loop {
            match file.try_lock() {
                Err(TryLockError::WouldBlock) => tokio::time::sleep(LOOK).await,
                // Without locks something may be made twice, which is slow and not wrong.
                Ok(()) | Err(TryLockError::Error(_)) => return Ok(Self(file)),
            }
        }
    }
}
