//! A tiny Go image, written byte by byte and without the decoders, for tests.
//!
//! Two functions, `runtime.first` and `main.main`, in an ELF file of four segments of one os page
//! each: headers, code, read-only tables, variables. Variables are followed by 8 KiB of bss.

pub(crate) const PAGE: u64 = 0x1000;
pub(crate) const TEXT: u64 = PAGE;
pub(crate) const PCLNTAB: u64 = 2 * PAGE;
pub(crate) const DATA: u64 = 3 * PAGE;
pub(crate) const MODULEDATA: u64 = DATA + 0x400;
pub(crate) const BSS: u64 = 4 * PAGE;
const RELA: u64 = 0x300;
const DYNAMIC: u64 = 0xf00;
const NAMES: u64 = 0x60;
const CUTAB: u64 = 0x100;
const FILES: u64 = 0x120;
const PCTAB: u64 = 0x180;
const TABLE: u64 = 0x200;

/// What to build.
pub(crate) struct Synthetic {
    /// Position independent: linked at 0, with relocations.
    pub(crate) pie: bool,
    pub(crate) version: &'static str,
    pub(crate) module: &'static str,
}

impl Default for Synthetic {
    fn default() -> Synthetic {
        Synthetic {
            pie: false,
            version: "go1.26.6-X:nogreenteagc",
            module: "path\texample.com/x\nbuild\t-race=true\n",
        }
    }
}

struct Bytes(Vec<u8>);

impl Bytes {
    fn put(&mut self, at: u64, bytes: &[u8]) {
        let at = usize::try_from(at).unwrap();
        self.0[at..at + bytes.len()].copy_from_slice(bytes);
    }

    fn words(&mut self, at: u64, words: &[u64]) {
        for (at, word) in (at..).step_by(8).zip(words) {
            self.put(at, &word.to_le_bytes());
        }
    }

    fn halves(&mut self, at: u64, halves: &[u32]) {
        for (at, half) in (at..).step_by(4).zip(halves) {
            self.put(at, &half.to_le_bytes());
        }
    }
}

impl Synthetic {
    /// Where the file's first byte is linked.
    pub(crate) fn base(&self) -> u64 {
        if self.pie { 0 } else { 0x40_0000 }
    }

    /// The file.
    pub(crate) fn build(&self) -> Vec<u8> {
        let len = usize::try_from(4 * PAGE).unwrap();
        let mut file = Bytes(vec![0; len]);
        self.headers(&mut file);
        Self::pclntab(&mut file);
        self.build_info(&mut file);
        self.moduledata(&mut file);
        file.0
    }

    fn headers(&self, file: &mut Bytes) {
        file.put(0, b"\x7fELF\x02\x01\x01");
        let kind = if self.pie { 3u16 } else { 2 };
        file.put(16, &[kind.to_le_bytes(), 62u16.to_le_bytes()].concat());
        file.words(24, &[self.base() + TEXT, 64, 0]);
        file.put(52, &[64, 0, 56, 0, 6, 0, 64, 0]);
        let mut header = |index: u64, kind: u32, flags: u32, at: u64, held: u64, len: u64| {
            let to = 64 + 56 * index;
            file.halves(to, &[kind, flags]);
            file.words(to + 8, &[at, self.base() + at, 0, held, len, PAGE]);
        };
        header(0, 1, 4, 0, PAGE, PAGE);
        header(1, 1, 5, TEXT, PAGE, PAGE);
        header(2, 1, 4, PCLNTAB, PAGE, PAGE);
        header(3, 1, 6, DATA, PAGE, 3 * PAGE);
        header(4, 2, 4, DYNAMIC, 64, 64);
        header(5, 4, 4, 0x280, 32, 32);
        file.halves(0x280, &[4, 4, 4]);
        file.put(0x28c, b"Go\0\0a/b\0");
    }

