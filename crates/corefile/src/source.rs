//! [`ReadAt`]: a file's bytes by offset.
//!
//! Files are read with `pread` and never mapped: one that shrinks while we read gives an error and
//! not a signal.

use std::fs::File;
use std::io;
use std::ops::Range;
use std::os::unix::fs::FileExt;

use nix::unistd::{Whence, lseek};

/// Bytes that can be read by offset, from several threads at once.
pub trait ReadAt: Send + Sync {
    /// Fills `buf` from `offset`.
    ///
    /// # Errors
    /// Where not all of it can be had.
    fn read_at(&self, offset: u64, buf: &mut [u8]) -> io::Result<()>;

    /// How many bytes there are.
    fn size(&self) -> u64;

    /// The parts of `range` that are more than a hole, which reads as zeros. Where the file system
    /// does not tell, all of it.
    fn written(&self, range: Range<u64>) -> Vec<Range<u64>> {
        vec![range]
    }
}

impl ReadAt for File {
    fn read_at(&self, offset: u64, buf: &mut [u8]) -> io::Result<()> {
        self.read_exact_at(buf, offset)
    }

    fn size(&self) -> u64 {
        self.metadata().map_or(0, |metadata| metadata.len())
    }

    fn written(&self, range: Range<u64>) -> Vec<Range<u64>> {
        let seek = |offset: u64, whence| {
            let offset = i64::try_from(offset).ok()?;
            u64::try_from(lseek(self, offset, whence).ok()?).ok()
        };
        let mut parts = Vec::new();
        let mut at = range.start;
        while at < range.end {
            let start = match seek(at, Whence::SeekData) {
                Some(start) if start >= range.end => break,
                Some(start) => start,
                None if parts.is_empty() && seek(at, Whence::SeekHole).is_none() => {
                    return vec![range];
                }
                // Nothing but a hole up to the end of the file.
                None => break,
            };
            let end = seek(start, Whence::SeekHole).map_or(range.end, |end| end.min(range.end));
            if end <= start {
                break;
            }
            parts.push(start..end);
            at = end;
        }
        parts
    }
}

impl ReadAt for Vec<u8> {
    fn read_at(&self, offset: u64, buf: &mut [u8]) -> io::Result<()> {
        let start = usize::try_from(offset).unwrap_or(usize::MAX);
        let held = self.get(start..).and_then(|rest| rest.get(..buf.len()));
        buf.copy_from_slice(held.ok_or(io::ErrorKind::UnexpectedEof)?);
        Ok(())
    }

    fn size(&self) -> u64 {
        self.len() as u64
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn holes_of_a_sparse_file_are_left_out() {
        let file = tempfile::tempfile().unwrap();
        file.set_len(64 << 20).unwrap();
        file.write_all_at(&[1; 4096], 32 << 20).unwrap();
        let parts = file.written(0..64 << 20);
        let covered = parts.iter().any(|part| part.contains(&(32 << 20)));
        assert!(covered, "{parts:?}");
        let bytes: u64 = parts.iter().map(|part| part.end - part.start).sum();
        assert!(
            bytes == 64 << 20 || bytes <= 4 << 20,
            "all, where the file system does not tell, or little: {parts:?}"
        );
        assert!(file.written(40 << 20..40 << 20).is_empty());
    }

    #[test]
    fn a_read_behind_the_end_fails() {
        let bytes = vec![1u8, 2, 3];
        let mut buf = [0; 2];
        ReadAt::read_at(&bytes, 1, &mut buf).unwrap();
        assert_eq!(buf, [2, 3]);
        assert!(ReadAt::read_at(&bytes, 2, &mut buf).is_err());
        assert!(ReadAt::read_at(&bytes, u64::MAX, &mut buf).is_err());
    }
}
