//! [`parse_maps`]: the text of `/proc/PID/maps`.
//!
//! A line is `start-end perms offset major:minor inode` and, after blanks, a name that may hold
//! blanks itself; the kernel writes a newline in a name as `\012`. A deleted file's name ends in
//! ` (deleted)`, which is kept.
//!
//! Source: Documentation/filesystems/proc.rst, fs/proc/task_mmu.c `show_map_vma`.

use letgo_target::{Addr, AddrRange, Mapping, Permissions};

use crate::Error;

/// Parses the whole text. The result is sorted and disjoint.
///
/// # Errors
/// [`Error::Inconsistent`] at the first line that does not read as a mapping.
pub fn parse_maps(text: &str) -> Result<Vec<Mapping>, Error> {
    let mut mappings: Vec<Mapping> = Vec::new();
    for line in text.lines() {
        let bad = || Error::inconsistent("a line of /proc/PID/maps", format!("`{line}`"));
        let mapping = parse_map_line(line).ok_or_else(bad)?;
        push(&mut mappings, mapping);
    }
    Ok(mappings)
}

/// Adds a mapping behind all others, cut to what lies behind them: the list was taken in parts.
pub(super) fn push(mappings: &mut Vec<Mapping>, mut mapping: Mapping) {
    let floor = mappings.last().map_or(Addr::NULL, |last| last.range.end());
    let start = mapping.range.start();
    if start < floor {
        if mapping.is_file() {
            mapping.offset = mapping.offset.saturating_add(floor.since(start));
        }
        mapping.range = AddrRange::new(floor, mapping.range.end());
    }
    if !mapping.range.is_empty() {
        mappings.push(mapping);
    }
}

/// Parses one line, or nothing where it is none.
pub fn parse_map_line(line: &str) -> Option<Mapping> {
    let (range, rest) = line.split_once(' ')?;
    let (start, end) = range.split_once('-')?;
    let range = AddrRange::new(Addr(hex(start)?), Addr(hex(end)?));
    let (permissions, rest) = rest.split_once(' ')?;
    let (offset, rest) = rest.split_once(' ')?;
    let (device, rest) = rest.split_once(' ')?;
    let (major, minor) = device.split_once(':')?;
    let (inode, name) = rest.split_once(' ').unwrap_or((rest, ""));
    Some(Mapping {
        range,
        permissions: parse_permissions(permissions)?,
        offset: hex(offset)?,
        device: u64::from(hex32(major)?) << 32 | u64::from(hex32(minor)?),
        inode: inode.parse().ok()?,
        name: name.trim_start_matches(' ').to_owned(),
    })
}

fn hex(text: &str) -> Option<u64> {
    u64::from_str_radix(text, 16).ok()
}

fn hex32(text: &str) -> Option<u32> {
    u32::from_str_radix(text, 16).ok()
}

fn parse_permissions(text: &str) -> Option<Permissions> {
    let &[read, write, execute, shared] = text.as_bytes() else {
        return None;
    };
    Some(Permissions {
        read: read == b'r',
        write: write == b'w',
        execute: execute == b'x',
        shared: shared == b's',
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    const RECORDED: &str = "\
00400000-00486000 r-xp 00000000 fe:00 247026                             /srv/my api (v2)
c000000000-c000400000 rw-p 00000000 00:00 0 
c000400000-c004000000 ---p 00000000 00:00 0 
7f0000000000-7f0000001000 rw-s 00000000 00:01 4115                       /memfd:a b\\012c (deleted)
7f0000002000-7f0000003000 rw-p 00000000 00:00 0                          [anon: Go: heap]
7ffd4a5f4000-7ffd4a615000 rw-p 00000000 00:00 0                          [stack]
ffffffffff600000-ffffffffff601000 --xp 00000000 00:00 0                  [vsyscall]
";

    #[test]
    fn names_keep_their_blanks_and_anonymous_ones_are_empty() {
        let maps = parse_maps(RECORDED).unwrap();
        let names: Vec<&str> = maps.iter().map(|mapping| mapping.name.as_str()).collect();
        assert_eq!(
            names,
            [
                "/srv/my api (v2)",
                "",
                "",
                "/memfd:a b\\012c (deleted)",
                "[anon: Go: heap]",
                "[stack]",
                "[vsyscall]"
            ]
        );
        let first = maps.first().unwrap();
        assert_eq!(first.device, 0xfe << 32);
        assert_eq!(first.inode, 247_026);
        assert!(first.permissions.execute && !first.permissions.write);
        assert!(maps[3].permissions.shared && maps[3].is_file());
    }

    #[test]
    fn a_list_taken_in_parts_is_made_disjoint() {
        let text = "\
1000-3000 r--p 00000000 fe:00 9 /a
2000-4000 r--p 00001000 fe:00 9 /a
2000-3000 rw-p 00000000 00:00 0
";
        let maps = parse_maps(text).unwrap();
        assert_eq!(maps.len(), 2, "the third lies within what was seen");
        assert_eq!(maps[1].range, AddrRange::new(Addr(0x3000), Addr(0x4000)));
        assert_eq!(maps[1].offset, 0x2000);
    }

    #[test]
    fn nonsense_is_inconsistent() {
        for line in [
            "",
            "1000",
            "1000-2000",
            "1000-2000 rw-p",
            "1000-2000 rw 0 00:00 0",
            "1000-zz00 rw-p 0 00:00 0",
            "1000-2000 rw-p 0 0000 0",
            "1000-2000 rw-p 0 00:00 -1",
            "fffffffffffffffff-2000 rw-p 0 00:00 0",
        ] {
            assert_eq!(parse_map_line(line), None, "{line}");
        }
        assert!(matches!(parse_maps("x\n"), Err(Error::Inconsistent { .. })));
    }

    #[test]
    fn our_own_map_holds_our_stack_and_code() {
        let maps = crate::Process::open_self().unwrap().maps().unwrap();
        let here = Addr(our_own_map_holds_our_stack_and_code as fn() as usize as u64);
        assert!(
            letgo_target::Mapping::find(&maps, here)
                .unwrap()
                .permissions
                .execute
        );
        assert!(maps.iter().any(|mapping| mapping.name == "[stack]"));
    }
}
