//! Results from the engine: a file tree for the `local` exporter, one stream of bytes for those that make an archive.
//!
//! Both come under the same method name; which one it is follows from the exporter, whose number is in the
//! request's headers. A file appears under its name when it is complete.

use std::collections::BTreeMap;
use std::io;
use std::path::Path;
use std::process::Stdio;
use std::sync::Arc;

use buildkit_proto::filesync::BytesMessage;
use buildkit_proto::fsutil::packet::PacketType;
use buildkit_proto::fsutil::{Packet, Stat};
use buildkit_proto::raw::FileSend;
use prost::Message as _;
use tokio::io::{AsyncWrite, AsyncWriteExt as _};
use tokio::sync::{OwnedSemaphorePermit, Semaphore, mpsc};
use tokio_stream::wrappers::ReceiverStream;
use tonic::{Request, Response, Status, Streaming};

use super::unpack::Unpack;
use crate::client::spec::Dest;
use crate::tree::Entry;

/// Answers under way to the engine, and files asked for at a time.
const QUEUE: usize = 256;
const WINDOW: usize = 128;
/// Content read ahead of the disk, in bytes.
const AHEAD: usize = 8 << 20;

type Answers = mpsc::Sender<Result<Vec<u8>, Status>>;

/// Destinations by exporter.
#[derive(Debug)]
pub(super) struct Receiver(BTreeMap<usize, Dest>);

impl Receiver {
    pub(super) fn new(outputs: BTreeMap<usize, Dest>) -> Self {
        Self(outputs)
    }
}

#[tonic::async_trait]
impl FileSend for Receiver {
    type DiffCopyStream = ReceiverStream<Result<Vec<u8>, Status>>;

    async fn diff_copy(
        &self,
        request: Request<Streaming<Vec<u8>>>,
    ) -> Result<Response<Self::DiffCopyStream>, Status> {
        let number = request.metadata().get("buildkit-attachable-exporter-id");
        // Engines before 0.13 have one exporter and give it no number.
        let number = number
            .and_then(|number| number.to_str().ok()?.parse().ok())
            .unwrap_or(0);
        let dest = self.0.get(&number).cloned();
        let dest = dest.ok_or_else(|| Status::not_found(format!("exporter {number} sends no files here")))?;
        let (answers, stream) = mpsc::channel(QUEUE);
        tokio::spawn(async move {
            let incoming = request.into_inner();
            let done = match dest {
                Dest::Directory(dir) => tree(&dir, incoming, &answers).await,
                Dest::File(path) => file(&path, incoming).await,
                Dest::Stdout => copy(incoming, &mut tokio::io::stdout()).await,
                Dest::DockerLoad => load(incoming).await,
            };
            if let Err(status) = done {
                drop(answers.send(Err(status)).await);
            }
        });
        Ok(Response::new(ReceiverStream::new(stream)))
    }
}

/// A packet, and the right to have its content in memory.
type Queued = (Packet, Option<OwnedSemaphorePermit>);

/// Receives a tree. Disks block, so a thread of its own does the writing and this one only passes packets on.
///
/// Packets without content are never held back: there is one for every entry, small and all at once, and a
/// connection on which tens of thousands of small frames wait to be read is taken for an attack and closed.
async fn tree(dir: &Path, mut incoming: Streaming<Vec<u8>>, answers: &Answers) -> Result<(), Status> {
    let (packets, queue) = mpsc::unbounded_channel();
    let ahead = Arc::new(Semaphore::new(AHEAD));
    let writer = {
        let (dir, answers) = (dir.to_owned(), answers.clone());
        tokio::task::spawn_blocking(move || write_tree(&dir, queue, &answers))
    };
    while let Some(packet) = incoming.message().await? {
        let packet =
            Packet::decode(packet.as_slice()).map_err(|error| Status::internal(error.to_string()))?;
        let last = packet.r#type() == PacketType::PacketFin;
        let size = u32::try_from(packet.data.len().min(AHEAD)).unwrap_or(0);
        // The semaphore is never closed.
        let room = if size > 0 {
            ahead.clone().acquire_many_owned(size).await.ok()
        } else {
            None
        };
        // The writer has failed if it takes no more; its own error says why.
        if packets.send((packet, room)).is_err() || last {
            break;
        }
    }
    drop(packets);
    writer
        .await
        .map_err(|error| Status::internal(error.to_string()))?
}

fn write_tree(dir: &Path, packets: mpsc::UnboundedReceiver<Queued>, answers: &Answers) -> Result<(), Status> {
    let written = Tree::open(dir, answers).and_then(|tree| tree.receive(packets));
    written.map_err(|error| {
        let text = format!("export to `{}`: {error}", dir.display());
        // Both ends report: the engine takes the packet for its own error, the stream's status is for this end.
        drop(answers.blocking_send(Ok(packet(PacketType::PacketErr, 0, text.clone().into_bytes()))));
        Status::internal(text)
    })
}

/// A tree being received.
struct Tree<'a> {
    unpack: Unpack,
    answers: &'a Answers,
    /// Number of the next entry.
    number: u32,
    /// Files still to be asked for.
    waiting: std::collections::VecDeque<(u32, Entry)>,
    all_listed: bool,
}

impl<'a> Tree<'a> {
    fn open(dir: &Path, answers: &'a Answers) -> io::Result<Self> {
        let unpack = Unpack::open(dir)?;
        Ok(Self {
            unpack,
            answers,
            number: 0,
            waiting: std::collections::VecDeque::new(),
            all_listed: false,
        })
    }

