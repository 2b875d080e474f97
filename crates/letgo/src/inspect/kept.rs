//! [`Kept`]: reads of a target that can be had again once the target has been let go.
//!
//! The account reads little of the memory itself: headers of libraries and of glibc's malloc. Those
//! few pages are read while the target is held, and the account is made when it runs again.

use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};

use letgo_target::{Addr, Fault, ReadMemory};

/// What one read brought.
type Read = Result<Vec<u8>, Fault>;

/// What was read.
#[derive(Debug, Default)]
pub(super) struct Kept {
    reads: Mutex<HashMap<(Addr, usize), Read>>,
}

/// A target that is read, and of which each read is kept.
pub(super) struct Keeping<'a>(pub(super) &'a Kept, pub(super) &'a dyn ReadMemory);

impl ReadMemory for Keeping<'_> {
    fn read(&self, addr: Addr, buf: &mut [u8]) -> Result<(), Fault> {
        let read = self.1.read(addr, buf);
        let kept = read.clone().map(|()| buf.to_vec());
        let mut reads = self.0.reads.lock().unwrap_or_else(PoisonError::into_inner);
        reads.insert((addr, buf.len()), kept);
        read
    }
}

impl ReadMemory for Kept {
    fn read(&self, addr: Addr, buf: &mut [u8]) -> Result<(), Fault> {
        let reads = self.reads.lock().unwrap_or_else(PoisonError::into_inner);
        let kept = reads.get(&(addr, buf.len())).cloned();
        buf.copy_from_slice(&kept.unwrap_or(Err(Fault::Gone))?);
        Ok(())
    }
}
