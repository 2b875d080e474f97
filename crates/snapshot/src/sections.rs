//! Sections: small parts of a snapshot that are read whole, each compressed and checked.

use std::fs::File;
use std::io::{Cursor, Read};
use std::os::unix::fs::FileExt;

use crate::Error;
use crate::bytes::checksum;
use crate::format::{Place, Section};

/// Most bytes of a section, decompressed. Facts of a process with a million runs of os pages take
/// a tenth of it.
pub(crate) const MOST_SECTION_BYTES: u64 = 1 << 30;

/// The bytes at `place`, if they are what was written there.
pub(crate) fn stored(file: &File, what: &'static str, place: Place) -> Result<Vec<u8>, Error> {
    let mut bytes = Vec::new();
    stored_into(file, what, place, &mut bytes)?;
    Ok(bytes)
}

/// The same, in memory that is used again: nothing else is left in `bytes`.
pub(crate) fn stored_into(
    file: &File,
    what: &'static str,
    place: Place,
    bytes: &mut Vec<u8>,
) -> Result<(), Error> {
    let broken = |why: String| Error::inconsistent(what, place.offset, why);
    let len = usize::try_from(place.len).map_err(|error| broken(error.to_string()))?;
    bytes.resize(len, 0);
    file.read_exact_at(bytes, place.offset)
        .map_err(|error| match error.kind() {
            std::io::ErrorKind::UnexpectedEof => broken("the file ends before it".to_owned()),
            _ => Error::from_io(format!("read {what} of the snapshot"), &error),
        })?;
    if checksum(bytes) != place.checksum {
        return Err(broken("its checksum is not that of its bytes".to_owned()));
    }
    Ok(())
}

/// A section, decompressed.
pub(crate) fn read(file: &File, what: &'static str, section: &Section) -> Result<Vec<u8>, Error> {
    let bytes = stored(file, what, section.place)?;
    decompress(what, &bytes, section.raw_len).map_err(|why| {
        let offset = section.place.offset;
        Error::inconsistent(what, offset, why)
    })
}

/// Decompresses a section that should have `raw_len` bytes.
pub(crate) fn decompress(what: &str, bytes: &[u8], raw_len: u64) -> Result<Vec<u8>, String> {
    if raw_len > MOST_SECTION_BYTES {
        return Err(format!("{what} of {raw_len} bytes"));
    }
    let decoder = zstd::stream::read::Decoder::with_buffer(Cursor::new(bytes));
    let decoder = decoder.map_err(|error| error.to_string())?;
    let mut raw = Vec::new();
    decoder
        .take(raw_len.saturating_add(1))
        .read_to_end(&mut raw)
        .map_err(|error| error.to_string())?;
    if raw.len() as u64 != raw_len {
        return Err("it has another length than was written".to_owned());
    }
    Ok(raw)
}
