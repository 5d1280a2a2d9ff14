//! ssh agents for steps that mount one: keys can be listed and used to sign, and nothing else.
//!
//! A step could otherwise add keys to the user's agent, remove them or lock it. Every message of the agent protocol
//! is a length and a body whose first byte says what it is, and is answered in order (draft-miller-ssh-agent).

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use buildkit_proto::ssh::ssh_server::Ssh as SshService;
use buildkit_proto::ssh::{BytesMessage, CheckAgentRequest, CheckAgentResponse};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::UnixStream;
use tokio::sync::mpsc;
use tokio_stream::wrappers::ReceiverStream;
use tonic::{Request, Response, Status, Streaming};

use crate::client::spec::Ssh;

/// The id of mounts that name none.
const DEFAULT: &str = "default";
/// Larger messages than any agent takes.
const LIMIT: usize = 256 << 10;
/// List the keys, sign with one.
const ALLOWED: [u8; 2] = [11, 13];
/// The answer to everything else: a body of one byte, "failure".
const REFUSAL: [u8; 5] = [0, 0, 0, 1, 5];

type Answers = mpsc::Sender<Result<BytesMessage, Status>>;

/// Agents' sockets by id.
#[derive(Debug)]
pub(super) struct Agents(BTreeMap<String, Option<PathBuf>>);

impl Agents {
    pub(super) fn new(agents: Vec<Ssh>) -> Self {
        Self(
            agents
                .into_iter()
                .map(|agent| {
                    let place = agent.place();
                    (agent.id, place)
                })
                .collect(),
        )
    }

    fn socket(&self, id: &str) -> Result<&Path, Status> {
        let id = if id.is_empty() { DEFAULT } else { id };
        let known = self
            .0
            .get(id)
            .ok_or_else(|| Status::not_found(format!("ssh agent `{id}` is not forwarded")))?;
        let unset = || Status::failed_precondition("`SSH_AUTH_SOCK` is not set, no agent runs");
        known.as_deref().ok_or_else(unset)
    }
}

#[tonic::async_trait]
impl SshService for Agents {
    async fn check_agent(
        &self,
        request: Request<CheckAgentRequest>,
    ) -> Result<Response<CheckAgentResponse>, Status> {
        self.socket(&request.into_inner().id)?;
        Ok(Response::new(CheckAgentResponse {}))
    }

    type ForwardAgentStream = ReceiverStream<Result<BytesMessage, Status>>;

    async fn forward_agent(
        &self,
        request: Request<Streaming<BytesMessage>>,
    ) -> Result<Response<Self::ForwardAgentStream>, Status> {
        let id = request
            .metadata()
            .get("buildkit.ssh.id")
            .and_then(|id| id.to_str().ok())
            .unwrap_or_default();
        let socket = self.socket(id)?;
        let agent = UnixStream::connect(socket).await;
        let agent = agent.map_err(|error| {
            Status::unavailable(format!(
                "failed to reach the ssh agent at `{}`: {error}",
                socket.display()
            ))
        })?;
        let (answers, stream) = mpsc::channel(16);
        tokio::spawn(async move {
            if let Err(status) = forward(request.into_inner(), agent, &answers).await {
                drop(answers.send(Err(status)).await);
            }
        });
        Ok(Response::new(ReceiverStream::new(stream)))
    }
}

async fn forward(
    mut incoming: Streaming<BytesMessage>,
    mut agent: UnixStream,
    answers: &Answers,
) -> Result<(), Status> {
    let mut pending = Vec::new();
    while let Some(message) = incoming.message().await? {
        pending.extend(message.data);
        while let Some(question) = next(&mut pending)? {
            let answer = if question.get(4).is_some_and(|kind| ALLOWED.contains(kind)) {
                ask(&mut agent, &question)
                    .await
                    .map_err(|error| Status::unavailable(error.to_string()))?
            } else {
                REFUSAL.to_vec()
            };
            if answers.send(Ok(BytesMessage { data: answer })).await.is_err() {
                return Ok(());
            }
        }
    }
    Ok(())
}

/// Takes a whole message, length included, off the front.
fn next(pending: &mut Vec<u8>) -> Result<Option<Vec<u8>>, Status> {
    let Some(length) = pending
        .first_chunk::<4>()
        .map(|length| u32::from_be_bytes(*length) as usize)
    else {
        return Ok(None);
    };
    if length > LIMIT {
        return Err(Status::invalid_argument("a message to the ssh agent is too long"));
    }
    let whole = length + 4;
    Ok((pending.len() >= whole).then(|| pending.drain(..whole).collect()))
}

async fn ask(agent: &mut UnixStream, question: &[u8]) -> std::io::Result<Vec<u8>> {
    agent.write_all(question).await?;
    let length = agent.read_u32().await?;
    let size = usize::try_from(length).ok().filter(|size| *size <= LIMIT);
    let size = size.ok_or_else(|| std::io::Error::other("the ssh agent's answer is too long"))?;
    let mut answer = length.to_be_bytes().to_vec();
    answer.resize(4 + size, 0);
    agent.read_exact(&mut answer[4..]).await?;
    Ok(answer)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn messages_are_taken_whole() {
        let mut pending = vec![0, 0, 0, 1, 11, 0, 0];
        assert_eq!(next(&mut pending).unwrap(), Some(vec![0, 0, 0, 1, 11]));
        assert_eq!(next(&mut pending).unwrap(), None);
        pending.extend([0, 2, 13]);
        assert_eq!(next(&mut pending).unwrap(), None);
        pending.push(9);
        assert_eq!(next(&mut pending).unwrap(), Some(vec![0, 0, 0, 2, 13, 9]));
        assert!(next(&mut vec![255, 0, 0, 0]).is_err());
    }
}
