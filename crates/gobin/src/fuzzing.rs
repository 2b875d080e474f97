//! Entry points for fuzz targets and hostile-input tests: each takes any bytes and must return.
//!
//! Not part of the crate's interface.

use letgo_target::{Addr, Registers};

use crate::functions::decode_pc_values;
use crate::globals::decode_code;
use crate::typed::follow_code;
use crate::{
    BuildInfo, CallFrameInfo, Calls, GoBinary, GoVersion, Image, Layouts, Place, Plugin,
    c_functions,
};

/// Most functions that [`elf`] looks at.
const MOST_FUNCTIONS: usize = 64;
/// Where most releases keep `moduledata.gofunc`.
const GOFUNC: u32 = 320;

/// Everything that is done to an ELF file: true where it was opened as a Go program.
pub fn elf(bytes: &[u8]) -> bool {
    let Ok(image) = Image::from_bytes(bytes.to_vec()) else {
        return false;
    };
    let _ = (image.build_id(), image.go_build_id());
    let _ = BuildInfo::from_image(&image);
    c_frames(&image);
    let _ = Layouts::from_dwarf(&image, &|name| name.starts_with("runtime."));
    let Ok(binary) = GoBinary::open(image.clone(), None) else {
        return false;
    };
    let mut calls = Calls::new(&binary, GOFUNC);
    for function in binary.functions.iter().take(MOST_FUNCTIONS).flatten() {
        let _ = binary.functions.function_at(function.entry);
        let _ = binary.functions.line_at(function.end);
        if let Ok(calls) = &mut calls {
            calls.of_stack(&[function.entry, function.end]);
        }
    }
    if let Ok(types) = binary.types() {
        let start = types.range().start();
        for at in (0..64).map(|index| start.add(8 * index)) {
            let _ = (types.name(at), types.elem(at));
        }
    }
    let _ = binary.globals_typed();
    plugin(&binary);
    let facts = binary.facts_for_cache();
    GoBinary::open(image, facts.as_ref()).is_ok()
}

/// Names and callers of what may be C code at its entry and where it is read from.
fn c_frames(image: &Image) {
    let starts = image.segments().iter().map(|segment| segment.range.start());
    let mut addrs: Vec<Addr> = starts.chain([image.entry()]).collect();
    addrs.sort();
    let _ = c_functions(image, &addrs);
    let Ok(Some(info)) = CallFrameInfo::of(image) else {
        return;
    };
    for addr in addrs {
        let registers = Registers {
            rip: addr.0,
            rsp: 0x7000_0000,
            ..Registers::default()
        };
        let mut place = Some(Place::of(&registers));
        for _ in 0..MOST_FUNCTIONS {
            let word = |at: Addr| Some(addr.0.wrapping_add(at.0 & 0xff));
            place = place.and_then(|place| info.caller(&place, 0, &word));
        }
    }
}

/// The same image as one that another program has loaded.
fn plugin(binary: &GoBinary) {
    let mut head = [0; 256];
    let image = binary.image.clone();
    let read = letgo_target::ReadMemory::read(&image, binary.moduledata, &mut head);
    if read.is_ok()
        && let Ok(plugin) = Plugin::open(image, 0, binary.moduledata, &head)
        && let Ok(mut calls) = Calls::new(binary, GOFUNC)
    {
        let distance = 1 << 40;
        calls.add(&plugin, distance, Addr(0));
        let entries = plugin.functions.iter().take(MOST_FUNCTIONS).flatten();
        for function in entries {
            calls.of_stack(&[function.entry.biased(distance), function.end]);
            let _ = plugin.functions.frame_at(function.entry, function.entry);
        }
    }
}

/// A pc-value table.
pub fn pc_values(bytes: &[u8], pc_offset: u64) {
    decode_pc_values(bytes, pc_offset);
}

/// The code of a function.
pub fn code(bytes: &[u8]) {
    decode_code(Addr(0x40_0000), bytes);
    follow_code(Addr(0x40_0000), bytes);
}

/// Text: a version, a table of layouts.
pub fn text(text: &str) {
    let _ = text.parse::<GoVersion>();
    if let Ok(layouts) = Layouts::parse(text) {
        let printed = layouts.to_text();
        assert_eq!(
            Layouts::parse(&printed).as_ref(),
            Ok(&layouts),
            "printing and parsing a table of layouts changes it"
        );
    }
}
