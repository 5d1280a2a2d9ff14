//! The cache's directory: its limit, what is in use, and disks that do not play along.

use std::io::Write as _;
use std::path::Path;
use std::time::{Duration, SystemTime};

use crate::layers::local::{Cache, Held};
use crate::layers::{Format, LayerKey, LayerRecord};

/// Puts a layer of `size` bytes in, last used `age` ago.
fn put(cache: &Cache, name: &str, size: usize, age: Duration) -> (LayerRecord, Held) {
    let key = LayerKey::new([name], "/opt/venv", "3.11");
    let digest = format!("sha256:{}", LayerKey::new([name], "", "").as_str());
    let mut file = cache.writing().unwrap();
    file.write_all(&vec![0; size]).unwrap();
    let record = LayerRecord {
        key,
        format: Format::Gzip,
        digest,
        diff_id: "sha256:0".to_owned(),
        size: size as u64,
        unpacked: 0,
        toc_digest: None,
        facts: None,
        licenses: std::collections::BTreeMap::new(),
    };
    let held = cache.keep_layer(&record, file).unwrap();
    let path = cache
        .root()
        .join("layers")
        .join(format!("{}.gzip.json", record.key));
    let file = std::fs::File::open(path).unwrap();
    file.set_modified(SystemTime::now() - age).unwrap();
    (record, held)
}

const HOUR: Duration = Duration::from_hours(1);

#[test]
fn what_was_not_used_for_longest_goes_first_and_nothing_in_use() {
    let folder = tempfile::tempdir().unwrap();
    let cache = Cache::open(folder.path(), 0).unwrap();
    assert!(!cache.has_grown());
    let (oldest, oldest_held) = put(&cache, "a", 50_000, 4 * HOUR);
    assert!(cache.has_grown());
    let (older, _) = put(&cache, "b", 50_000, 3 * HOUR);
    let (newer, _) = put(&cache, "c", 50_000, 2 * HOUR);
    let there = |record: &LayerRecord| cache.layer(&record.key, Format::Gzip).is_some();

    let pruned = cache.prune(115_000).unwrap();
    assert_eq!((pruned.entries, pruned.in_use), (1, 1), "the oldest is in use");
    drop(oldest_held);
    assert!(there(&oldest) && !there(&older) && there(&newer));

    // Looking made the oldest the newest.
    let pruned = cache.prune(60_000).unwrap();
    assert_eq!(pruned.entries, 1);
    let left = cache.usage().unwrap();
    assert_eq!(left.layers.entries, 1);
    assert!(left.bytes() < 60_000);

    cache.prune(0).unwrap();
    assert_eq!(cache.usage().unwrap().bytes(), 0);
}

#[test]
fn unfinished_work_of_others_stays_while_they_live() {
    let folder = tempfile::tempdir().unwrap();
    let cache = Cache::open(folder.path(), 0).unwrap();
    let mut writing = cache.writing().unwrap();
    writing.write_all(b"half").unwrap();
    assert_eq!(cache.prune(0).unwrap().in_use, 1);
    assert!(writing.path().exists());
    // A process that is killed leaves the file and not the lock.
    let path = writing.into_temp_path().keep().unwrap();
    assert_eq!(cache.prune(0).unwrap().entries, 1);
    assert!(!path.exists());
}

#[test]
fn a_cache_that_cannot_be_written_is_told_with_its_name() {
    let refused = |path: &Path| Cache::open(path, 0).unwrap_err().to_string();
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("file");
    std::fs::write(&file, "").unwrap();
    assert!(refused(&file.join("cache")).contains("file/cache"));
    assert!(refused(Path::new("/proc/cache")).contains("/proc/cache"));
}

#[tokio::test]
async fn a_claim_is_waited_for_and_ends_with_its_holder() {
    let folder = tempfile::tempdir().unwrap();
    let cache = Cache::open(folder.path(), 0).unwrap();
    let first = cache.claim("x").await.unwrap();
    let waiting = cache.claim("x");
    let early = tokio::time::timeout(Duration::from_millis(100), waiting).await;
    assert!(early.is_err());
    drop(first);
    assert!(cache.claim("x").await.is_ok());
}
