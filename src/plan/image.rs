//! What a service's image says of itself, before the base's own words are known.

use std::collections::BTreeMap;

use serde::Serialize;

use crate::manifest::types::items;
use crate::manifest::{Base, Service};

/// Settings of the image, in the names of OCI and Docker image configs.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct ImageSettings {
    /// Environment on top of the base image's, in order of precedence: base, then service.
    pub environment: BTreeMap<String, String>,
    /// User; none keeps the base's.
    pub user: Option<String>,
    /// Working folder.
    pub working_dir: String,
    /// Entrypoint; none keeps the base's.
    pub entrypoint: Option<Vec<String>>,
    /// Command; none keeps the base's.
    pub command: Option<Vec<String>>,
    /// Ports, such as 8001/tcp.
    pub expose: Vec<String>,
    /// Volumes.
    pub volumes: Vec<String>,
    /// Labels.
    pub labels: BTreeMap<String, String>,
    /// Health check.
    pub health: Option<Health>,
    /// Stop signal.
    pub stop_signal: Option<String>,
}

/// A health check as image configs have it: times in nanoseconds.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "PascalCase")]
pub struct Health {
    /// CMD and its words.
    pub test: Vec<String>,
    /// Time between two checks.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub interval: Option<i64>,
    /// How long one may take.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub timeout: Option<i64>,
    /// Time to start up.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub start_period: Option<i64>,
    /// Time between two checks while starting.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub start_interval: Option<i64>,
    /// Failures before it counts as unwell.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub retries: Option<u32>,
}

/// The settings of a service on its base.
pub(super) fn settings(base: Option<&Base>, service: &Service, user: Option<String>) -> ImageSettings {
    let tables = base
        .and_then(|base| base.environment.as_ref())
        .into_iter()
        .chain(service.environment.as_ref());
    ImageSettings {
        environment: tables
            .flatten()
            .map(|(name, value)| (name.value.clone(), value.value.clone()))
            .collect(),
        user,
        working_dir: service.working_dir().to_owned(),
        entrypoint: service
            .entrypoint
            .as_ref()
            .map(|list| list.values().cloned().collect()),
        command: service
            .command
            .as_ref()
            .map(|list| list.values().cloned().collect()),
        expose: items(service.expose.as_ref())
            .iter()
            .map(|port| port.value.to_string())
            .collect(),
        volumes: items(service.volumes.as_ref())
            .iter()
            .map(|path| path.value.clone())
            .collect(),
        labels: service
            .labels
            .iter()
            .flatten()
            .map(|(name, value)| (name.value.clone(), value.value.clone()))
            .collect(),
        health: service.healthcheck.as_ref().map(|check| Health {
            test: check.test.0.clone(),
            interval: check.interval.as_ref().map(|duration| duration.0),
            timeout: check.timeout.as_ref().map(|duration| duration.0),
            start_period: check.start_period.as_ref().map(|duration| duration.0),
            start_interval: check.start_interval.as_ref().map(|duration| duration.0),
            retries: check.retries.as_ref().map(|retries| retries.value),
        }),
        stop_signal: service.stop_signal.as_ref().map(|signal| signal.to_string()),
    }
}
