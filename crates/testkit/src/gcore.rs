//! [`gcore`]: a core of a living process, as gdb writes it, in little room.
//!
//! gdb 13 writes out all that a Go program has reserved and never touched: 0.7 to 1.6 GB of zeros
//! for a program of 10 MB. They become holes once the core is there, and the tests of one binary
//! have gdb write one core after another.
//!
//! Does not read the core, and does not shorten it: every byte is where gdb wrote it.

use std::fs::{self, File};
use std::io::{self, Read, Seek, SeekFrom, Write};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::{Mutex, PoisonError};

/// What is a hole where all of it is zeros: an os page and more, as file systems count.
const BLOCK: usize = 64 << 10;

/// Held while a core is there whose zeros are no holes.
static ONE: Mutex<()> = Mutex::new(());

/// Writes a core of a process; whether there is what writes it.
///
/// # Panics
/// Where `gcore` fails, or the disk is full.
pub fn gcore(pid: u32, core: &Path) -> bool {
    let _one = ONE.lock().unwrap_or_else(PoisonError::into_inner);
    let mut gcore = Command::new("gcore");
    gcore.arg("-a").arg("-o").arg(core).arg(pid.to_string());
    let output = match gcore.output() {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return false,
        output => output.unwrap_or_else(|error| panic!("gcore: {error}")),
    };
    let raw = PathBuf::from(format!("{}.{pid}", core.display()));
    let written = match output.status.success() {
        true => sparsely(&raw, core),
        false => Err(io::Error::other(String::from_utf8_lossy(&output.stderr))),
    };
    // Whatever happened: it is larger than all else that a test writes.
    let removed = fs::remove_file(&raw);
    written.unwrap_or_else(|error| panic!("a core of {pid}: {error}"));
    removed.unwrap_or_else(|error| panic!("{}: {error}", raw.display()));
    true
}

fn sparsely(from: &Path, to: &Path) -> io::Result<()> {
    copy_sparsely(&mut File::open(from)?, &mut File::create(to)?)
}

/// Copies all that is left of `from` to the end of `to`, and zeros as holes.
///
/// # Errors
/// Of reading and of writing.
pub fn copy_sparsely(from: &mut impl Read, to: &mut File) -> io::Result<()> {
    let mut at = to.seek(SeekFrom::End(0))?;
    let mut block = Vec::with_capacity(BLOCK);
    loop {
        block.clear();
        let read = from.by_ref().take(BLOCK as u64).read_to_end(&mut block)?;
        if read == 0 {
            return to.set_len(at);
        }
        if block.iter().any(|byte| *byte != 0) {
            to.seek(SeekFrom::Start(at))?;
            to.write_all(&block)?;
        }
        at += read as u64;
    }
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::MetadataExt;

    use super::*;

    #[test]
    fn zeros_are_holes_and_everything_else_is_where_it_was() {
        let mut bytes = vec![0; 40 * BLOCK + 100];
        bytes[3] = 1;
        bytes[20 * BLOCK + 5] = 2;
        let mut file = tempfile::tempfile().unwrap();
        file.write_all(b"before").unwrap();
        copy_sparsely(&mut bytes.as_slice(), &mut file).unwrap();
        let took = file.metadata().unwrap().blocks() * 512;
        assert!(took <= 8 * BLOCK as u64, "{took}");
        let mut read = Vec::new();
        file.seek(SeekFrom::Start(0)).unwrap();
        file.read_to_end(&mut read).unwrap();
        assert!(read.starts_with(b"before"));
        assert_eq!(read[6..], bytes);
    }
}
