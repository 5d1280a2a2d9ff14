//! File trees to the engine: the sending half of BuildKit's file transfer.
//!
//! The request's headers say which source and which part of it. All entries are sent first, numbered as they come;
//! meanwhile the engine asks for the content of those it does not have, by number. Both ends say that they are
//! done. Walking and reading block, so they have threads of their own and this process keeps answering.

use std::collections::BTreeMap;
use std::fs::{File, OpenOptions};
use std::io::{self, Read as _};
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};

use buildkit_proto::filesync::file_sync_server::FileSync;
use buildkit_proto::fsutil::packet::PacketType;
use buildkit_proto::fsutil::{Packet, Stat};
use rustix::fs::OFlags;
use tokio::sync::mpsc;
use tokio_stream::wrappers::ReceiverStream;
use tonic::metadata::MetadataMap;
use tonic::{Request, Response, Status, Streaming};

use super::Source;
use crate::tree::{Entry, Part, filemode, walk};

/// Packets under way to the engine.
const QUEUE: usize = 256;
/// Files read at a time.
const READERS: usize = 4;
/// Content in one packet.
const PIECE: usize = 128 << 10;

type Packets = mpsc::Sender<Result<Packet, Status>>;

/// Local sources by name.
#[derive(Debug)]
pub(super) struct Sender(BTreeMap<String, Source>);

impl Sender {
    pub(super) fn new(sources: BTreeMap<String, Source>) -> Self {
        Self(sources)
    }
}

#[tonic::async_trait]
impl FileSync for Sender {
    type DiffCopyStream = ReceiverStream<Result<Packet, Status>>;

    async fn diff_copy(
        &self,
        request: Request<Streaming<Packet>>,
    ) -> Result<Response<Self::DiffCopyStream>, Status> {
        let name = header(request.metadata(), "dir-name").pop().unwrap_or_default();
        // BuildKit knows this text and adds to it which source was meant.
        let missing = || Status::not_found(format!("no access allowed to dir {name:?}"));
        let source = self.0.get(&name).ok_or_else(missing)?.clone();
        let part = part(request.metadata());
        let (packets, stream) = mpsc::channel(QUEUE);
        tokio::spawn(async move {
            if let Err(status) = transfer(source, part, request.into_inner(), &packets).await {
                // The engine reads the packet, other clients the status; neither can be helped once it is gone.
                drop(
                    packets
                        .send(Ok(packet(PacketType::PacketErr, 0, status.message().into())))
                        .await,
                );
                drop(packets.send(Err(status)).await);
            }
        });
        Ok(Response::new(ReceiverStream::new(stream)))
    }

    type TarStreamStream = ReceiverStream<Result<Packet, Status>>;

    async fn tar_stream(
        &self,
        _: Request<Streaming<Packet>>,
    ) -> Result<Response<Self::TarStreamStream>, Status> {
        Err(Status::unimplemented("tar streams are not served"))
    }
}

/// Which part of a source is wanted.
fn part(headers: &MetadataMap) -> Part {
    Part {
        include: header(headers, "include-patterns"),
        exclude: header(headers, "exclude-patterns"),
        follow: header(headers, "followpaths"),
    }
}

/// All values of a header; where one is not ASCII they are all query-escaped and another header says so.
fn header(headers: &MetadataMap, name: &str) -> Vec<String> {
    let escaped = headers
        .get(format!("{name}-encoded"))
        .is_some_and(|value| value == "1");
    let values = headers
        .get_all(name)
        .iter()
        .filter_map(|value| value.to_str().ok());
    values
        .map(|value| {
            if escaped {
                unescape(value)
            } else {
                value.to_owned()
            }
        })
        .collect()
}

fn unescape(text: &str) -> String {
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.bytes();
    while let Some(byte) = rest.next() {
        bytes.push(match byte {
            b'+' => b' ',
            b'%' => {
                let hex: Vec<u8> = rest.by_ref().take(2).collect();
                let value = std::str::from_utf8(&hex)
                    .ok()
                    .and_then(|hex| u8::from_str_radix(hex, 16).ok());
                value.unwrap_or(b'%')
            }
            other => other,
        });
    }
    String::from_utf8_lossy(&bytes).into_owned()
}

/// The files whose content may be asked for, by number.
type Files = Arc<Mutex<BTreeMap<u32, PathBuf>>>;

async fn transfer(
    source: Source,
    part: Part,
    mut incoming: Streaming<Packet>,
    packets: &Packets,
) -> Result<(), Status> {
    let files = Files::default();
    let lister = {
        let (files, packets) = (files.clone(), packets.clone());
        tokio::task::spawn_blocking(move || list(&source, &part, &files, &packets))
    };
    let (wanted, readers) = readers(packets);
    let mut lister = std::pin::pin!(lister);
    let mut listed = false;
    loop {
        let packet = tokio::select! {
            done = &mut lister, if !listed => {
                listed = true;
                done.map_err(|error| Status::internal(error.to_string()))??;
                continue;
            }
            packet = incoming.message() => packet?,
        };
        // An engine that goes away without a word has cancelled the build.
        let Some(packet) = packet else { return Ok(()) };
        match packet.r#type() {
            PacketType::PacketReq => {
                let path = lock(&files).remove(&packet.id);
                let path =
                    path.ok_or_else(|| Status::invalid_argument(format!("no file {} to send", packet.id)))?;
                drop(wanted.send((packet.id, path)));
            }
            PacketType::PacketFin => break,
            PacketType::PacketErr => {
                return Err(Status::aborted(
                    String::from_utf8_lossy(&packet.data).into_owned(),
                ));
            }
            PacketType::PacketStat | PacketType::PacketData => {}
        }
    }
    drop(wanted);
    for reader in readers {
        reader
            .await
            .map_err(|error| Status::internal(error.to_string()))?;
    }
    drop(
        packets
            .send(Ok(packet(PacketType::PacketFin, 0, Vec::new())))
            .await,
    );
    Ok(())
}

