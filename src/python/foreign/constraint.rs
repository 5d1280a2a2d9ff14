//! Versions as Poetry writes them: ranges with `^`, `~` and `*` besides those of PEP 440, and several ranges with `||`.

use pep440_rs::VersionSpecifiers;

/// The ranges of which a version has to be in one; none at all where every version will do. Words that cannot be read say nothing.
pub(super) fn versions(text: &str) -> Option<Vec<VersionSpecifiers>> {
    let ranges = text.split('|').filter(|range| !range.is_empty());
    let ranges = ranges.map(range).collect::<Option<Vec<_>>>()?;
    let any = ranges.iter().any(VersionSpecifiers::is_empty);
    Some(if any { Vec::new() } else { ranges })
}

fn range(text: &str) -> Option<VersionSpecifiers> {
    let parts = text.split([',', ' ']).map(str::trim);
    let parts = parts.filter(|part| !part.is_empty() && *part != "*");
    let parts = parts.map(part).collect::<Option<Vec<_>>>()?;
    parts.join(",").parse().ok()
}

/// One comparison in words of PEP 440.
fn part(text: &str) -> Option<String> {
    if let Some(version) = text.strip_prefix('^') {
        return between(version, |release| {
            let significant = release.iter().position(|part| *part > 0);
            significant.unwrap_or(release.len() - 1)
        });
    }
    if let Some(version) = text.strip_prefix('~').filter(|rest| !rest.starts_with('=')) {
        return between(version, |release| usize::from(release.len() > 1));
    }
    Some(match text.strip_prefix('=') {
        Some(rest) if !rest.starts_with('=') => format!("=={rest}"),
        None if text.starts_with(|c: char| c.is_ascii_digit()) => format!("=={text}"),
        _ => text.to_owned(),
    })
}

/// From a version up to the next one at the place that `place` chooses.
fn between(version: &str, place: fn(&[u64]) -> usize) -> Option<String> {
    let parsed = version.parse::<pep440_rs::Version>().ok()?;
    let release = parsed.release().to_vec();
    let place = place(&release);
    let mut next = release[..=place].to_vec();
    next[place] += 1;
    let next = next.iter().map(u64::to_string).collect::<Vec<_>>().join(".");
    Some(format!(">={version},<{next}"))
}

#[cfg(test)]
mod tests {
    use super::versions;

    fn read(text: &str) -> Option<String> {
        let ranges = versions(text)?;
        let ranges = ranges.iter().map(|range| range.to_string().replace(' ', ""));
        Some(ranges.collect::<Vec<_>>().join(" or "))
    }

    #[test]
    fn ranges_become_those_of_pep_440() {
        for (text, expected) in [
            ("*", ""),
            (">=1.2,<2.0", ">=1.2,<2.0"),
            (">=1.2 <2.0", ">=1.2,<2.0"),
            ("!=1.5.*", "!=1.5.*"),
            ("1.2", "==1.2"),
            ("=1.2", "==1.2"),
            ("1.2.*", "==1.2.*"),
            ("~=1.2", "~=1.2"),
            ("^1.2.3", ">=1.2.3,<2"),
            ("^0.2.3", ">=0.2.3,<0.3"),
            ("^0.0.3", ">=0.0.3,<0.0.4"),
            ("^0.0", ">=0.0,<0.1"),
            ("^0", ">=0,<1"),
            ("~1.2.3", ">=1.2.3,<1.3"),
            ("~1", ">=1,<2"),
            (">=1,<2 || >=3", ">=1,<2 or >=3"),
            (">=1 || *", ""),
        ] {
            assert_eq!(read(text).as_deref(), Some(expected), "{text}");
        }
        assert_eq!(read("<empty>"), None);
        assert_eq!(read("^x"), None);
    }
}
