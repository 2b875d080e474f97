//! [`Values`]: what is in a value of a known type, as one would write it in Go.
//!
//! Strings are cut and escaped; what a pointer leads to is said by its type and address, and not
//! followed. What cannot be read is `None`.

use std::time::{Duration, SystemTime};

use letgo_goruntime::types::{GoKind, GoNumber, GoShape};
use letgo_heap::Typed;
use letgo_report::units;
use letgo_target::{Addr, ReadMemory, read_bytes};

/// Bytes of a value that are read.
const MOST_VALUE: u64 = 64;
/// Bytes that a character takes at most.
const CHARACTER: u64 = 4;

/// Reads values of one program.
pub(super) struct Values<'a> {
    typed: &'a Typed<'a>,
    memory: &'a dyn ReadMemory,
}

impl<'a> Values<'a> {
    pub(super) fn new(typed: &'a Typed<'a>, memory: &'a dyn ReadMemory) -> Values<'a> {
        Values { typed, memory }
    }

    /// A key of a map, where it is text or a number.
    pub(super) fn key(&self, typ: Addr, at: Addr, most: usize) -> Option<String> {
        match self.typed.ask(|types| types.head(typ))?.kind {
            GoKind::String => {
                let (text, len) = (self.word(at, 0)?, self.word(at, 1)?);
                Some(self.quoted(Addr(text), len, most)?.0)
            }
            GoKind::Number | GoKind::Uint8 | GoKind::Bool => self.value(typ, at, most),
            _ => None,
        }
    }

    /// A value; of text at most so many characters.
    pub(super) fn value(&self, typ: Addr, at: Addr, most: usize) -> Option<String> {
        let found = self.typed.ask(|types| types.get(typ))?;
        let bytes = self.read(at, found.head.size.min(MOST_VALUE))?;
        let word = |number: usize| word(&bytes, number);
        let name = |of: Addr| self.typed.ask(|types| types.name(of));
        if matches!(found.head.kind, GoKind::Number | GoKind::Uint8) {
            let number = self.typed.ask(|types| types.number(typ))?;
            let said = number_of(number, &bytes)?;
            return Some(match name(typ) == "time.Duration" {
                true => duration(said),
                false => said,
            });
        }
        Some(match (found.head.kind, found.shape) {
            (GoKind::Bool, _) => (bytes.first()? & 1 == 1).to_string(),
            (GoKind::String, _) => self.text(Addr(word(0)?), word(1)?, most)?,
            (GoKind::Pointer, _) => self.pointer(word(0)?, &name(typ)),
            (GoKind::Slice, GoShape::Slice { elem }) => {
                let (at, len, cap) = (Addr(word(0)?), word(1)?, word(2)?);
                let is_bytes = name(elem) == "uint8";
                let text = is_bytes.then(|| self.text(at, len, most)).flatten();
                match (at.is_null(), text) {
                    (true, _) => "nil".into(),
                    (_, Some(text)) => format!("{text}, cap {cap}"),
                    _ => format!("len {len}, cap {cap}"),
                }
            }
            (GoKind::Map, _) => match word(0)? {
                0 => "nil".into(),
                at => self.pointer(at, &self.counted(Addr(at), "entries")),
            },
            (GoKind::Chan, _) => match word(0)? {
                0 => "nil".into(),
                at => self.pointer(at, &self.counted(Addr(at), "queued")),
            },
            (GoKind::Func | GoKind::UnsafePointer, _) => self.pointer(word(0)?, ""),
            (GoKind::Interface, _) => match (word(0)?, word(1)?) {
                (0, _) => "nil".into(),
                (of, value) => match self.dynamic(Addr(of)) {
                    Some(of) => self.pointer(value, &name(of)),
                    None => self.pointer(value, ""),
                },
            },
            _ if bytes.iter().all(|byte| *byte == 0) && found.head.size <= MOST_VALUE => {
                "all zero".into()
            }
            (GoKind::Struct, _) if name(typ) == "time.Time" => time(word(0)?, word(1)?),
            _ => return None,
        })
    }

    /// Of a string of which the text cannot be read, how long that is.
    pub(super) fn unread(&self, typ: Addr, at: Addr) -> Option<u64> {
        let head = self.typed.ask(|types| types.head(typ))?;
        if head.kind != GoKind::String {
            return None;
        }
        let (text, len) = (self.word(at, 0)?, self.word(at, 1)?);
        (len > 0 && self.read(Addr(text), 1).is_none()).then_some(len)
    }

    fn read(&self, at: Addr, len: u64) -> Option<Vec<u8>> {
        read_bytes(self.memory, at, len, len).ok()
    }

    /// A pointer, and what is known of its end.
    fn pointer(&self, to: u64, what: &str) -> String {
        match (to, what) {
            (0, _) => "nil".into(),
            (to, "") => Addr(to).to_string(),
            (to, what) => format!("{what} at {}", Addr(to)),
        }
    }

    /// A word of a structure of the runtime.
    pub(super) fn word(&self, at: Addr, number: u64) -> Option<u64> {
        word(&self.read(at.add(number * 8), 8)?, 0)
    }

    /// How many of something the first word of a structure of the runtime says that it has.
    fn counted(&self, at: Addr, of: &str) -> String {
        let count = self.word(at, 0);
        count.map_or_else(String::new, |count| format!("{count} {of}"))
    }

    /// The type of what an interface holds, by its first word: the type, or a table that names it.
    fn dynamic(&self, of: Addr) -> Option<Addr> {
        let held = self.typed.ask(|types| match types.head(of) {
            Some(_) => Some(of),
            None => types.itab(of),
        });
        held.or_else(|| {
            let itab = self.read(of, 24)?;
            self.typed.ask(|types| types.decode_itab(&itab))
        })
    }

    /// Text between quotes, and where it was cut how much there is of it.
    fn text(&self, at: Addr, len: u64, most: usize) -> Option<String> {
        let (text, is_cut) = self.quoted(at, len, most)?;
        Some(match is_cut {
            true => format!("{text} ({len} B)"),
            false => text,
        })
    }

    /// Text between quotes, cut and escaped, and whether it was cut; nothing where it cannot be
    /// read or is none.
    fn quoted(&self, at: Addr, len: u64, most: usize) -> Option<(String, bool)> {
        if len == 0 {
            return Some(("\"\"".into(), false));
        }
        let wanted = len.min(most as u64 * CHARACTER);
        let bytes = self.read(at, wanted)?;
        let text = text_of(&bytes)?;
        let shown: String = text.chars().take(most).collect();
        let is_cut = (shown.len() as u64) < len;
        let dots = if is_cut { "\u{2026}" } else { "" };
        let shown = shown.escape_debug();
        Some((format!("\"{shown}{dots}\""), is_cut))
    }
}

/// Bytes as text, less a character that was cut at the end; nothing where they are none.
pub(super) fn text_of(bytes: &[u8]) -> Option<&str> {
    match std::str::from_utf8(bytes) {
        Ok(text) => Some(text),
        Err(error) if error.error_len().is_none() => {
            std::str::from_utf8(bytes.get(..error.valid_up_to())?).ok()
        }
        Err(_) => None,
    }
}

fn word(bytes: &[u8], number: usize) -> Option<u64> {
    let (words, _) = bytes.as_chunks::<8>();
    words.get(number).map(|word| u64::from_le_bytes(*word))
}

/// A number of 1, 2, 4 or 8 bytes; of a complex one both.
/// A `time.Duration` as it is, and where it is no negative one in its units.
fn duration(number: String) -> String {
    match number.parse::<u64>() {
        Ok(ns) if ns > 0 => format!("{number} ({})", units::time(ns)),
        _ => number,
    }
}

/// A `time.Time` by its first two words, to the second, in UTC.
///
/// Source: src/time/time.go, `Time`, `sec`; go1.19 to go1.27.
fn time(wall: u64, ext: u64) -> String {
    // With a reading of the monotonic clock the seconds since 1885 are in `wall`, else those since
    // the year 1 in `ext`.
    let seconds = match wall >> 63 {
        1 => (wall << 1 >> 31).cast_signed() - 2_682_288_000,
        _ => ext.cast_signed().wrapping_sub(62_135_596_800),
    };
    let since = u64::try_from(seconds).map(Duration::from_secs);
    let at = since
        .ok()
        .and_then(|since| SystemTime::UNIX_EPOCH.checked_add(since));
    match at {
        Some(at) => units::rfc3339(at),
        None => format!("{seconds} s after 1970"),
    }
}

fn number_of(number: GoNumber, bytes: &[u8]) -> Option<String> {
    let mut padded = [0; 8];
    padded.get_mut(..bytes.len())?.copy_from_slice(bytes);
    let unsigned = u64::from_le_bytes(padded);
    let unused = 64 - 8 * u32::try_from(bytes.len()).ok()?;
    Some(match (number, bytes.len()) {
        (GoNumber::Uint, _) => unsigned.to_string(),
        (GoNumber::Int, _) => ((unsigned << unused).cast_signed() >> unused).to_string(),
        (GoNumber::Float, 4) => {
            let bits = u32::try_from(unsigned).ok()?;
            f32::from_bits(bits).to_string()
        }
        (GoNumber::Float, 8) => f64::from_bits(unsigned).to_string(),
        _ => return None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn moments_and_spans_are_said_as_such() {
        // time.Unix(1795511642, 5e8), and the same with a reading of the monotonic clock.
        let plain = (1_795_511_642_u64 + 62_135_596_800, 500_000_000);
        assert_eq!(time(plain.1, plain.0), "2026-11-24T09:14:02Z");
        let since_1885 = 1_795_511_642_u64 + 2_682_288_000;
        let wall = 1 << 63 | since_1885 << 30 | 500_000_000;
        assert_eq!(time(wall, 77), "2026-11-24T09:14:02Z");
        assert_eq!(time(0, 62_135_596_799), "-1 s after 1970");
        assert_eq!(time(0, u64::MAX), "-62135596801 s after 1970");
        assert_eq!(duration("1500000000".into()), "1500000000 (1.50 s)");
        assert_eq!(duration("-5".into()), "-5");
        assert_eq!(duration("0".into()), "0");
    }

    #[test]
    fn numbers_are_of_their_width_and_sign() {
        let said = |number, bytes: &[u8]| number_of(number, bytes).unwrap_or_default();
        assert_eq!(said(GoNumber::Int, &[0xff]), "-1");
        assert_eq!(said(GoNumber::Uint, &[0xff]), "255");
        assert_eq!(said(GoNumber::Int, &(-70_000_i32).to_le_bytes()), "-70000");
        assert_eq!(
            said(GoNumber::Int, &i64::MIN.to_le_bytes()),
            i64::MIN.to_string()
        );
        assert_eq!(said(GoNumber::Float, &1.5_f32.to_le_bytes()), "1.5");
        assert_eq!(said(GoNumber::Float, &(-0.25_f64).to_le_bytes()), "-0.25");
        assert_eq!(said(GoNumber::Complex, &[0; 16]), "");
    }
}
