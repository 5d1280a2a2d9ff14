//! Opening a wheel's zip archive under a strict policy.
//!
//! `rawzip` does the parsing (zip64 included) and hides nothing: every central directory record, its local header
//! and its byte range can be seen. This file decides what is acceptable. The rule is that an archive must have
//! exactly one reading: no trailing bytes, no second end record, no entry named twice, no entry that shares bytes
//! with another one, no local header that tells another story.

use std::collections::BTreeMap;
use std::fs::File;
use std::path::Path;

use rawzip::{CompressionMethod, FileReader, RECOMMENDED_BUFFER_SIZE, ZipArchive, ZipFileHeaderRecord};

use crate::entry_name;
use crate::error::{Error, Problem};

/// A wheel may always unpack to this many bytes …
const FREE_BYTES: u64 = 1 << 30;
/// … beyond that to this many times its own size (deflate could do 1032 times, shared libraries do 3 to 5) …
const MAX_RATIO: u64 = 100;
/// … and never to more than this.
const MAX_BYTES: u64 = 64 << 30;
/// Longest central directory record: fixed part and three variable parts of 16-bit length each.
const RECORD_BUFFER: usize = RECOMMENDED_BUFFER_SIZE + 3 * 0x1_0000;
/// Shortest data descriptor: CRC and two 32-bit sizes, no signature.
const SHORTEST_DESCRIPTOR: u64 = 12;

const FILE_TYPE: u32 = 0o170_000;

/// One file of an archive.
#[derive(Debug)]
pub(crate) struct Member {
    /// Normalised name.
    pub(crate) name: String,
    /// Whether any of the Unix execute bits is set, whichever system claims to have made the archive.
    pub(crate) executable: bool,
    /// Whether the data is a deflate stream; stored otherwise.
    pub(crate) deflated: bool,
    /// Declared size of the contents, in bytes.
    pub(crate) size: u64,
    /// Declared CRC-32 of the contents.
    pub(crate) crc: u32,
    /// Where the (compressed) data starts and ends in the archive file.
    pub(crate) data: (u64, u64),
}

/// An open archive of which nothing but contents remains to be checked.
#[derive(Debug)]
pub(crate) struct Archive {
    /// The archive file, for positioned reads only.
    pub(crate) file: File,
    /// All files, sorted by name.
    pub(crate) members: Vec<Member>,
}

/// What the policy needs to know of an entry besides what [`Member`] keeps.
struct Entry {
    member: Member,
    raw_name: Vec<u8>,
    directory: bool,
    header: u64,
    end: u64,
}

impl Archive {
    /// Opens and checks an archive; reports every entry that is refused, under the wheel's file name.
    pub(crate) fn open(path: &Path, wheel: &str) -> Result<Self, Vec<Error>> {
        let whole = |problem: Problem| vec![problem.in_wheel(wheel)];
        let file = File::open(path).map_err(|e| whole(Problem::io("open", path, e)))?;
        let length = file
            .metadata()
            .map_err(|e| whole(Problem::io("read", path, e)))?
            .len();
        let duplicate = file
            .try_clone()
            .map_err(|e| whole(Problem::io("open", path, e)))?;
        let mut buffer = vec![0; RECORD_BUFFER];
        let zip = ZipArchive::from_file(duplicate, &mut buffer).map_err(|e| whole(zip_problem(path, e)))?;
        check_end(&zip, length).map_err(whole)?;

        let (entries, mut errors) = read_entries(&zip, path, wheel, &mut buffer).map_err(whole)?;
        check_names(&entries, wheel, &mut errors);
        check_ranges(&entries, zip.directory_offset(), wheel, &mut errors);
        check_growth(&entries, length, wheel, &mut errors);
        if !errors.is_empty() {
            return Err(errors);
        }
        let mut members: Vec<Member> = entries
            .into_iter()
            .filter(|e| !e.directory)
            .map(|e| e.member)
            .collect();
        members.sort_by(|a, b| a.name.cmp(&b.name));
        Ok(Self { file, members })
    }

