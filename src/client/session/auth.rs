//! Registry credentials for the engine, which pulls and pushes on the user's behalf.
//!
//! Tokens are made by the engine from the credentials: the three other methods answer that they are not there, and
//! BuildKit falls back to `Credentials`.

use std::sync::Arc;

use buildkit_proto::auth::auth_server::Auth;
use buildkit_proto::auth::{
    CredentialsRequest, CredentialsResponse, FetchTokenRequest, FetchTokenResponse, GetTokenAuthorityRequest,
    GetTokenAuthorityResponse, VerifyTokenAuthorityRequest, VerifyTokenAuthorityResponse,
};
use tokio::sync::Mutex;
use tonic::{Request, Response, Status};

use crate::registry::dockerconfig::DockerConfig;

/// Credentials from the user's Docker configuration.
#[derive(Debug)]
pub(super) struct Credentials {
    /// Behind a lock: key rings ask their user, and one question at a time is enough.
    config: Mutex<Arc<DockerConfig>>,
}

impl Credentials {
    pub(super) fn new(config: Arc<DockerConfig>) -> Self {
        Self {
            config: Mutex::new(config),
        }
    }
}

const BY_CREDENTIALS: &str = "tokens are not made here, ask for credentials";

#[tonic::async_trait]
impl Auth for Credentials {
    async fn credentials(
        &self,
        request: Request<CredentialsRequest>,
    ) -> Result<Response<CredentialsResponse>, Status> {
        let host = request.into_inner().host;
        let found = self.config.lock().await.credentials(&host).await;
        let found = found.map_err(|error| Status::unauthenticated(error.to_string()))?;
        Ok(Response::new(CredentialsResponse {
            username: found.username,
            secret: found.secret,
        }))
    }

    async fn fetch_token(
        &self,
        _: Request<FetchTokenRequest>,
    ) -> Result<Response<FetchTokenResponse>, Status> {
        Err(Status::unimplemented(BY_CREDENTIALS))
    }

    async fn get_token_authority(
        &self,
        _: Request<GetTokenAuthorityRequest>,
    ) -> Result<Response<GetTokenAuthorityResponse>, Status> {
        Err(Status::unimplemented(BY_CREDENTIALS))
    }

    async fn verify_token_authority(
        &self,
        _: Request<VerifyTokenAuthorityRequest>,
    ) -> Result<Response<VerifyTokenAuthorityResponse>, Status> {
        Err(Status::unimplemented(BY_CREDENTIALS))
    }
}
