//! Little-endian numbers out of byte slices, absent where the slice is too short.

pub(crate) use letgo_target::bytes::{u16_at, u32_at, u64_at};

/// The text before the first NUL, or all of it.
pub(crate) fn text(bytes: &[u8]) -> String {
    let end = bytes.iter().position(|byte| *byte == 0);
    let held = bytes.get(..end.unwrap_or(bytes.len())).unwrap_or_default();
    String::from_utf8_lossy(held).into_owned()
}
