//! `--metadata-file`: what came of each service, for programs.
//!
//! One object by service with the engine's answers under BuildKit's own keys (`containerimage.digest`, `image.name`,
//! `frontend.*` …) and `buildx.build.ref`, the build's id, as buildx names it.

use std::path::Path;

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
            .map(|(key, value)| (key.clone(), value.as_str().into()))
            .collect();
        answers.insert("buildx.build.ref".to_owned(), result.build_ref.as_str().into());
        services.insert(ran.service.to_string(), answers.into());
    }
    let text = format!("{:#}\n", Value::from(services));
    fs_err::write(path, text).map_err(|error| Failure::Local(error.to_string()))
}
