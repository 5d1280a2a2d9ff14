//! What file operations cannot make, as a small archive that a copy unpacks: folders with special permissions, since
//! `mkdir` keeps nine bits of them, and symbolic links, on engines before BuildKit 0.19.

use buildkit_llb::{Copy, FileOp, State};
use tar::{Builder, EntryType, Header, HeaderMode};

use super::context::{EPOCH, EPOCH_NANOS};
use super::folders::Folder;

/// An archive in the making.
#[derive(Default)]
pub(super) struct Pack {
    entries: Vec<(Header, String, Option<String>)>,
}

impl Pack {
    /// Adds a folder.
    pub(super) fn folder(mut self, path: &str, folder: &Folder) -> Self {
        let mut header = header(EntryType::Directory, folder.mode);
        header.set_uid(u64::from(folder.uid));
        header.set_gid(u64::from(folder.gid));
        self.entries.push((header, relative(path), None));
        self
    }

    /// Adds a symbolic link.
    pub(super) fn link(mut self, target: &str, path: &str) -> Self {
        let header = header(EntryType::Symlink, 0o777);
        self.entries
            .push((header, relative(path), Some(target.to_owned())));
        self
    }

    /// Unpacks it into a tree; an empty one does nothing.
    pub(super) fn lay_down(self, op: FileOp) -> FileOp {
        if self.entries.is_empty() {
            return op;
        }
        let archive = FileOp::on(State::scratch())
            .timestamp(EPOCH_NANOS)
            .mkfile("/pack.tar", 0o644, self.bytes(), None)
            .name("[internal] folders and links")
            .build();
        op.copy(Copy::from(&archive, "/pack.tar", "/").attempt_unpack())
    }

    fn bytes(self) -> Vec<u8> {
        let mut builder = Builder::new(Vec::new());
        builder.mode(HeaderMode::Deterministic);
        let mut add = |(mut header, path, target): (Header, String, Option<String>)| match target {
            Some(target) => builder.append_link(&mut header, path, target),
            None => builder.append_data(&mut header, path, std::io::empty()),
        };
        let added = self.entries.into_iter().try_for_each(&mut add);
        let bytes = added.and_then(|()| builder.into_inner());
        bytes.unwrap_or_else(|error| unreachable!("writing to memory does not fail: {error}"))
    }
}

fn header(kind: EntryType, mode: u32) -> Header {
    let mut header = Header::new_ustar();
    header.set_entry_type(kind);
    header.set_mode(mode);
    header.set_mtime(EPOCH.unsigned_abs());
    header.set_uid(0);
    header.set_gid(0);
    header.set_size(0);
    header
}

/// As archives have it: without the leading slash.
fn relative(path: &str) -> String {
    path.trim_start_matches('/').to_owned()
}
