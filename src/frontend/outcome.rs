//! The result of a build as BuildKit takes it: trees and image configs by platform.

use std::collections::BTreeMap;

use buildkit_llb::Platform;
use serde_json::json;

use super::Options;
use crate::bridge::{Outcome, Ref, Refs};

/// One platform's part of the result.
pub(super) struct Built {
    pub(super) result: Ref,
    pub(super) config: Vec<u8>,
    pub(super) base_config: Vec<u8>,
}

/// Seconds since 1970 in RFC 3339.
pub(super) fn rfc3339(seconds: i64) -> String {
    // Civil date from a day number: eras of 400 years, years that begin in March.
    let (days, rest) = (seconds.div_euclid(86_400), seconds.rem_euclid(86_400));
    let shifted = days + 719_468;
    let (era, day) = (shifted.div_euclid(146_097), shifted.rem_euclid(146_097));
    let year = (day - day / 1_460 + day / 36_524 - day / 146_096) / 365;
    let day = day - (365 * year + year / 4 - year / 100);
    let month = (5 * day + 2) / 153;
    let (year, day) = (year + era * 400, day - (153 * month + 2) / 5 + 1);
    let (year, month) = if month < 10 {
        (year, month + 3)
    } else {
        (year + 1, month - 9)
    };
    format!(
        "{year:04}-{month:02}-{day:02}T{:02}:{:02}:{:02}Z",
        rest / 3_600,
        rest % 3_600 / 60,
        rest % 60
    )
}

pub(super) fn outcome(options: &Options, platforms: &[Platform], built: Vec<Built>) -> Outcome {
    let many = built.len() > 1 || options.multi_platform == Some(true);
    let mut metadata = BTreeMap::new();
    let mut refs = BTreeMap::new();
    let mut listed = Vec::new();
    for (platform, built) in platforms.iter().zip(built) {
        let id = platform.to_string();
        let suffix = if many { format!("/{id}") } else { String::new() };
        metadata.insert(format!("containerimage.config{suffix}"), built.config);
        metadata.insert(format!("containerimage.base.config{suffix}"), built.base_config);
        if let Some(epoch) = options.build_arg("SOURCE_DATE_EPOCH") {
            metadata.insert(format!("source.date.epoch{suffix}"), epoch.as_bytes().to_vec());
        }
        listed.push(json!({"ID": id, "Platform": oci(platform)}));
        refs.insert(id, built.result);
    }
    metadata.insert(
        "refs.platforms".to_owned(),
        json!({"Platforms": listed}).to_string().into_bytes(),
    );
    let refs = match refs.pop_first() {
        Some((_, one)) if !many => Refs::One(one),
        Some((id, one)) => {
            refs.insert(id, one);
            Refs::Many(refs)
        }
        None => Refs::None,
    };
    Outcome { refs, metadata }
}

/// A platform as OCI writes it.
fn oci(platform: &Platform) -> serde_json::Value {
    let mut value = json!({"architecture": platform.architecture, "os": platform.os});
    if !platform.variant.is_empty() {
        value["variant"] = json!(platform.variant);
    }
    value
}

#[cfg(test)]
mod tests {
    use super::rfc3339;

    #[test]
    fn times_are_written_in_utc() {
        assert_eq!(rfc3339(0), "1970-01-01T00:00:00Z");
        assert_eq!(rfc3339(951_782_399), "2000-02-28T23:59:59Z");
        assert_eq!(rfc3339(951_782_400), "2000-02-29T00:00:00Z");
        assert_eq!(rfc3339(1_767_225_599), "2025-12-31T23:59:59Z");
    }
}
