//! The contents of one installed file, streamed and checked.
//!
//! Nothing comes out of a wheel unverified: the deflate stream must end where the archive says, length and CRC-32
//! must be those of the central directory, and the hash must be the one in `RECORD`.

use std::cell::RefCell;
use std::os::unix::fs::FileExt;

use flate2::{Crc, Decompress, FlushDecompress, Status};
use sha2::Sha256;

use crate::archive::{Archive, Member};
use crate::error::Problem;
use crate::record::{Digest, Hasher};

const BUFFER: usize = 128 << 10;

/// Where a file's contents come from.
#[derive(Debug)]
pub(crate) enum Content {
    /// Made by the installer: wrappers, `INSTALLER`, `RECORD`.
    Bytes(Vec<u8>),
    /// A member of the archive as it is, with its hash from `RECORD`.
    Member { member: usize, digest: Digest },
    /// The same, but the first `skip` bytes are replaced by another first line.
    Script {
        member: usize,
        digest: Digest,
        first_line: Vec<u8>,
        skip: u64,
    },
}

/// The contents of one file, ready to be streamed any number of times.
#[derive(Debug, Clone, Copy)]
pub struct Body<'a> {
    pub(crate) archive: &'a Archive,
    pub(crate) content: &'a Content,
}

/// How [`Raw`] data is packed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum RawMethod {
    /// Not at all.
    Stored,
    /// A raw deflate stream (RFC 1951), as in a gzip member between its header and its trailer.
    Deflate,
}

/// What is known of a file's contents as they lie in the wheel, for sinks that can pass them on without packing
/// them anew.
#[derive(Debug, Clone, Copy)]
pub struct Raw {
    /// How the data is packed.
    pub method: RawMethod,
    /// Bytes of data.
    pub length: u64,
    /// CRC-32 of the unpacked contents.
    pub crc: u32,
    /// Bytes of the unpacked contents.
    pub size: u64,
}

/// Takes a chunk of contents.
pub(crate) type Each<'a> = &'a mut dyn FnMut(&[u8]) -> Result<(), Problem>;

impl Body<'_> {
    /// Streams the contents in chunks and verifies them. Chunks come before the verdict: whoever keeps them must
    /// drop them when this fails.
    pub fn stream(&self, each: Each<'_>) -> Result<(), Problem> {
        self.deliver(None, &mut |_| Ok(()), each)
    }

    /// Does the same, and hands out the data that [`Body::raw`] tells of as it is read, each chunk of it before the
    /// contents that it unpacks to. Of other contents no data is handed out.
    pub fn stream_with_raw(&self, packed: Each<'_>, each: Each<'_>) -> Result<(), Problem> {
        self.deliver(None, packed, each)
    }

    /// Does the same, and puts the contents into a digest of the sink's own, which costs less than if the sink did it:
    /// see [`Hasher::update_with`].
    pub(crate) fn stream_hashed(
        &self,
        digest: &mut Sha256,
        packed: Each<'_>,
        each: Each<'_>,
    ) -> Result<(), Problem> {
        self.deliver(Some(digest), packed, each)
    }

    fn deliver(
        &self,
        mut also: Option<&mut Sha256>,
        packed: Each<'_>,
        each: Each<'_>,
    ) -> Result<(), Problem> {
        use sha2::Digest as _;
        match self.content {
            Content::Bytes(bytes) => {
                if let Some(also) = also {
                    also.update(bytes);
                }
                each(bytes)
            }
            Content::Member { member, digest } => {
                self.archive.read_verified(*member, digest, also, packed, each)
            }
            Content::Script {
                member,
                digest,
                first_line,
                skip,
            } => {
                let mut each = |chunk: &[u8]| {
                    if let Some(also) = &mut also {
                        also.update(chunk);
                    }
                    each(chunk)
                };
                each(first_line)?;
                let mut skip = *skip;
                self.archive
                    .read_verified(*member, digest, None, &mut |_| Ok(()), &mut |chunk| {
                        let dropped = usize::try_from(skip).unwrap_or(usize::MAX).min(chunk.len());
                        skip -= dropped as u64;
                        if dropped < chunk.len() {
                            each(&chunk[dropped..])
                        } else {
                            Ok(())
                        }
                    })
            }
        }
    }

    /// Tells of the contents as they lie in the wheel, if they are a member of it unchanged. What the archive says of
    /// them is *not* verified before [`Body::stream_with_raw`] has succeeded.
    pub fn raw(&self) -> Option<Raw> {
        let Content::Member { member, .. } = self.content else {
            return None;
        };
        let member = &self.archive.members[*member];
        Some(Raw {
            method: if member.deflated {
                RawMethod::Deflate
            } else {
                RawMethod::Stored
            },
            length: member.data.1 - member.data.0,
            crc: member.crc,
            size: member.size,
        })
    }
}

/// Buffers and inflater state, kept per thread: wheels are thousands of small files.
struct Scratch {
    input: Vec<u8>,
    output: Vec<u8>,
    inflate: Decompress,
}

thread_local! {
    static SCRATCH: RefCell<Option<Scratch>> = const { RefCell::new(None) };
}

impl Archive {
    /// Streams a member's contents and verifies length and CRC-32.
    pub(crate) fn read(&self, member: usize, each: Each<'_>) -> Result<(), Problem> {
        self.read_packed(member, &mut |_| Ok(()), each)
    }