    fn pclntab(file: &mut Bytes) {
        file.put(PCLNTAB, &[0xf1, 0xff, 0xff, 0xff, 0, 0, 1, 8]);
        file.words(PCLNTAB + 8, &[2, 1, 0, NAMES, CUTAB, FILES, PCTAB, TABLE]);
        file.put(PCLNTAB + NAMES, b"\0runtime.first\0main.main\0");
        file.halves(PCLNTAB + CUTAB, &[1]);
        file.put(PCLNTAB + FILES, b"\0/src/main.go\0");
        // File 0 throughout; line 7 for 16 bytes, then 9.
        file.put(PCLNTAB + PCTAB, &[0, 2, 0xc0, 1, 0, 16, 16, 4, 0xb0, 1, 0]);
        file.halves(PCLNTAB + TABLE, &[0, 0x40, 0x40, 0x80, 0x100]);
        let func = |entry, name, line| [entry, name, 0, 0, 0, 1, 5, 0, 0, line, 0];
        file.halves(PCLNTAB + TABLE + 0x40, &func(0, 1, 3));
        file.halves(PCLNTAB + TABLE + 0x80, &func(0x40, 15, 6));
    }

    fn build_info(&self, file: &mut Bytes) {
        let framed = format!("{}{}{}", "0".repeat(16), self.module, "1".repeat(16));
        let mut bytes = b"\xff Go buildinf:\x08\x02".to_vec();
        bytes.resize(32, 0);
        for text in [self.version, &framed] {
            bytes.push(u8::try_from(text.len()).unwrap());
            bytes.extend(text.bytes());
        }
        file.put(DATA + 0x10, &bytes);
    }

    fn moduledata(&self, file: &mut Bytes) {
        let at = |offset: u64| self.base() + offset;
        let mut words = vec![at(PCLNTAB)];
        let tables = [
            (NAMES, 25),
            (CUTAB, 1),
            (FILES, 14),
            (PCTAB, 11),
            (TABLE, 0x100),
            (TABLE, 3),
        ];
        for (offset, len) in tables {
            words.extend([at(PCLNTAB + offset), len, len]);
        }
        words.extend([0, at(TEXT), at(TEXT + 0x100), at(TEXT), at(TEXT + 0x100)]);
        words.extend([at(DATA), at(DATA + 0x800), at(DATA + 0x800), at(BSS)]);
        words.extend([at(BSS), at(BSS + PAGE), at(BSS + PAGE), at(BSS + 2 * PAGE)]);
        if !self.pie {
            file.words(MODULEDATA, &words);
            return;
        }
        // Lengths are in the file; pointers are in relocations only.
        let is_length = |index: usize| (1..19).contains(&index) && !(index - 1).is_multiple_of(3);
        let mut count = 0;
        for (index, word) in words.into_iter().enumerate() {
            let place = MODULEDATA + 8 * index as u64;
            if is_length(index) {
                file.words(place, &[word]);
            } else if word != 0 {
                file.words(RELA + 24 * count, &[place, 8, word]);
                count += 1;
            }
        }
        file.words(DYNAMIC, &[7, RELA, 8, 24 * count, 9, 24, 0, 0]);
    }
}

#[cfg(test)]
mod tests {
    use letgo_target::{Addr, AddrRange, Fault, ReadMemory, SliceMemory, read_u64};

    use super::*;
    use crate::{Calls, Error, GoBinary, Image, Plugin};

    fn open(synthetic: &Synthetic) -> GoBinary {
        let image = Image::from_bytes(synthetic.build()).unwrap();
        GoBinary::open(image, None).unwrap()
    }

    fn check(binary: &GoBinary, base: u64) {
        assert_eq!(binary.build.version.minor, 26);
        assert!(binary.build.race() && binary.stripped() && !binary.cgo());
        assert_eq!(binary.moduledata, Addr(base + MODULEDATA));
        let text = AddrRange::sized(Addr(base + TEXT), 0x100);
        assert_eq!(binary.module.text, text);
        assert_eq!(binary.image.go_build_id().as_deref(), Some("a/b\0"));

        let functions = &binary.functions;
        let main = functions.by_name("main.main").unwrap().unwrap();
        assert_eq!(main.entry, Addr(base + TEXT + 0x40));
        assert_eq!(main.end, Addr(base + TEXT + 0x100));
        assert_eq!(main.start_line, Some(6));
        assert_eq!(
            functions.function_at(Addr(base + TEXT + 0xff)),
            Ok(Some(main))
        );
        assert_eq!(functions.function_at(Addr(base + TEXT + 0x100)), Ok(None));
        assert_eq!(functions.function_at(Addr(base)), Ok(None));
        assert_eq!(functions.by_name("main.mai"), Ok(None));
        assert_eq!(functions.has_name("runtime.first"), Ok(true));
        assert_eq!(functions.has_name("first"), Ok(false));

        for (offset, line) in [(0x40, 7), (0x4f, 7), (0x50, 9)] {
            let found = functions.line_at(Addr(base + TEXT + offset)).unwrap();
            let found = found.unwrap();
            assert_eq!((found.file.as_str(), found.line), ("/src/main.go", line));
        }
    }