    fn receive(mut self, mut packets: mpsc::UnboundedReceiver<Queued>) -> io::Result<()> {
        let broken = || io::Error::new(io::ErrorKind::UnexpectedEof, "the engine ended the transfer");
        while let Some((packet, room)) = packets.blocking_recv() {
            match packet.r#type() {
                PacketType::PacketStat => self.listed(packet.stat)?,
                PacketType::PacketData if self.unpack.data(packet.id, &packet.data)? => {}
                PacketType::PacketErr => {
                    return Err(io::Error::other(
                        String::from_utf8_lossy(&packet.data).into_owned(),
                    ));
                }
                PacketType::PacketData | PacketType::PacketReq => {
                    return Err(io::Error::new(
                        io::ErrorKind::InvalidData,
                        "the engine sent what nobody asked for",
                    ));
                }
                PacketType::PacketFin => return Err(broken()),
            }
            drop(room);
            self.ask()?;
            if self.all_listed && self.waiting.is_empty() && self.unpack.arriving() == 0 {
                return self.finish(packets);
            }
        }
        Err(broken())
    }

    fn listed(&mut self, stat: Option<Stat>) -> io::Result<()> {
        let Some(stat) = stat else {
            self.all_listed = true;
            return Ok(());
        };
        let entry = entry(stat);
        if self.unpack.entry(&entry)? {
            self.waiting.push_back((self.number, entry));
        }
        self.number += 1;
        Ok(())
    }

    fn ask(&mut self) -> io::Result<()> {
        while self.unpack.arriving() < WINDOW
            && let Some((number, entry)) = self.waiting.pop_front()
        {
            self.unpack.begin(number, &entry)?;
            self.answer(packet(PacketType::PacketReq, number, Vec::new()))?;
        }
        Ok(())
    }

    /// Completes the tree before saying so: when the engine reports success it is there.
    fn finish(self, mut packets: mpsc::UnboundedReceiver<Queued>) -> io::Result<()> {
        let Self { unpack, answers, .. } = self;
        unpack.finish()?;
        drop(answers.blocking_send(Ok(packet(PacketType::PacketFin, 0, Vec::new()))));
        while packets
            .blocking_recv()
            .is_some_and(|(packet, _)| packet.r#type() != PacketType::PacketFin)
        {}
        Ok(())
    }

    fn answer(&self, packet: Vec<u8>) -> io::Result<()> {
        self.answers
            .blocking_send(Ok(packet))
            .map_err(|_| io::ErrorKind::BrokenPipe.into())
    }
}

fn entry(stat: Stat) -> Entry {
    Entry {
        path: stat.path,
        mode: stat.mode,
        size: stat.size.try_into().unwrap_or(0),
        modified: stat.mod_time,
        link: stat.linkname,
        device: (
            stat.devmajor.try_into().unwrap_or(0),
            stat.devminor.try_into().unwrap_or(0),
        ),
        xattrs: stat.xattrs.into_iter().collect(),
    }
}

fn packet(kind: PacketType, id: u32, data: Vec<u8>) -> Vec<u8> {
    Packet {
        r#type: kind.into(),
        id,
        data,
        ..Packet::default()
    }
    .encode_to_vec()
}

/// Receives an archive into a file beside its final name.
async fn file(path: &Path, incoming: Streaming<Vec<u8>>) -> Result<(), Status> {
    let wrap = |error: io::Error| Status::internal(format!("export to `{}`: {error}", path.display()));
    if let Some(parent) = path.parent().filter(|parent| !parent.as_os_str().is_empty()) {
        fs_err::tokio::create_dir_all(parent).await.map_err(wrap)?;
    }
    let mut name = path.file_name().unwrap_or_default().to_owned();
    name.push(format!(".wheelwright-{}.tmp", std::process::id()));
    let temporary = Temporary(path.with_file_name(name));
    let mut file = fs_err::tokio::File::create(&temporary.0).await.map_err(wrap)?;
    copy(incoming, &mut file).await?;
    drop(file);
    fs_err::tokio::rename(&temporary.0, path).await.map_err(wrap)
}

/// Removed when dropped, unless it has been renamed by then.
struct Temporary(std::path::PathBuf);

impl Drop for Temporary {
    fn drop(&mut self) {
        drop(fs_err::remove_file(&self.0));
    }
}

/// Receives an archive into the standard input of `docker load`.
async fn load(incoming: Streaming<Vec<u8>>) -> Result<(), Status> {
    let wrap = |error: io::Error| Status::internal(format!("failed to run `docker load`: {error}"));
    let mut child = tokio::process::Command::new("docker")
        .arg("load")
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .process_group(0)
        .kill_on_drop(true)
        .spawn()
        .map_err(wrap)?;
    let copied = match child.stdin.take() {
        Some(mut stdin) => copy(incoming, &mut stdin).await,
        None => Ok(()),
    };
    let output = child.wait_with_output().await.map_err(wrap)?;
    if !output.status.success() {
        // Its own complaint matters more than the broken pipe that it left.
        let said = String::from_utf8_lossy(&output.stderr).trim().to_owned();
        return Err(Status::internal(format!("`docker load` failed: {said}")));
    }
    copied
}

async fn copy(mut incoming: Streaming<Vec<u8>>, out: &mut (impl AsyncWrite + Unpin)) -> Result<(), Status> {
    let failed = |error: io::Error| Status::internal(format!("failed to write the export: {error}"));
    while let Some(message) = incoming.message().await? {
        let message =
            BytesMessage::decode(message.as_slice()).map_err(|error| Status::internal(error.to_string()))?;
        out.write_all(&message.data).await.map_err(failed)?;
    }
    out.flush().await.map_err(failed)
}
