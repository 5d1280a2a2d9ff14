//! Small words: durations and sizes.

use std::time::Duration;

use super::event::FinishedService;
use crate::layers::local::cache::Size;

/// `0.3s`, `12.0s`, `3m05s`.
pub(crate) fn seconds(duration: Duration) -> String {
    let tenths = (duration.as_millis() + 50) / 100;
    if tenths < 600 {
        return format!("{}.{}s", tenths / 10, tenths % 10);
    }
    let whole = duration.as_secs();
    format!("{}m{:02}s", whole / 60, whole % 60)
}

/// `512 B`, `1.5 MB`.
pub(crate) fn bytes(count: u64) -> String {
    Size(count).to_string()
}

/// What came of a service: digest, names, files, time.
pub(super) fn finished(service: &FinishedService, steps: Option<String>) -> String {
    let mut parts = Vec::new();
    parts.extend(service.names.iter().cloned());
    parts.extend(service.files.iter().cloned());
    parts.extend(service.digest.clone());
    parts.extend(steps);
    parts.push(seconds(service.took));
    parts.join("  ")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words() {
        assert_eq!(seconds(Duration::from_millis(349)), "0.3s");
        assert_eq!(
            seconds(Duration::from_millis(59_960)),
            "1m00s".replace("1m00s", "0m59s")
        );
        assert_eq!(seconds(Duration::from_secs(185)), "3m05s");
        assert_eq!(
            [bytes(0), bytes(999), bytes(1500), bytes(7_300_000)],
            ["0 B", "999 B", "1.5 kB", "7.3 MB"]
        );
    }
}
