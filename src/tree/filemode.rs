//! Go's `os.FileMode` bits, which BuildKit's file transfers carry instead of Unix's `st_mode`.

/// A directory.
pub(crate) const DIR: u32 = 1 << 31;
/// A symbolic link.
pub(crate) const SYMLINK: u32 = 1 << 27;
const DEVICE: u32 = 1 << 26;
const FIFO: u32 = 1 << 25;
const SETUID: u32 = 1 << 23;
const SETGID: u32 = 1 << 22;
const CHAR_DEVICE: u32 = 1 << 21;
const STICKY: u32 = 1 << 20;
/// All bits that say what kind of file it is; none of them is set for a regular file.
const TYPE: u32 = DIR | SYMLINK | DEVICE | FIFO | 1 << 24 | CHAR_DEVICE | 1 << 19;

/// What a Go mode says a file is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Kind {
    Regular,
    Dir,
    Symlink,
    Fifo,
    CharDevice,
    BlockDevice,
    Other,
}

/// Translates `st_mode`. The bit for sockets is left out, as Go's sender does, which makes a socket look like an
/// empty regular file: a tar could not hold one either.
pub(crate) fn from_unix(mode: u32) -> u32 {
    let kind = match mode & 0o170_000 {
        0o040_000 => DIR,
        0o120_000 => SYMLINK,
        0o010_000 => FIFO,
        0o020_000 => DEVICE | CHAR_DEVICE,
        0o060_000 => DEVICE,
        _ => 0,
    };
    let special = [(0o4000, SETUID), (0o2000, SETGID), (0o1000, STICKY)];
    let special = special
        .iter()
        .filter(|(unix, _)| mode & unix != 0)
        .fold(0, |bits, (_, go)| bits | go);
    kind | special | (mode & 0o777)
}

/// The permission bits of `st_mode`, with set-id and sticky bits.
pub(crate) fn permissions(mode: u32) -> u32 {
    let special = [(0o4000, SETUID), (0o2000, SETGID), (0o1000, STICKY)];
    let special = special
        .iter()
        .filter(|(_, go)| mode & go != 0)
        .fold(0, |bits, (unix, _)| bits | unix);
    special | (mode & 0o777)
}

/// What kind of file a Go mode describes.
pub(crate) fn kind(mode: u32) -> Kind {
    match mode & TYPE {
        0 => Kind::Regular,
        DIR => Kind::Dir,
        SYMLINK => Kind::Symlink,
        FIFO => Kind::Fifo,
        DEVICE => Kind::BlockDevice,
        bits if bits == DEVICE | CHAR_DEVICE => Kind::CharDevice,
        _ => Kind::Other,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn modes_survive_the_round_trip() {
        for (unix, expected) in [
            (0o100_644, Kind::Regular),
            (0o104_755, Kind::Regular),
            (0o041_777, Kind::Dir),
            (0o120_777, Kind::Symlink),
            (0o010_600, Kind::Fifo),
            (0o020_620, Kind::CharDevice),
            (0o060_660, Kind::BlockDevice),
        ] {
            let mode = from_unix(unix);
            assert_eq!(kind(mode), expected);
            assert_eq!(permissions(mode), unix & 0o7777);
        }
        assert_eq!(from_unix(0o140_755), 0o755, "a socket looks like a regular file");
    }
}
