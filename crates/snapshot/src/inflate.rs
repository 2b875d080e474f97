//! [`Inflaters`]: blocks taken out of the file, with memory that is used again.
//!
//! A decompressor and the bytes that it is given take as much time to be made as a block to be
//! decompressed, and whoever reads a heap takes a thousand blocks, on all cores.
//!
//! Invariant: there are as many as threads have read at a time.

use std::fs::File;
use std::sync::{Mutex, PoisonError};

use crate::blocks::Block;
use crate::{Error, sections};

/// What blocks are.
pub(crate) const WHAT: &str = "a block of data";

/// Those that no thread has in hand.
#[derive(Default)]
pub(crate) struct Inflaters(Mutex<Vec<Inflater>>);

/// What one thread needs.
struct Inflater {
    zstd: zstd::bulk::Decompressor<'static>,
    stored: Vec<u8>,
}

impl Inflaters {
    /// Fills `raw`, which is as long as the block has data.
    ///
    /// # Errors
    /// Where the file cannot be read, or the block is not what was written.
    pub(crate) fn inflate(&self, file: &File, block: &Block, raw: &mut [u8]) -> Result<(), Error> {
        let free = self.0.lock().unwrap_or_else(PoisonError::into_inner).pop();
        let mut inflater = match free {
            Some(inflater) => inflater,
            None => Inflater::new(block)?,
        };
        let done = inflater.inflate(file, block, raw);
        let mut free = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        free.push(inflater);
        done
    }
}

impl std::fmt::Debug for Inflaters {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Inflaters").finish_non_exhaustive()
    }
}

impl Inflater {
    fn new(block: &Block) -> Result<Inflater, Error> {
        let zstd = zstd::bulk::Decompressor::new().map_err(|error| broken(block, error))?;
        let stored = Vec::new();
        Ok(Inflater { zstd, stored })
    }

    fn inflate(&mut self, file: &File, block: &Block, raw: &mut [u8]) -> Result<(), Error> {
        sections::stored_into(file, WHAT, block.place, &mut self.stored)?;
        let len = match self.stored.len() == raw.len() {
            true => {
                raw.copy_from_slice(&self.stored);
                raw.len()
            }
            false => {
                let done = self.zstd.decompress_to_buffer(&self.stored, raw);
                done.map_err(|error| broken(block, error))?
            }
        };
        match len == raw.len() {
            true => Ok(()),
            false => Err(broken(block, "it has another length than was written")),
        }
    }
}

fn broken(block: &Block, why: impl ToString) -> Error {
    Error::inconsistent(WHAT, block.place.offset, why.to_string())
}