    /// Finds a file by its normalised name.
    pub(crate) fn find(&self, name: &str) -> Option<usize> {
        self.members
            .binary_search_by(|member| member.name.as_str().cmp(name))
            .ok()
    }
}

fn zip_problem(path: &Path, error: rawzip::Error) -> Problem {
    let message = error.to_string();
    match error.into_kind() {
        rawzip::ErrorKind::IO(source) if source.kind() != std::io::ErrorKind::UnexpectedEof => {
            Problem::io("read", path, source)
        }
        _ => Problem::NotAZip(message),
    }
}

/// The end record must be the last thing in the file, and the only one.
fn check_end(zip: &ZipArchive<FileReader>, length: u64) -> Result<(), Problem> {
    if zip.end_offset() != length {
        return Err(Problem::Ambiguous(format!(
            "{} bytes after the end of the archive",
            length.saturating_sub(zip.end_offset())
        )));
    }
    Ok(())
}

/// Reads all central directory records and their local headers. Errors of single entries are collected.
fn read_entries(
    zip: &ZipArchive<FileReader>,
    path: &Path,
    wheel: &str,
    buffer: &mut [u8],
) -> Result<(Vec<Entry>, Vec<Error>), Problem> {
    let mut entries = Vec::new();
    let mut errors = Vec::new();
    let mut local = vec![0; 2 * 0x1_0000];
    let mut count = 0u64;
    let mut records = zip.entries(buffer);
    while let Some(record) = records.next_entry().map_err(|e| zip_problem(path, e))? {
        count += 1;
        match read_entry(zip, &record, &mut local) {
            Ok(entry) => entries.push(entry),
            Err(problem) => {
                let name = String::from_utf8_lossy(record.file_path().as_ref()).into_owned();
                errors.push(problem.in_entry(wheel, &name));
            }
        }
    }
    if count != zip.entries_hint() {
        return Err(Problem::Ambiguous(format!(
            "the end record counts {} entries, the central directory has {count}",
            zip.entries_hint()
        )));
    }
    Ok((entries, errors))
}

fn read_entry(
    zip: &ZipArchive<FileReader>,
    record: &ZipFileHeaderRecord<'_>,
    local: &mut [u8],
) -> Result<Entry, Problem> {
    let raw_name: Vec<u8> = record.file_path().as_ref().to_vec();
    let name = entry_name::normal(&raw_name)?;
    let directory = raw_name.ends_with(b"/");
    check_type(record, directory)?;
    let flags = record.flags();
    if !raw_name.is_ascii() && !flags.is_utf8() {
        return Err(Problem::UnsafeName("neither ASCII nor marked as UTF-8"));
    }
    if flags.is_encrypted() || flags.has_strong_encryption() || flags.is_masked() {
        return Err(Problem::Encrypted);
    }
    let method = record.compression_method();
    let deflated = method == CompressionMethod::DEFLATE;
    if !deflated && method != CompressionMethod::STORE {
        return Err(Problem::Method(method.as_u16()));
    }
    let size = record.uncompressed_size_hint();
    let stored = record.compressed_size_hint();
    if directory && size != 0 {
        return Err(Problem::Size {
            declared: size,
            found: "nothing, being a directory".to_owned(),
        });
    }
    if !deflated && stored != size {
        return Err(Problem::Size {
            declared: size,
            found: stored.to_string(),
        });
    }
    let entry = zip
        .get_entry(record.wayfinder())
        .map_err(|e| Problem::NotAZip(e.to_string()))?;
    let header = entry
        .local_header(local)
        .map_err(|e| Problem::NotAZip(e.to_string()))?;
    if header.file_path().as_ref() != raw_name.as_slice() {
        return Err(Problem::LocalHeader("it has another name"));
    }
    if header.flags().is_encrypted() {
        return Err(Problem::Encrypted);
    }
    if header.compression_method() != method {
        return Err(Problem::LocalHeader("it has another compression method"));
    }
    let descriptor = flags.has_data_descriptor();
    if !descriptor
        && (header.compressed_size_hint() != stored
            || header.uncompressed_size_hint() != size
            || header.crc32() != record.crc32())
    {
        return Err(Problem::LocalHeader("it has another size or checksum"));
    }
    let data = entry.compressed_data_range();
    let end = data.1 + if descriptor { SHORTEST_DESCRIPTOR } else { 0 };
    let executable = (record.external_attributes() >> 16) & 0o111 != 0;
    let member = Member {
        name,
        executable,
        deflated,
        size,
        crc: record.crc32(),
        data,
    };
    Ok(Entry {
        member,
        raw_name,
        directory,
        header: record.local_header_offset(),
        end,
    })
}

