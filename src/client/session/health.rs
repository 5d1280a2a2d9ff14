//! Health: the engine ends a session that does not answer within seconds.

use buildkit_proto::health::health_check_response::ServingStatus;
use buildkit_proto::health::health_server::Health;
use buildkit_proto::health::{HealthCheckRequest, HealthCheckResponse};
use tokio_stream::Pending;
use tonic::{Request, Response, Status};

/// Serving, as long as it can answer at all.
#[derive(Debug)]
pub(super) struct Alive;

#[tonic::async_trait]
impl Health for Alive {
    async fn check(&self, _: Request<HealthCheckRequest>) -> Result<Response<HealthCheckResponse>, Status> {
        Ok(Response::new(HealthCheckResponse {
            status: ServingStatus::Serving.into(),
        }))
    }

    type WatchStream = Pending<Result<HealthCheckResponse, Status>>;

    async fn watch(&self, _: Request<HealthCheckRequest>) -> Result<Response<Self::WatchStream>, Status> {
        Err(Status::unimplemented("`Watch` is not served, ask `Check`"))
    }
}