    /// Does the same, and hands out the data before it is unpacked.
    fn read_packed(&self, member: usize, packed: Each<'_>, each: Each<'_>) -> Result<(), Problem> {
        // Taken out for the time of use, so that a callback that reads another member gets buffers of its own.
        let mut scratch = SCRATCH.take().unwrap_or_else(|| Scratch {
            input: vec![0; BUFFER],
            output: vec![0; BUFFER],
            inflate: Decompress::new(false),
        });
        let result = self.read_with(&mut scratch, member, packed, each);
        SCRATCH.set(Some(scratch));
        result
    }

    /// Streams a member and compares it with its line in `RECORD` as well. The contents go into `also`, too.
    pub(crate) fn read_verified(
        &self,
        member: usize,
        digest: &Digest,
        mut also: Option<&mut Sha256>,
        packed: Each<'_>,
        each: Each<'_>,
    ) -> Result<(), Problem> {
        let mut hasher = Hasher::new(digest.algorithm);
        self.read_packed(member, packed, &mut |chunk| {
            match &mut also {
                Some(also) => hasher.update_with(also, chunk),
                None => hasher.update(chunk),
            }
            each(chunk)
        })?;
        let found = hasher.finish();
        if found == *digest {
            return Ok(());
        }
        Err(Problem::Record(format!(
            "contents hash to `{found}`, but RECORD says `{digest}`"
        )))
    }

    /// Reads a small member into memory.
    pub(crate) fn read_all(&self, member: usize, limit: u64) -> Result<Vec<u8>, Problem> {
        let size = self.members[member].size;
        if size > limit {
            return Err(Problem::TooLarge { size, limit });
        }
        let mut bytes = Vec::new();
        self.read(member, &mut |chunk| {
            bytes.extend_from_slice(chunk);
            Ok(())
        })?;
        Ok(bytes)
    }

    fn read_with(
        &self,
        scratch: &mut Scratch,
        member: usize,
        packed: Each<'_>,
        each: Each<'_>,
    ) -> Result<(), Problem> {
        let member = &self.members[member];
        let mut crc = Crc::new();
        let mut size = 0u64;
        let mut checked = |chunk: &[u8]| {
            size += chunk.len() as u64;
            if size > member.size {
                return Err(Problem::Size {
                    declared: member.size,
                    found: "more".to_owned(),
                });
            }
            crc.update(chunk);
            each(chunk)
        };
        if member.deflated {
            self.inflate(scratch, member, packed, &mut checked)?;
        } else {
            self.copy_stored(scratch, member, packed, &mut checked)?;
        }
        if size != member.size {
            return Err(Problem::Size {
                declared: member.size,
                found: size.to_string(),
            });
        }
        if crc.sum() != member.crc {
            return Err(Problem::Crc {
                declared: member.crc,
                found: crc.sum(),
            });
        }
        Ok(())
    }

    fn copy_stored(
        &self,
        scratch: &mut Scratch,
        member: &Member,
        packed: Each<'_>,
        each: Each<'_>,
    ) -> Result<(), Problem> {
        let (mut at, end) = member.data;
        while at < end {
            let chunk = self.fill(&mut scratch.input, at, end)?;
            at += chunk.len() as u64;
            packed(chunk)?;
            each(chunk)?;
        }
        Ok(())
    }

    fn inflate(
        &self,
        scratch: &mut Scratch,
        member: &Member,
        packed: Each<'_>,
        each: Each<'_>,
    ) -> Result<(), Problem> {
        let Scratch {
            input,
            output,
            inflate,
        } = scratch;
        inflate.reset(false);
        let (mut at, end) = member.data;
        let mut chunk: &[u8] = &[];
        let mut filled = 0;
        loop {
            if chunk.is_empty() && at < end {
                chunk = self.fill(input, at, end)?;
                at += chunk.len() as u64;
                packed(chunk)?;
            }
            let (read, written) = (inflate.total_in(), inflate.total_out());
            let status = inflate
                .decompress(chunk, &mut output[filled..], FlushDecompress::None)
                .map_err(|e| Problem::Deflate(e.to_string()))?;
            let read = small(inflate.total_in() - read);
            let written = small(inflate.total_out() - written);
            chunk = &chunk[read..];
            filled += written;
            // Whole buffers keep the blocks of the digests that follow aligned.
            if filled == output.len() || status == Status::StreamEnd {
                each(&output[..filled])?;
                filled = 0;
            }
            if status == Status::StreamEnd {
                break;
            }
            if read == 0 && written == 0 {
                return Err(Problem::Deflate("it ends too early".to_owned()));
            }
        }
        if !chunk.is_empty() || at < end {
            return Err(Problem::Deflate("bytes follow its end".to_owned()));
        }
        Ok(())
    }

    /// Reads the next bytes of the archive file, up to `end`.
    fn fill<'b>(&self, buffer: &'b mut [u8], at: u64, end: u64) -> Result<&'b [u8], Problem> {
        let length = small((end - at).min(buffer.len() as u64));
        self.file
            .read_exact_at(&mut buffer[..length], at)
            .map_err(|source| Problem::Io {
                action: "read the wheel".to_owned(),
                source,
            })?;
        Ok(&buffer[..length])
    }
}

/// Narrows a length that a buffer already bounds.
fn small(length: u64) -> usize {
    usize::try_from(length).unwrap_or(usize::MAX)
}