    #[test]
    fn an_executable_is_read() {
        let synthetic = Synthetic::default();
        check(&open(&synthetic), synthetic.base());
    }

    #[test]
    fn a_position_independent_one_is_read_through_its_relocations() {
        let synthetic = Synthetic {
            pie: true,
            ..Synthetic::default()
        };
        let binary = open(&synthetic);
        check(&binary, 0);
        let raw = synthetic.build();
        let at = usize::try_from(MODULEDATA).unwrap();
        assert_eq!(raw[at..at + 8], [0; 8], "the file itself holds no pointer");
        assert_eq!(read_u64(&binary.image, binary.moduledata), Ok(PCLNTAB));
    }

    /// What a loader does, by the relocations as they were written above.
    fn relocate(bytes: &mut [u8], bias: u64) {
        for entry in (0x300..0xf00).step_by(24) {
            let word = |at: usize| u64::from_le_bytes(bytes[at..at + 8].try_into().unwrap());
            let (place, kind, addend) = (word(entry), word(entry + 8), word(entry + 16));
            if kind == 8 {
                let place = usize::try_from(place).unwrap();
                bytes[place..place + 8].copy_from_slice(&(addend + bias).to_le_bytes());
            }
        }
    }

    #[test]
    fn a_plugin_is_read_by_the_words_that_a_loader_left() {
        let bias = 0x7f12_0000_0000;
        let synthetic = Synthetic {
            pie: true,
            ..Synthetic::default()
        };
        let file = synthetic.build();
        let mut loaded = file.clone();
        relocate(&mut loaded, bias);
        let start = usize::try_from(MODULEDATA).unwrap();
        let head = &mut loaded[start..start + 256];
        let loaded_as = |head: &[u8], bias| {
            let image = Image::from_bytes(file.clone()).unwrap();
            Plugin::open(image, bias, Addr(MODULEDATA), head)
        };
        let plugin = loaded_as(head, bias).unwrap();
        let entry = Addr(TEXT + 0x40);
        let main = plugin.functions.function_at(entry).unwrap().unwrap();
        assert_eq!(main.name, "main.main");
        assert_eq!(plugin.module.text, AddrRange::sized(Addr(TEXT), 0x100));
        assert_eq!(plugin.range(), AddrRange::sized(Addr(0), 6 * PAGE));

        // Beside an executable whose code lies elsewhere.
        let own = open(&Synthetic::default());
        let mut calls = Calls::new(&own, 0).unwrap();
        calls.add(&plugin, bias, Addr(0));
        let pcs = [entry.add(bias + 1), Addr(own.module.text.start().0 + 1)];
        let names: Vec<String> = calls
            .of_stack(&pcs)
            .into_iter()
            .map(|call| call.function)
            .collect();
        assert_eq!(names, ["main.main", "runtime.first"]);

        let wrong = |result: Result<Plugin, Error>| {
            assert!(!matches!(result, Ok(_) | Err(Error::NotGo { .. })));
        };
        wrong(loaded_as(head, bias + 8));
        wrong(loaded_as(&head[..200], bias));
        // Another count of functions: another build.
        head[136] ^= 1;
        wrong(loaded_as(head, bias));
    }

