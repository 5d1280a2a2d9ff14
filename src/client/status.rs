//! The engine's progress as plain values. Nothing past this file knows the wire's messages.

use std::time::{Duration, SystemTime};

use buildkit_proto::control::{StatusResponse, Vertex, VertexLog, VertexStatus, VertexWarning};
use prost_types::Timestamp;

/// One thing that happened to a step.
#[derive(Debug, Clone, PartialEq)]
pub struct Update {
    /// The step's digest; equal steps of several builds have the same.
    pub step: String,
    /// What happened.
    pub what: What,
}

/// What happened to a step.
#[derive(Debug, Clone, PartialEq)]
pub enum What {
    /// It is part of the build.
    Known {
        /// Its name.
        name: String,
    },
    /// It started; it may do so again later.
    Started {
        /// The engine's clock.
        at: SystemTime,
    },
    /// It ended.
    Ended {
        /// Its result was there already.
        cached: bool,
        /// How long it took.
        took: Duration,
        /// Why it failed, if it did.
        error: Option<String>,
    },
    /// Part of it, such as one layer, got further.
    Progress {
        /// The part.
        part: String,
        /// Bytes or items done.
        current: u64,
        /// Of how many, 0 if nobody knows.
        total: u64,
        /// This part is complete.
        done: bool,
    },
    /// It wrote something: any piece of text, lines are not kept together.
    Log {
        /// The text.
        text: Vec<u8>,
    },
    /// The frontend or a checker has something to say about it.
    Warning {
        /// One line.
        short: String,
        /// More lines.
        detail: Vec<String>,
        /// Where to read about it.
        url: String,
        /// The file and line it is about.
        place: Option<(String, u32)>,
    },
}

/// Takes a message apart, in the order in which it is to be shown.
pub(super) fn updates(response: StatusResponse) -> Vec<Update> {
    let mut updates = Vec::new();
    for vertex in response.vertexes {
        of_vertex(&vertex, &mut updates);
    }
    updates.extend(response.statuses.into_iter().map(of_status));
    updates.extend(response.logs.into_iter().map(of_log));
    updates.extend(response.warnings.into_iter().map(of_warning));
    updates
}

fn of_vertex(vertex: &Vertex, updates: &mut Vec<Update>) {
    let mut push = |what| {
        updates.push(Update {
            step: vertex.digest.clone(),
            what,
        });
    };
    push(What::Known {
        name: vertex.name.clone(),
    });
    let started = vertex.started.as_ref().map(time);
    if let Some(at) = started {
        push(What::Started { at });
    }
    if let Some(completed) = vertex.completed.as_ref().map(time) {
        let took = started
            .and_then(|started| completed.duration_since(started).ok())
            .unwrap_or_default();
        let error = Some(vertex.error.clone()).filter(|error| !error.is_empty());
        push(What::Ended {
            cached: vertex.cached,
            took,
            error,
        });
    }
}

fn of_status(status: VertexStatus) -> Update {
    let count = |value: i64| u64::try_from(value).unwrap_or(0);
    let part = if status.name.is_empty() {
        status.id
    } else {
        status.name
    };
    let (current, total) = (count(status.current), count(status.total));
    let what = What::Progress {
        part,
        current,
        total,
        done: status.completed.is_some(),
    };
    Update {
        step: status.vertex,
        what,
    }
}

fn of_log(log: VertexLog) -> Update {
    Update {
        step: log.vertex,
        what: What::Log { text: log.msg },
    }
}

fn of_warning(warning: VertexWarning) -> Update {
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    let line = warning.ranges.first().and_then(|range| range.start.as_ref());
    let line = line.and_then(|start| u32::try_from(start.line).ok());
    let what = What::Warning {
        short: text(&warning.short),
        detail: warning.detail.iter().map(|line| text(line)).collect(),
        url: warning.url,
        place: warning.info.map(|info| info.filename).zip(line),
    };
    Update {
        step: warning.vertex,
        what,
    }
}

fn time(stamp: &Timestamp) -> SystemTime {
    // Times before 1970 or past the clock's range are no times of a build.
    SystemTime::try_from(*stamp).unwrap_or(SystemTime::UNIX_EPOCH)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_finished_step_is_known_started_and_ended() {
        let stamp = |seconds| Some(Timestamp { seconds, nanos: 0 });
        let vertex = Vertex {
            digest: "sha256:1".into(),
            name: "copy".into(),
            started: stamp(10),
            completed: stamp(12),
            cached: true,
            ..Vertex::default()
        };
        let response = StatusResponse {
            vertexes: vec![vertex],
            ..StatusResponse::default()
        };
        let what: Vec<_> = updates(response).into_iter().map(|update| update.what).collect();
        assert_eq!(what[0], What::Known { name: "copy".into() });
        assert_eq!(
            what[2],
            What::Ended {
                cached: true,
                took: Duration::from_secs(2),
                error: None
            }
        );
    }
}