/// Sends every entry, then the one without a stat that ends the list.
fn list(source: &Source, part: &Part, files: &Files, packets: &Packets) -> Result<(), Status> {
    let mut number = 0;
    let mut send = |entry: Entry, path: PathBuf| {
        if entry.has_content() {
            lock(files).insert(number, path);
        }
        number += 1;
        let packet = Packet {
            stat: Some(stat(entry)),
            ..packet(PacketType::PacketStat, 0, Vec::new())
        };
        packets.blocking_send(Ok(packet)).is_ok()
    };
    match source {
        Source::Directory(root) => {
            let filter = part
                .filter(root)
                .map_err(|error| Status::invalid_argument(error.to_string()))?;
            let visit = |entry: Entry| {
                let path = root.join(&entry.path);
                send(entry, path)
            };
            walk(root, &filter, visit)
                .map_err(|error| Status::internal(super::super::error::reason(&error)))?;
        }
        Source::Executables(named) => {
            for (name, path) in named {
                let size = fs_err::metadata(path)
                    .map_err(|error| Status::internal(error.to_string()))?
                    .len();
                let mode = filemode::from_unix(0o100_755);
                send(
                    Entry {
                        path: name.clone(),
                        mode,
                        size,
                        ..Entry::default()
                    },
                    path.clone(),
                );
            }
        }
    }
    // A failure means that the engine hung up, which the receiving side sees, too.
    drop(packets.blocking_send(Ok(packet(PacketType::PacketStat, 0, Vec::new()))));
    Ok(())
}

type Wanted = std::sync::mpsc::Sender<(u32, PathBuf)>;

/// Threads that send the content of wanted files until the channel closes.
fn readers(packets: &Packets) -> (Wanted, Vec<tokio::task::JoinHandle<()>>) {
    let (wanted, queue) = std::sync::mpsc::channel::<(u32, PathBuf)>();
    let queue = Arc::new(Mutex::new(queue));
    let reader = |_| {
        let (queue, packets) = (queue.clone(), packets.clone());
        tokio::task::spawn_blocking(move || {
            loop {
                let next = lock(&queue).recv();
                let Ok((id, path)) = next else { return };
                if !send_content(id, &path, &packets) {
                    return;
                }
            }
        })
    };
    (wanted, (0..READERS).map(reader).collect())
}

/// Sends a file in pieces and an empty piece at its end. A file that cannot be read is sent as far as it can be; the
/// engine sees that it is short. False if the engine hung up.
fn send_content(id: u32, path: &Path, packets: &Packets) -> bool {
    let send = |data| {
        packets
            .blocking_send(Ok(packet(PacketType::PacketData, id, data)))
            .is_ok()
    };
    if let Ok(mut file) = open(path) {
        loop {
            let mut data = Vec::with_capacity(PIECE);
            match file.by_ref().take(PIECE as u64).read_to_end(&mut data) {
                Ok(length) if length > 0 => {
                    if !send(data) {
                        return false;
                    }
                }
                _ => break,
            }
        }
    }
    send(Vec::new())
}

/// What was a regular file when it was listed may be a link or a pipe by now: neither is followed or waited for.
fn open(path: &Path) -> io::Result<File> {
    let flags = OFlags::NOFOLLOW | OFlags::NONBLOCK;
    OpenOptions::new()
        .read(true)
        .custom_flags(flags.bits().cast_signed())
        .open(path)
}

fn stat(entry: Entry) -> Stat {
    Stat {
        path: entry.path,
        mode: entry.mode,
        size: entry.size.cast_signed(),
        mod_time: entry.modified,
        linkname: entry.link,
        devmajor: entry.device.0.into(),
        devminor: entry.device.1.into(),
        xattrs: entry.xattrs.into_iter().collect(),
        ..Stat::default()
    }
}

fn packet(kind: PacketType, id: u32, data: Vec<u8>) -> Packet {
    Packet {
        r#type: kind.into(),
        id,
        data,
        ..Packet::default()
    }
}

fn lock<T>(mutex: &Mutex<T>) -> std::sync::MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn escaped_headers_are_decoded() {
        let mut headers = MetadataMap::new();
        headers.append("exclude-patterns", "a%2Fb%C3%A9+c".parse().unwrap());
        headers.append("exclude-patterns", "plain".parse().unwrap());
        assert_eq!(header(&headers, "exclude-patterns"), ["a%2Fb%C3%A9+c", "plain"]);
        headers.insert("exclude-patterns-encoded", "1".parse().unwrap());
        assert_eq!(header(&headers, "exclude-patterns"), ["a/bé c", "plain"]);
    }
}
