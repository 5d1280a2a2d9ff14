//! Secret values, read when the engine asks and kept nowhere.

use std::collections::BTreeMap;
use std::io;

use buildkit_proto::secrets::secrets_server::Secrets;
use buildkit_proto::secrets::{GetSecretRequest, GetSecretResponse};
use tonic::{Request, Response, Status};

use crate::client::spec::SecretSource;

/// BuildKit's own limit for one secret, in bytes.
const LIMIT: usize = 500 * 1024;

/// Secrets by id.
#[derive(Debug)]
pub(super) struct Values(BTreeMap<String, SecretSource>);

impl Values {
    pub(super) fn new(sources: BTreeMap<String, SecretSource>) -> Self {
        Self(sources)
    }
}

#[tonic::async_trait]
impl Secrets for Values {
    async fn get_secret(
        &self,
        request: Request<GetSecretRequest>,
    ) -> Result<Response<GetSecretResponse>, Status> {
        let id = request.into_inner().id;
        // Steps may do without an optional secret, which they learn from this code alone.
        let absent = || Status::not_found(format!("secret `{id}` not found"));
        let data = match self.0.get(&id) {
            None => return Err(absent()),
            Some(SecretSource::Env(name)) => std::env::var_os(name).ok_or_else(absent)?.into_encoded_bytes(),
            Some(SecretSource::File(path)) => match fs_err::tokio::read(path).await {
                Ok(data) => data,
                Err(error) if error.kind() == io::ErrorKind::NotFound => return Err(absent()),
                Err(error) => return Err(Status::internal(format!("secret `{id}`: {error}"))),
            },
        };
        if data.len() > LIMIT {
            return Err(Status::invalid_argument(format!(
                "secret `{id}` is larger than {} KiB",
                LIMIT >> 10
            )));
        }
        Ok(Response::new(GetSecretResponse { data }))
    }
}

#[cfg(test)]
mod tests {
    use tonic::Code;

    use super::*;

    async fn get(source: SecretSource, id: &str) -> Result<Vec<u8>, Code> {
        let values = Values::new(BTreeMap::from([("known".to_owned(), source)]));
        let request = Request::new(GetSecretRequest {
            id: id.to_owned(),
            ..Default::default()
        });
        values
            .get_secret(request)
            .await
            .map(|answer| answer.into_inner().data)
            .map_err(|status| status.code())
    }

    #[tokio::test]
    async fn values_and_their_absence() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("secret");
        fs_err::write(&path, "value\n").unwrap();
        assert_eq!(
            get(SecretSource::File(path.clone()), "known").await,
            Ok(b"value\n".to_vec())
        );
        assert_eq!(
            get(SecretSource::File(path.clone()), "other").await,
            Err(Code::NotFound)
        );
        assert_eq!(
            get(SecretSource::File(dir.path().join("none")), "known").await,
            Err(Code::NotFound)
        );
        assert_eq!(
            get(SecretSource::Env("WHEELWRIGHT_TEST_UNSET".into()), "known").await,
            Err(Code::NotFound)
        );
        fs_err::write(&path, vec![0; LIMIT + 1]).unwrap();
        assert_eq!(
            get(SecretSource::File(path), "known").await,
            Err(Code::InvalidArgument)
        );
    }
}