    #[test]
    fn an_image_in_memory_is_read_at_its_bias() {
        let bias = 0x5555_0000_0000;
        let synthetic = Synthetic {
            pie: true,
            ..Synthetic::default()
        };
        let mut bytes = synthetic.build();
        relocate(&mut bytes, bias);
        let mut memory = SliceMemory::default();
        memory.map(Addr(bias), bytes);
        memory.map(Addr(bias + BSS), vec![0; 2 * 0x1000]);
        let image = Image::from_memory(Box::new(memory), Addr(bias)).unwrap();
        assert_eq!(image.link_addr(bias + 8), Addr(8));
        let binary = GoBinary::open(image, None).unwrap();
        check(&binary, 0);
        let pointer = read_u64(&binary.image, binary.moduledata).unwrap();
        assert_eq!(pointer, bias + PCLNTAB);
        assert_eq!(binary.image.bias_from_entry(Addr(bias + TEXT)), bias);
        assert_eq!(binary.image.bias_from_lowest(Addr(bias)), bias);
    }

    #[test]
    fn bss_is_zero_and_what_no_segment_holds_is_a_fault() {
        let synthetic = Synthetic::default();
        let binary = open(&synthetic);
        let base = synthetic.base();
        assert_eq!(read_u64(&binary.image, Addr(base + BSS - 4)), Ok(0));
        let end = Addr(base + BSS + 2 * PAGE);
        let fault = binary.image.read(Addr(end.0 - 4), &mut [0; 8]).unwrap_err();
        assert!(matches!(fault, Fault::Unmapped { .. }));
    }

    #[test]
    fn cached_facts_are_used_for_their_build_only() {
        let binary = open(&Synthetic::default());
        let facts = binary.facts_for_cache().unwrap();
        let mut moved = facts.clone();
        moved.module.addr = moved.module.addr.add(8);
        let mut other = facts.clone();
        other.module.bss = other.module.data;
        let mut foreign = facts.clone();
        foreign.key.push('x');
        for (facts, used) in [
            (facts, true),
            (moved, false),
            (other, false),
            (foreign, false),
        ] {
            let mut facts = facts;
            facts.cgo = true;
            let image = Image::from_bytes(Synthetic::default().build()).unwrap();
            let again = GoBinary::open(image, Some(&facts)).unwrap();
            assert_eq!(again.moduledata, binary.moduledata);
            assert_eq!(again.globals, binary.globals);
            assert_eq!(again.cgo(), used, "only the facts say that it has cgo");
        }
    }

    #[test]
    fn a_plugin_says_what_it_is() {
        let synthetic = Synthetic {
            module: "build\t-buildmode=plugin\n",
            ..Synthetic::default()
        };
        let image = Image::from_bytes(synthetic.build()).unwrap();
        let error = GoBinary::open(image, None).unwrap_err();
        assert!(matches!(error, Error::Unsupported { .. }), "{error}");
    }

    #[test]
    fn every_damaged_byte_and_every_truncation_is_survived() {
        for pie in [false, true] {
            let synthetic = Synthetic {
                pie,
                ..Synthetic::default()
            };
            let bytes = synthetic.build();
            assert!(crate::fuzzing::elf(&bytes));
            for at in 0..bytes.len() {
                if bytes[at] == 0 && at % 64 != 0 {
                    continue;
                }
                for value in [0, 1, 0x7f, 0xff] {
                    let mut damaged = bytes.clone();
                    damaged[at] = value;
                    crate::fuzzing::elf(&damaged);
                }
            }
            for len in (0..bytes.len()).step_by(61) {
                crate::fuzzing::elf(&bytes[..len]);
            }
        }
    }

    #[test]
    fn counts_beyond_all_bounds_are_refused() {
        let base = Synthetic::default().base();
        let places = (0..24)
            .map(|word| MODULEDATA + 8 * word)
            .chain((1..9).map(|word| PCLNTAB + 8 * word))
            .chain((0..6).flat_map(|header| (1..7).map(move |word| 64 + 56 * header + 8 * word)));
        for place in places {
            for value in [1u64 << 63, u64::MAX, 1 << 40, base] {
                let mut bytes = Synthetic::default().build();
                let at = usize::try_from(place).unwrap();
                bytes[at..at + 8].copy_from_slice(&value.to_le_bytes());
                crate::fuzzing::elf(&bytes);
            }
        }
    }
}