/// Refuses links, devices and whatever else is neither a file nor a directory, whichever system claims it.
fn check_type(record: &ZipFileHeaderRecord<'_>, directory: bool) -> Result<(), Problem> {
    let kind = match (record.external_attributes() >> 16) & FILE_TYPE {
        0o120_000 => "symbolic link",
        0o010_000 => "named pipe",
        0o020_000 => "character device",
        0o060_000 => "block device",
        0o140_000 => "socket",
        0o040_000 if !directory => "directory without a trailing slash",
        0o100_000 if directory => "file with a trailing slash",
        _ => return Ok(()),
    };
    Err(Problem::NotAFile(kind))
}

/// No two files of one name, and no file where another entry needs a directory.
fn check_names(entries: &[Entry], wheel: &str, errors: &mut Vec<Error>) {
    let mut seen: BTreeMap<&str, &Entry> = BTreeMap::new();
    for entry in entries {
        if let Some(first) = seen.insert(&entry.member.name, entry)
            && !(first.directory && entry.directory)
        {
            errors.push(clash(wheel, entry, first));
        }
    }
    for entry in entries {
        for (at, _) in entry.member.name.match_indices('/') {
            if let Some(parent) = seen.get(&entry.member.name[..at])
                && !parent.directory
            {
                errors.push(clash(wheel, entry, parent));
            }
        }
    }
}

fn clash(wheel: &str, entry: &Entry, other: &Entry) -> Error {
    let other = String::from_utf8_lossy(&other.raw_name).into_owned();
    Problem::Duplicate(other).in_entry(wheel, &String::from_utf8_lossy(&entry.raw_name))
}

/// Entries may not share bytes, neither with each other nor with the central directory, and the first one starts
/// the file: bytes before it could be a second archive.
fn check_ranges(entries: &[Entry], directory: u64, wheel: &str, errors: &mut Vec<Error>) {
    let mut order: Vec<&Entry> = entries.iter().collect();
    order.sort_by_key(|entry| (entry.header, entry.end));
    if let Some(first) = order.first()
        && first.header != 0
        && errors.is_empty()
    {
        let problem = Problem::Ambiguous(format!("{} bytes before its first entry", first.header));
        errors.push(problem.in_wheel(wheel));
    }
    for pair in order.windows(2) {
        if pair[1].header < pair[0].end {
            let problem = Problem::Overlap(pair[0].member.name.clone());
            errors.push(problem.in_entry(wheel, &pair[1].member.name));
        }
    }
    for entry in order.iter().filter(|entry| entry.end > directory) {
        let problem = Problem::Overlap("the central directory".to_owned());
        errors.push(problem.in_entry(wheel, &entry.member.name));
    }
}

/// Bounds what all entries together may unpack to. Each entry is later held to what it declares here.
fn check_growth(entries: &[Entry], length: u64, wheel: &str, errors: &mut Vec<Error>) {
    let limit = length.saturating_mul(MAX_RATIO).clamp(FREE_BYTES, MAX_BYTES);
    let mut total = 0u64;
    for entry in entries {
        total = total.saturating_add(entry.member.size);
        if total > limit {
            errors.push(Problem::TooLarge { size: total, limit }.in_entry(wheel, &entry.member.name));
            return;
        }
    }
}
