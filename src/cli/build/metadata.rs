//! `--metadata-file`: what came of each service, for programs.
//!
//! One object by service with the engine's answers under BuildKit's own keys (`containerimage.digest`, `image.name`,
//! `frontend.*` …) and `buildx.build.ref`, the build's id, as buildx names it. Answers that are JSON in base64, such as
//! `containerimage.descriptor`, are written as what they hold, which is what buildx does.

use std::path::Path;

use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use serde_json::{Map, Value};

use crate::cli::Failure;
use crate::run::Ran;

/// Writes the file. Services that failed are not in it.
pub(super) fn write(path: &Path, ran: &[Ran]) -> Result<(), Failure> {
    let mut services = Map::new();
    for ran in ran {
        let Some(Ok(result)) = &ran.outcome else { continue };
        let mut answers: Map<String, Value> = result
            .response
            .iter()
            .map(|(key, value)| (key.clone(), answer(value)))
            .collect();
        answers.insert("buildx.build.ref".to_owned(), result.build_ref.as_str().into());
        services.insert(ran.service.to_string(), answers.into());
    }
    let text = format!("{:#}\n", Value::from(services));
    fs_err::write(path, text).map_err(|error| Failure::Local(error.to_string()))
}

fn answer(text: &str) -> Value {
    let decoded = BASE64_STANDARD.decode(text).ok();
    let object = decoded.and_then(|bytes| serde_json::from_slice(&bytes).ok());
    object
        .filter(|value: &Value| value.is_object() || value.is_array())
        .unwrap_or_else(|| text.into())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn json_in_base64_is_written_as_what_it_is() {
        let descriptor = BASE64_STANDARD.encode(r#"{"size": 1}"#);
        assert_eq!(answer(&descriptor), serde_json::json!({"size": 1}));
        assert_eq!(answer("sha256:1234"), "sha256:1234");
        assert_eq!(answer("1234"), "1234");
    }
}
