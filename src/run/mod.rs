//! Many services at a time.
//!
//! Every service is a build with a session of its own: exporters, credentials and failures do not mix, and the
//! engine shares equal steps between them anyway. At most `jobs` builds run at a time; a failure lets the others end
//! unless `fail_fast` is set. Results come in the order of the jobs. A service whose [`receipt`] still holds is not built.

pub mod receipt;

use std::sync::Arc;
use std::time::{Duration, Instant};

use tokio::sync::Semaphore;
use tokio::sync::mpsc::{UnboundedReceiver, UnboundedSender, unbounded_channel};
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;

use self::receipt::{Draft, UpToDate};
use crate::client::{BuildRequest, BuildResult, Building, Engine, Error, Failure, Work, build};
use crate::report::{Event, EventKind, FailedService, FinishedService, Reporter};

/// How often reporters may redraw.
const TICK: Duration = Duration::from_millis(100);

/// One service to build.
pub struct Job {
    /// Its name in reports.
    pub service: Arc<str>,
    /// What is shared with the engine and what is wanted of it.
    pub request: BuildRequest,
    /// Files and directories that the outputs make, for the report.
    pub files: Vec<String>,
    /// Makes its graph.
    pub work: Box<dyn FnOnce(Building) -> Work + Send>,
    /// What its receipt will say; None where it leaves none.
    pub draft: Option<Draft>,
}

impl std::fmt::Debug for Job {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Job")
            .field("service", &self.service)
            .finish_non_exhaustive()
    }
}

/// How the jobs are run.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Options {
    /// Builds at a time, at least one.
    pub jobs: usize,
    /// Stop the other builds when one fails.
    pub fail_fast: bool,
}

/// What became of a service.
#[derive(Debug)]
pub struct Ran {
    /// Its name.
    pub service: Arc<str>,
    /// How it ended; None if it was not begun or not ended.
    pub outcome: Option<Result<BuildResult, Error>>,
}

/// Builds all `jobs` on `engine`.
pub async fn run(
    engine: &Engine,
    jobs: Vec<Job>,
    options: Options,
    reporter: Box<dyn Reporter>,
    cancel: &CancellationToken,
) -> Vec<Ran> {
    let begun = Instant::now();
    let (events, queue) = unbounded_channel();
    let reporting = tokio::spawn(report(reporter, queue, begun));
    let services: Vec<_> = jobs.iter().map(|job| job.service.clone()).collect();
    let info = engine.info();
    let started = EventKind::RunStarted {
        engine: engine.address().to_owned(),
        version: info.version.clone(),
        services: services.clone(),
    };
    drop(events.send(Event::run(started)));

    let slots = Arc::new(Semaphore::new(options.jobs.max(1)));
    let stop = cancel.child_token();
    let mut running = JoinSet::new();
    for (place, job) in jobs.into_iter().enumerate() {
        let runner = Runner {
            engine: engine.clone(),
            events: events.clone(),
            stop: stop.clone(),
            cancel: cancel.clone(),
        };
        let slots = slots.clone();
        running.spawn(async move {
            // The semaphore is never closed.
            let _slot = slots.acquire_owned().await;
            (place, runner.build(job, options.fail_fast).await)
        });
    }
    let mut ran: Vec<_> = services
        .into_iter()
        .map(|service| Ran {
            service,
            outcome: None,
        })
        .collect();
    while let Some(ended) = running.join_next().await {
        if let Ok((place, outcome)) = ended
            && let Some(ran) = ran.get_mut(place)
        {
            ran.outcome = outcome;
        }
    }
    drop(events.send(Event::run(EventKind::RunEnded)));
    drop(events);
    drop(reporting.await);
    ran
}

/// What one build of a run needs.
struct Runner {
    engine: Engine,
    events: UnboundedSender<Event>,
    /// Ends this run's builds.
    stop: CancellationToken,
    /// The user ended the run.
    cancel: CancellationToken,
}

impl Runner {
    async fn build(self, job: Job, fail_fast: bool) -> Option<Result<BuildResult, Error>> {
        let service = job.service;
        let tell = |kind| drop(self.events.send(Event::of(&service, kind)));
        if self.stop.is_cancelled() {
            tell(EventKind::Skipped {
                reason: self.reason(),
            });
            return None;
        }
        let begun = Instant::now();
        tell(EventKind::Started);
        let draft = job.draft;
        if let Some(draft) = &draft
            && let Some(UpToDate { result, warnings }) = draft.up_to_date(&self.engine, &self.stop).await
        {
            for warning in warnings {
                tell(EventKind::Step(warning));
            }
            tell(EventKind::Finished(FinishedService {
                up_to_date: true,
                ..finished(&result, job.files, begun.elapsed())
            }));
            return Some(Ok(result));
        }
        let (updates, mut queue) = unbounded_channel();
        let forwarding = {
            let (events, service) = (self.events.clone(), service.clone());
            tokio::spawn(async move {
                while let Some(update) = queue.recv().await {
                    drop(events.send(Event::of(&service, EventKind::Step(update))));
                }
            })
        };
        let outcome = build(&self.engine, job.request, updates, &self.stop, job.work).await;
        // All steps are told before the end is.
        drop(forwarding.await);
        let took = begun.elapsed();
        match &outcome {
            Ok(result) => {
                if let Some(draft) = &draft {
                    draft.keep(result);
                }
                tell(EventKind::Finished(finished(result, job.files, took)));
            }
            Err(Error::Cancelled) => {
                tell(EventKind::Skipped {
                    reason: self.reason(),
                });
                return None;
            }
            Err(error) => {
                tell(EventKind::Failed(FailedService {
                    failure: failure(error),
                    took,
                }));
                // Nothing more can be built on an engine that is not there.
                if fail_fast || matches!(error, Error::Gone { .. }) {
                    self.stop.cancel();
                }
            }
        }
        Some(outcome)
    }

    fn reason(&self) -> &'static str {
        if self.cancel.is_cancelled() {
            "interrupted"
        } else {
            "another service failed"
        }
    }
}

fn finished(result: &BuildResult, files: Vec<String>, took: Duration) -> FinishedService {
    FinishedService {
        digest: result.digest().or(result.config_digest()).map(str::to_owned),
        names: result.names().into_iter().map(str::to_owned).collect(),
        files,
        took,
        up_to_date: false,
    }
}

fn failure(error: &Error) -> Failure {
    match error {
        Error::Failed(failure) => (**failure).clone(),
        other => Failure {
            message: other.to_string(),
            ..Failure::default()
        },
    }
}

async fn report(mut reporter: Box<dyn Reporter>, mut events: UnboundedReceiver<Event>, begun: Instant) {
    let mut ticks = tokio::time::interval(TICK);
    loop {
        tokio::select! {
            event = events.recv() => match event {
                Some(event) => reporter.event(begun.elapsed(), &event),
                None => return,
            },
            _ = ticks.tick() => reporter.tick(begun.elapsed()),
        }
    }
}
