//! [`Recorded`]: the places that a reading read, so that the bare system calls for the same bytes
//! can be timed beside it.

use std::sync::{Mutex, PoisonError};

use letgo_linux::LiveMemory;
use letgo_target::{Addr, Fault, Piece, ReadMemory};

/// Live memory that notes each place that is read.
pub(crate) struct Recorded<'a> {
    memory: &'a LiveMemory,
    calls: Mutex<Vec<Vec<(Addr, usize)>>>,
}

impl<'a> Recorded<'a> {
    pub(crate) fn new(memory: &'a LiveMemory) -> Recorded<'a> {
        Recorded {
            memory,
            calls: Mutex::default(),
        }
    }

    fn note(&self, places: Vec<(Addr, usize)>) {
        let mut calls = self.calls.lock().unwrap_or_else(PoisonError::into_inner);
        calls.push(places);
    }

    /// What is to be read again.
    pub(crate) fn floor(self) -> Floor<'a> {
        let calls = self
            .calls
            .into_inner()
            .unwrap_or_else(PoisonError::into_inner);
        let bytes = |call: &Vec<(Addr, usize)>| call.iter().map(|(_, len)| len).sum::<usize>();
        Floor {
            memory: self.memory,
            buffer: vec![0; calls.iter().map(bytes).max().unwrap_or(0)],
            calls,
        }
    }
}

impl ReadMemory for Recorded<'_> {
    fn read(&self, addr: Addr, buf: &mut [u8]) -> Result<(), Fault> {
        self.note(vec![(addr, buf.len())]);
        self.memory.read(addr, buf)
    }

    fn read_scattered(&self, pieces: &mut [Piece<'_>]) -> Result<(), Fault> {
        let place = |piece: &Piece<'_>| (piece.addr, piece.buf.len());
        self.note(pieces.iter().map(place).collect());
        self.memory.read_scattered(pieces)
    }
}

/// The same bytes, read by the same calls, into one buffer, and nothing done with them.
pub(crate) struct Floor<'a> {
    memory: &'a LiveMemory,
    buffer: Vec<u8>,
    calls: Vec<Vec<(Addr, usize)>>,
}

impl Floor<'_> {
    /// Reads them all; answers the bytes.
    pub(crate) fn read(&mut self) -> usize {
        let mut bytes = 0;
        for call in &self.calls {
            let mut rest = &mut self.buffer[..];
            let mut pieces = Vec::with_capacity(call.len());
            for (addr, len) in call {
                let (part, behind) = rest.split_at_mut(*len);
                pieces.push(Piece::new(*addr, part));
                rest = behind;
                bytes += len;
            }
            self.memory.read_scattered(&mut pieces).unwrap();
        }
        bytes
    }
}
