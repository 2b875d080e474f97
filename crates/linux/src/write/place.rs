//! Where a word may be written: variables of a program, and nothing else.
//!
//! Variables lie in private writable mappings: of the executable's file (`.data`), or anonymous
//! (`.bss`, the heap, and what was mapped). A mapping that is executable holds code, a shared one
//! is seen by others, and the stack's words belong to whoever runs on it.
//!
//! Whether a variable lies at the address is not known here.

use letgo_target::{Addr, Mapping};

use super::WriteError;
use crate::Process;

/// Whether a word of `width` bytes may be written at `addr`.
pub(super) fn check(
    process: &Process,
    name: &str,
    addr: Addr,
    width: usize,
) -> Result<(), WriteError> {
    if !addr.0.is_multiple_of(width as u64) {
        return Err(WriteError::Unaligned {
            name: name.to_owned(),
            addr,
            width,
        });
    }
    let maps = process.maps()?;
    match objection(Mapping::find(&maps, addr)) {
        None => Ok(()),
        Some(why) => Err(WriteError::Place {
            name: name.to_owned(),
            addr,
            why,
        }),
    }
}

/// What is wrong with a mapping. An aligned word does not straddle two.
fn objection(mapping: Option<&Mapping>) -> Option<&'static str> {
    let Some(mapping) = mapping else {
        return Some("is not mapped");
    };
    let permissions = mapping.permissions;
    if permissions.execute {
        return Some("is executable");
    }
    if !permissions.write || !permissions.read {
        return Some("the program itself may not write");
    }
    if permissions.shared {
        return Some("it shares with others");
    }
    // `[heap]` is not told apart: without address space randomisation it names `.bss`.
    if mapping.name.starts_with("[stack") {
        return Some("is a stack");
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::process::parse_map_line;

    #[test]
    fn only_private_data_is_written_to() {
        let table = [
            ("rw-p 00001000 fe:00 7 /srv/api", None),
            ("rw-p 00000000 00:00 0", None),
            ("rw-p 00000000 00:00 0 [heap]", None),
            ("rw-p 00000000 00:00 0 [anon: Go: heap]", None),
            ("rwxp 00000000 00:00 0", Some("is executable")),
            ("r-xp 00000000 fe:00 7 /srv/api", Some("is executable")),
            (
                "r--p 00000000 fe:00 7 /srv/api",
                Some("the program itself may not write"),
            ),
            (
                "---p 00000000 00:00 0",
                Some("the program itself may not write"),
            ),
            (
                "rw-s 00000000 00:01 7 /dev/shm/x",
                Some("it shares with others"),
            ),
            ("rw-p 00000000 00:00 0 [stack]", Some("is a stack")),
        ];
        for (line, why) in table {
            let mapping = parse_map_line(&format!("1000-2000 {line}")).unwrap();
            assert_eq!(objection(Some(&mapping)), why, "{line}");
        }
        assert_eq!(objection(None), Some("is not mapped"));
    }
}
