//! [`Identity`]: what tells two builds of a program apart.
//!
//! The build ids in its notes, and how its segments are laid out. Read from a file, or from the
//! first page of it that a core kept.

use std::fmt::Write;

use crate::bytes::{u16_at, u32_at, u64_at};
use crate::headers::{HEADER_BYTES, PROGRAM_HEADER_BYTES, PT_LOAD, PT_NOTE};

/// `NT_GNU_BUILD_ID`, of owner `GNU`.
const GNU_BUILD_ID: u32 = 3;
/// `ELF_NOTE_GOBUILDID_TAG`, of owner `Go`.
const GO_BUILD_ID: u32 = 4;
/// Most program headers of an executable; Go links 7 to 14.
const MOST_PROGRAM_HEADERS: u16 = 512;
/// Most bytes of a note segment.
const MOST_NOTE_BYTES: u64 = 64 << 10;

/// What is known of a build.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub(crate) struct Identity {
    /// The GNU build id.
    pub(crate) gnu: Option<Vec<u8>>,
    /// The Go build id.
    pub(crate) go: Option<Vec<u8>>,
    /// The headers of its loaded segments.
    pub(crate) loads: Vec<u8>,
}

impl Identity {
    /// Reads it through `read`, which fills a buffer from an offset in the file. Nothing where
    /// that is no ELF file, or its headers cannot be had.
    pub(crate) fn read(read: &dyn Fn(u64, &mut [u8]) -> bool) -> Option<Identity> {
        let mut header = [0; HEADER_BYTES];
        if !read(0, &mut header) || !header.starts_with(b"\x7fELF\x02\x01") {
            return None;
        }
        let count = u16_at(&header, 56)?;
        let size = usize::from(u16_at(&header, 54)?);
        if size != PROGRAM_HEADER_BYTES || count > MOST_PROGRAM_HEADERS {
            return None;
        }
        let mut table = vec![0; size * usize::from(count)];
        if !read(u64_at(&header, 32)?, &mut table) {
            return None;
        }
        let mut identity = Identity::default();
        for entry in table.chunks_exact(size) {
            match u32_at(entry, 0)? {
                PT_LOAD => identity.loads.extend(entry),
                PT_NOTE => identity.read_notes(read, u64_at(entry, 8)?, u64_at(entry, 32)?),
                _ => {}
            }
        }
        Some(identity)
    }

    fn read_notes(&mut self, read: &dyn Fn(u64, &mut [u8]) -> bool, offset: u64, len: u64) {
        let mut bytes = vec![0; usize::try_from(len.min(MOST_NOTE_BYTES)).unwrap_or_default()];
        if !read(offset, &mut bytes) {
            return;
        }
        let mut rest = bytes.as_slice();
        while let Some((owner, kind, desc, behind)) = note(rest) {
            match (owner, kind) {
                (b"GNU\0", GNU_BUILD_ID) => self.gnu = Some(desc.to_vec()),
                (b"Go\0\0", GO_BUILD_ID) => self.go = Some(desc.to_vec()),
                _ => {}
            }
            rest = behind;
        }
    }

    /// Why `other` is another build; nothing where no difference is known.
    pub(crate) fn differs(&self, other: &Identity) -> Option<String> {
        let pairs = [
            ("GNU build id", &self.gnu, &other.gnu, hex as fn(&[u8]) -> _),
            ("Go build id", &self.go, &other.go, lossy),
        ];
        for (name, ours, theirs, show) in pairs {
            if let (Some(ours), Some(theirs)) = (ours, theirs)
                && ours != theirs
            {
                return Some(format!(
                    "its {name} is {}, that in the core is {}",
                    show(theirs),
                    show(ours)
                ));
            }
        }
        (self.loads != other.loads).then(|| "its segments are laid out differently".to_owned())
    }

    /// Whether both carry a build id of one kind.
    pub(crate) fn shares_id(&self, other: &Identity) -> bool {
        self.gnu.is_some() && other.gnu.is_some() || self.go.is_some() && other.go.is_some()
    }
}

/// Owner, type, content, and what is behind it.
type Note<'a> = (&'a [u8], u32, &'a [u8], &'a [u8]);

/// The first note: its owner, padded to 4 bytes, its type, its content, and what is behind it.
fn note(bytes: &[u8]) -> Option<Note<'_>> {
    let owner_len = usize::try_from(u32_at(bytes, 0)?).ok()?;
    let desc_len = usize::try_from(u32_at(bytes, 4)?).ok()?;
    let kind = u32_at(bytes, 8)?;
    let rest = bytes.get(12..)?;
    let owner = rest.get(..owner_len.checked_next_multiple_of(4)?)?;
    let rest = rest.get(owner.len()..)?;
    let desc = rest.get(..desc_len)?;
    let padded = desc_len.checked_next_multiple_of(4)?;
    Some((owner, kind, desc, rest.get(padded..).unwrap_or_default()))
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().fold(String::new(), |mut text, byte| {
        let _ = write!(text, "{byte:02x}");
        text
    })
}

fn lossy(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}
