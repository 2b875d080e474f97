//! What `debug.WriteHeapDump` writes, as far as it says something of objects and roots.
//!
//! Source: src/runtime/heapdump.go, go1.19 to go1.27; <https://golang.org/s/go15heapdump>.

use std::collections::BTreeMap;

use anyhow::{Context, Result, bail, ensure};

/// A piece of memory, and where in it pointers lie.
#[derive(Clone, Debug, Default)]
pub(crate) struct Piece {
    pub(crate) bytes: Vec<u8>,
    pub(crate) pointers: Vec<u64>,
}

impl Piece {
    /// The word at an offset.
    pub(crate) fn word(&self, at: u64) -> Option<u64> {
        let rest = self.bytes.get(usize::try_from(at).ok()?..)?;
        rest.first_chunk().map(|word| u64::from_le_bytes(*word))
    }

    /// Offsets and values of all pointers that are not nil.
    pub(crate) fn values(&self) -> impl Iterator<Item = (u64, u64)> + '_ {
        let values = self.pointers.iter();
        values.filter_map(|at| Some((*at, self.word(*at).filter(|value| *value != 0)?)))
    }
}

/// All that is kept of a dump; pieces by address.
#[derive(Debug, Default)]
pub(crate) struct HeapDump {
    pub(crate) objects: BTreeMap<u64, Piece>,
    pub(crate) data: BTreeMap<u64, Piece>,
    pub(crate) bss: BTreeMap<u64, Piece>,
    pub(crate) frames: BTreeMap<u64, Piece>,
    /// Objects that have a finalizer, with its closure.
    pub(crate) finalizers: Vec<(u64, u64)>,
    /// The same of finalizers that wait.
    pub(crate) queued: Vec<(u64, u64)>,
}

impl HeapDump {
    pub(crate) fn parse(bytes: &[u8]) -> Result<HeapDump> {
        let rest = bytes.strip_prefix(b"go1.7 heap dump\n");
        let mut from = Reader(rest.context("no heap dump")?);
        let mut dump = HeapDump::default();
        while dump.record(&mut from)? {}
        Ok(dump)
    }

    /// One record; false at the end.
    fn record(&mut self, from: &mut Reader<'_>) -> Result<bool> {
        match from.number()? {
            0 => return Ok(false),
            1 => from.piece(&mut self.objects)?,
            2 => from.skip("sn")?,
            3 => from.skip("nnsn")?,
            4 => from.skip("nnnnnnnnsnnnn")?,
            5 => self.frame(from)?,
            6 => from.skip("nnnnssn")?,
            tag @ (7 | 11) => {
                let pair = (from.number()?, from.number()?);
                from.skip("nnn")?;
                let list = if tag == 7 {
                    &mut self.finalizers
                } else {
                    &mut self.queued
                };
                list.push(pair);
            }
            8 | 17 => from.skip("nn")?,
            9 => from.skip("nnn")?,
            10 => (0..24 + 256 + 1).try_for_each(|_| from.skip("n"))?,
            12 => from.piece(&mut self.data)?,
            13 => from.piece(&mut self.bss)?,
            14 => from.skip("nnnnnnn")?,
            15 => from.skip("nnnnnn")?,
            16 => {
                from.skip("nn")?;
                let frames = from.number()?;
                (0..frames).try_for_each(|_| from.skip("ssn"))?;
                from.skip("nn")?;
            }
            tag => bail!("record {tag}, {} bytes before the end", from.0.len()),
        }
        Ok(true)
    }

    fn frame(&mut self, from: &mut Reader<'_>) -> Result<()> {
        let start = from.number()?;
        from.skip("nn")?;
        let bytes = from.bytes()?.to_vec();
        from.skip("nnns")?;
        let pointers = from.fields()?;
        self.frames.insert(start, Piece { bytes, pointers });
        Ok(())
    }
}

struct Reader<'a>(&'a [u8]);

impl<'a> Reader<'a> {
    fn number(&mut self) -> Result<u64> {
        let mut number = 0;
        for shift in (0..64).step_by(7) {
            let (byte, rest) = self.0.split_first().context("the dump ends early")?;
            self.0 = rest;
            number |= u64::from(byte & 0x7f) << shift;
            if byte & 0x80 == 0 {
                return Ok(number);
            }
        }
        bail!("a number of more than 64 bits")
    }

    fn bytes(&mut self) -> Result<&'a [u8]> {
        let len = usize::try_from(self.number()?)?;
        let bytes = self.0.split_at_checked(len);
        let (bytes, rest) = bytes.context("the dump ends early")?;
        self.0 = rest;
        Ok(bytes)
    }

    /// Numbers (n) and strings (s).
    fn skip(&mut self, what: &str) -> Result<()> {
        for what in what.chars() {
            match what {
                'n' => self.number().map(drop)?,
                _ => self.bytes().map(drop)?,
            }
        }
        Ok(())
    }

    /// Offsets of pointers.
    fn fields(&mut self) -> Result<Vec<u64>> {
        let mut fields = Vec::new();
        loop {
            match self.number()? {
                0 => return Ok(fields),
                kind => ensure!(kind == 1, "a field of kind {kind}"),
            }
            fields.push(self.number()?);
        }
    }

    fn piece(&mut self, pieces: &mut BTreeMap<u64, Piece>) -> Result<()> {
        let start = self.number()?;
        let bytes = self.bytes()?.to_vec();
        let pointers = self.fields()?;
        pieces.insert(start, Piece { bytes, pointers });
        Ok(())
    }
}
