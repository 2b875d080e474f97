//! [`Shell`]: a small sound Go executable around the part that is fuzzed.
//!
//! Linked at 0x400000: a page of headers, a page of code, the read-only tables, a page of variables
//! (build info, moduledata) and its bss; then sections, which nothing is loaded from.
//! Knows nothing of letgo's decoders.

const PAGE: usize = 0x1000;
const BASE: u64 = 0x40_0000;
const TEXT: usize = PAGE;
const TABLES: usize = 2 * PAGE;
/// Room for the tables.
const MOST_TABLES: usize = 0x4000;
const DATA: usize = TABLES + MOST_TABLES;
const MODULEDATA: usize = DATA + 0x400;
const FILE: usize = DATA + PAGE;

/// The parts; what is longer than its room is cut.
#[derive(Clone, Debug)]
pub struct Shell {
    /// What lies at the start of the tables.
    pub pclntab: Vec<u8>,
    /// What lies at the start of the variables.
    pub build_info: Vec<u8>,
    /// What lies behind it.
    pub moduledata: Vec<u8>,
    /// `.debug_abbrev`
    pub debug_abbrev: Vec<u8>,
    /// `.debug_info`
    pub debug_info: Vec<u8>,
}

impl Default for Shell {
    fn default() -> Shell {
        Shell {
            pclntab: sound_pclntab(),
            build_info: sound_build_info(),
            moduledata: sound_moduledata(),
            debug_abbrev: Vec::new(),
            debug_info: Vec::new(),
        }
    }
}

struct Bytes(Vec<u8>);

impl Bytes {
    fn put(&mut self, at: usize, bytes: &[u8], room: usize) {
        let len = bytes.len().min(room);
        self.0[at..at + len].copy_from_slice(&bytes[..len]);
    }

    fn words(&mut self, at: usize, words: &[u64]) {
        for (at, word) in (at..).step_by(8).zip(words) {
            self.put(at, &word.to_le_bytes(), 8);
        }
    }

    fn halves(&mut self, at: usize, halves: &[u32]) {
        for (at, half) in (at..).step_by(4).zip(halves) {
            self.put(at, &half.to_le_bytes(), 4);
        }
    }
}

impl Shell {
    /// The file.
    pub fn build(&self) -> Vec<u8> {
        let mut file = Bytes(vec![0; FILE]);
        file.put(0, b"\x7fELF\x02\x01\x01", 7);
        file.put(16, &[2, 0, 62, 0], 4);
        file.words(24, &[BASE + TEXT as u64, 64, 0]);
        file.put(52, &[64, 0, 56, 0, 4, 0, 64, 0], 8);
        let segments = [
            (4, 0, PAGE, PAGE),
            (5, TEXT, PAGE, PAGE),
            (4, TABLES, MOST_TABLES, MOST_TABLES),
            (6, DATA, PAGE, 3 * PAGE),
        ];
        for (slot, (flags, at, held, len)) in segments.into_iter().enumerate() {
            let to = 64 + 56 * slot;
            let addr = BASE + at as u64;
            file.halves(to, &[1, flags]);
            file.words(
                to + 8,
                &[at as u64, addr, 0, held as u64, len as u64, PAGE as u64],
            );
        }
        file.put(TEXT, &[0xc3; PAGE], PAGE);
        file.put(TABLES, &self.pclntab, MOST_TABLES);
        file.put(DATA, &self.build_info, 0x400);
        file.put(MODULEDATA, &self.moduledata, PAGE - 0x400);
        self.sections(&mut file);
        file.0
    }

    fn sections(&self, file: &mut Bytes) {
        if self.debug_info.is_empty() {
            return;
        }
        let names = b"\0.shstrtab\0.debug_abbrev\0.debug_info\0";
        let parts: [(u32, &[u8]); 3] =
            [(1, names), (11, &self.debug_abbrev), (25, &self.debug_info)];
        let mut headers = vec![0u8; 64];
        for (slot, (name, bytes)) in parts.into_iter().enumerate() {
            let kind = if slot == 0 { 3u32 } else { 1 };
            let (at, len) = (file.0.len() as u64, bytes.len() as u64);
            headers.extend(name.to_le_bytes());
            headers.extend(kind.to_le_bytes());
            for word in [0, 0, at, len, 0, 1, 0] {
                headers.extend(u64::to_le_bytes(word));
            }
            file.0.extend(bytes);
        }
        let at = file.0.len() as u64;
        file.0.extend(headers);
        file.words(40, &[at]);
        file.put(58, &[64, 0, 4, 0, 1, 0], 6);
    }
}

/// Two functions of one file, in the format of Go 1.20 and later.
fn sound_pclntab() -> Vec<u8> {
    let mut bytes = Bytes(vec![0; 0x400]);
    bytes.put(0, &[0xf1, 0xff, 0xff, 0xff, 0, 0, 1, 8], 8);
    bytes.words(8, &[2, 1, 0, 0x60, 0x100, 0x120, 0x180, 0x200]);
    bytes.put(0x60, b"\0runtime.first\0main.main\0", 25);
    bytes.halves(0x100, &[1]);
    bytes.put(0x120, b"\0/src/main.go\0", 14);
    bytes.put(0x180, &[0, 2, 0xc0, 1, 0, 16, 16, 4, 0xb0, 1, 0], 11);
    bytes.halves(0x200, &[0, 0x40, 0x40, 0x80, 0x100]);
    bytes.halves(0x240, &[0, 1, 0, 0, 0, 1, 5, 0, 0, 3, 0]);
    bytes.halves(0x280, &[0x40, 15, 0, 0, 0, 1, 5, 0, 0, 6, 0]);
    bytes.0
}

fn sound_build_info() -> Vec<u8> {
    let mut bytes = b"\xff Go buildinf:\x08\x02".to_vec();
    bytes.resize(32, 0);
    let framed = format!("{0}path\tlab\nbuild\tCGO_ENABLED=0\n{0}", "0".repeat(16));
    for text in ["go1.26.6", &framed] {
        bytes.push(u8::try_from(text.len()).expect("short"));
        bytes.extend(text.bytes());
    }
    bytes
}

fn sound_moduledata() -> Vec<u8> {
    let at = |offset: usize| BASE + offset as u64;
    let mut words = vec![at(TABLES)];
    let tables = [
        (0x60, 25),
        (0x100, 1),
        (0x120, 14),
        (0x180, 11),
        (0x200, 0x100),
        (0x200, 3),
    ];
    for (offset, len) in tables {
        words.extend([at(TABLES + offset), len, len]);
    }
    words.extend([0, at(TEXT), at(TEXT + 0x100), at(TEXT), at(TEXT + 0x100)]);
    words.extend([at(DATA), at(DATA + 0x800), at(DATA + 0x800), at(FILE)]);
    words.extend([
        at(FILE),
        at(FILE + PAGE),
        at(FILE + PAGE),
        at(FILE + 2 * PAGE),
    ]);
    words.into_iter().flat_map(u64::to_le_bytes).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_sound_shell_is_a_go_program() {
        assert!(letgo_gobin::fuzzing::elf(&Shell::default().build()));
    }
}
