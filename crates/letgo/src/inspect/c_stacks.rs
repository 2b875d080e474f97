//! [`CStacks`]: the functions of C that goroutines are in, innermost first.
//!
//! From the registers and the copied stack of each thread (see [`super::in_c`]) the callers are
//! found by what compilers of C write beside their code (`.eh_frame`), up to where Go code called
//! C. Libraries are only opened here, and only those that such a stack leads into. A library is the
//! file that is mapped; of a core or a snapshot, the file at its path where its GNU build id is the
//! one in the memory that was kept.
//!
//! What cannot be followed ends there, and says so; at least the innermost function is told.
//! Without a name it is an offset in its file, `libfoo.so.1+0x1234`, as `addr2line` wants it.
//!
//! Invariants: a stack that leads to other Go code than `runtime.asmcgocall`, or elsewhere than to
//! where that began, is no call of C and is not told. Frames of a stack are bounded.

use std::collections::HashMap;
use std::path::Path;
use std::rc::Rc;

use letgo_gobin::{CallFrameInfo, Image, Place, Segment, c_functions};
use letgo_goruntime::Census;
use letgo_target::{Addr, AddrRange, Mapping};
use serde::{Deserialize, Serialize};

use super::in_c::{InC, go_function};
use super::{Reading, Subject};

/// Calls of C that are followed.
const MOST_FRAMES: usize = 64;
/// What switches to the stack of the thread and calls C. Source: src/runtime/asm_amd64.s.
const SWITCH: &str = "runtime.asmcgocall";
/// Bytes that it may take of that stack: room for what it saves, and for alignment.
const SWITCH_BYTES: u64 = 256;
/// Code of the kernel's, which Go calls without `asmcgocall`.
const VDSO: &str = "[vdso]";

/// A function of C.
#[derive(Clone, PartialEq, Eq, Hash, Debug, Serialize, Deserialize)]
pub(super) struct CFrame {
    pub(super) function: String,
    /// Path of its file.
    pub(super) object: String,
}

/// The functions of C that a goroutine is in.
#[derive(Clone, PartialEq, Eq, Hash, Debug, Default, Serialize, Deserialize)]
pub(super) struct CStack {
    /// Innermost first.
    pub(super) frames: Vec<CFrame>,
    /// The last of them was called by Go code; else some are missing.
    pub(super) is_whole: bool,
}

/// Those of all goroutines that are in C.
#[derive(Debug, Default)]
pub(super) struct CStacks {
    /// Which of the stacks each has, by its number in the census.
    of: HashMap<u32, usize>,
    stacks: Vec<CStack>,
}

impl CStacks {
    /// Which stack one of the census's goroutines has: equal numbers are equal stacks.
    pub(super) fn number(&self, goroutine: usize) -> Option<usize> {
        self.of.get(&u32::try_from(goroutine).ok()?).copied()
    }

    /// The stack of that number.
    pub(super) fn stack(&self, number: usize) -> Option<&CStack> {
        self.stacks.get(number)
    }

    /// Each stack, and the numbers that the runtime gave the goroutines that have it.
    pub(super) fn by_goid(&self, census: &Census) -> Vec<(CStack, Vec<u64>)> {
        let stacks = self.stacks.iter().cloned();
        let mut all: Vec<_> = stacks.map(|stack| (stack, Vec::new())).collect();
        for (number, one) in census.goroutines.iter().enumerate() {
            let own = self.number(number).and_then(|own| all.get_mut(own));
            if let Some((_, goids)) = own {
                goids.push(one.goid);
            }
        }
        all
    }

    /// Made of that again.
    pub(super) fn of_goids(all: Vec<(CStack, Vec<u64>)>, census: &Census) -> CStacks {
        let mut by_goid = HashMap::new();
        let mut stacks = Vec::new();
        for (stack, goids) in all {
            by_goid.extend(goids.into_iter().map(|goid| (goid, stacks.len())));
            stacks.push(stack);
        }
        let goroutines = (0u32..).zip(&census.goroutines);
        let known = goroutines.filter_map(|(number, one)| {
            let stack = by_goid.get(&one.goid)?;
            Some((number, *stack))
        });
        CStacks {
            of: known.collect(),
            stacks,
        }
    }
}

impl Subject {
    /// Finds out in which functions of C goroutines of a reading were. Opens the libraries of those
    /// that were in any; of a snapshot, only where that was not found out when it was taken.
    pub fn follow_c(&self, reading: &mut Reading) {
        let Some(marked) = &mut reading.marked else {
            return;
        };
        let kept = match self {
            Subject::Snapshot(filed) => filed.c_stacks(&reading.census),
            Subject::Live(_) | Subject::Core(_) => None,
        };
        let follow = || self.c_stacks(&marked.in_c, &reading.mappings);
        marked.c_stacks = kept.unwrap_or_else(follow);
    }

    /// In which functions of C goroutines are.
    pub(super) fn c_stacks(&self, in_c: &[InC], mappings: &[Mapping]) -> CStacks {
        let mut objects = Objects {
            subject: self,
            mappings,
            of: HashMap::new(),
            known: Vec::new(),
            go: HashMap::new(),
        };
        let followed = in_c.iter().filter_map(|one| {
            let stack = objects.follow(one)?;
            Some((one.goroutine, stack))
        });
        let followed: Vec<(u32, Followed)> = followed.collect();
        objects.named(followed)
    }
}

/// Where a stack leads.
#[derive(Debug, Default)]
struct Followed {
    /// Each place: in which object, the address to be told, and one in the instruction.
    places: Vec<(usize, Addr, Addr)>,
    is_whole: bool,
}

/// A file with code, or code without a file.
struct Object {
    path: String,
    /// Its own addresses are the process's less this, as far as is known.
    bias: u64,
    calls: Option<CallFrameInfo>,
    /// Where the names of its functions are.
    symbols: Option<Image>,
    is_program: bool,
}

impl Object {
    /// Its own address of one of the process.
    fn linked(&self, addr: Addr) -> Addr {
        addr.biased(self.bias.wrapping_neg())
    }
}

/// What was mapped as code where stacks lead, each opened once.
struct Objects<'a> {
    subject: &'a Subject,
    mappings: &'a [Mapping],
    /// By where its mapping begins.
    of: HashMap<Addr, usize>,
    known: Vec<Object>,
    go: HashMap<Addr, Option<Rc<str>>>,
}

impl Objects<'_> {
    /// Follows the stack of one; nothing where it is found not to be in a call of C.
    fn follow(&mut self, one: &InC) -> Option<Followed> {
        let mut found = Followed::default();
        let mut place = Place::of(&one.registers);
        let sp = one.registers.sp();
        let word = |at: Addr| {
            let from = usize::try_from(at.0.checked_sub(sp.0)?).ok()?;
            let bytes = one.stack.get(from..)?.first_chunk()?;
            Some(u64::from_le_bytes(*bytes))
        };
        for _ in 0..MOST_FRAMES {
            if let Some(name) = self.go_function(place.at()) {
                let end = AddrRange::new(Addr(one.top.0.saturating_sub(SWITCH_BYTES)), one.top);
                let called =
                    name.starts_with(SWITCH) && place.sp().is_some_and(|sp| end.contains(sp));
                found.is_whole = true;
                return called.then_some(found);
            }
            let Some(number) = self.object(place.at()) else {
                break;
            };
            found.places.push((number, place.pc, place.at()));
            let object = self.known.get(number)?;
            let calls = object.calls.as_ref();
            match calls.and_then(|calls| calls.caller(&place, object.bias, &word)) {
                Some(caller) => place = caller,
                None => break,
            }
        }
        let first = self.known.get(found.places.first()?.0)?;
        (first.path != VDSO).then_some(found)
    }

    /// The function of Go at an address, each looked up once.
    fn go_function(&mut self, at: Addr) -> Option<Rc<str>> {
        let program = self.subject.program();
        let look_up = || go_function(program, at).map(Rc::from);
        self.go.entry(at).or_insert_with(look_up).clone()
    }

    /// The object that has code there.
    fn object(&mut self, at: Addr) -> Option<usize> {
        let mapping = Mapping::find(self.mappings, at)?;
        // Of code that gdb left out of a core nothing says that it may be run.
        let allows = mapping.permissions;
        let may_be_code = self.subject.process().is_none() && mapping.is_file() && !allows.write;
        if !allows.execute && !may_be_code {
            return None;
        }
        let start = mapping.range.start();
        if let Some(known) = self.of.get(&start) {
            return Some(*known);
        }
        let object = match self.program_at(at) {
            Some(object) => object,
            None => self.library(mapping),
        };
        self.known.push(object);
        self.of.insert(start, self.known.len() - 1);
        Some(self.known.len() - 1)
    }

    /// The program itself, if it has the code there.
    fn program_at(&self, at: Addr) -> Option<Object> {
        let program = self.subject.program();
        let mut segments = program.segments().into_iter();
        segments.find(|segment| segment.range.contains(at))?;
        Some(Object {
            path: program.library.as_ref().unwrap_or(&program.exe).clone(),
            bias: program.bias,
            calls: CallFrameInfo::of(&program.binary.image).ok().flatten(),
            symbols: Some(program.binary.symbols().clone()),
            is_program: true,
        })
    }

    fn library(&self, mapping: &Mapping) -> Object {
        let path = mapping.name.trim_end_matches(" (deleted)").to_owned();
        let opened = mapping.is_file().then(|| {
            let image = self.subject.mapped_image(mapping, self.mappings)?;
            let bias = bias(&image, mapping)?;
            Some((image, bias))
        });
        let Some((image, bias)) = opened.flatten() else {
            let head = head(mapping, self.mappings).unwrap_or(mapping);
            return Object {
                path,
                bias: head.range.start().0.wrapping_sub(head.offset),
                calls: None,
                symbols: None,
                is_program: false,
            };
        };
        Object {
            path,
            bias,
            calls: CallFrameInfo::of(&image).ok().flatten(),
            symbols: Some(image),
            is_program: false,
        }
    }

    /// Gives each place its name.
    fn named(&self, followed: Vec<(u32, Followed)>) -> CStacks {
        let names = self.names(&followed);
        let frame = |(number, pc, at): &(usize, Addr, Addr)| {
            let object = self.known.get(*number)?;
            let function = names.get(&(*number, object.linked(*at))).cloned();
            Some(CFrame {
                function: function.unwrap_or_else(|| unnamed(object, *pc)),
                object: object.path.clone(),
            })
        };
        let mut stacks = CStacks::default();
        let mut numbers = HashMap::new();
        for (goroutine, followed) in followed {
            let frames: Vec<CFrame> = followed.places.iter().filter_map(frame).collect();
            let last = frames.last();
            let stack = CStack {
                is_whole: followed.is_whole || last.is_some_and(|last| is_glue(&last.function)),
                frames,
            };
            let number = *numbers.entry(stack).or_insert_with_key(|stack| {
                stacks.stacks.push(stack.clone());
                stacks.stacks.len() - 1
            });
            stacks.of.insert(goroutine, number);
        }
        stacks
    }

    /// The names that functions have, by object and address in it.
    fn names(&self, followed: &[(u32, Followed)]) -> HashMap<(usize, Addr), String> {
        let mut names = HashMap::new();
        for (number, object) in self.known.iter().enumerate() {
            let places = followed.iter().flat_map(|(_, stack)| &stack.places);
            let own = places.filter(|place| place.0 == number);
            let mut linked: Vec<Addr> = own.map(|place| object.linked(place.2)).collect();
            linked.sort();
            linked.dedup();
            let symbols = object.symbols.as_ref();
            let found = symbols.and_then(|image| c_functions(image, &linked).ok());
            let mut found = found.unwrap_or_default().into_iter();
            for at in linked {
                let name = found.next().flatten().or_else(|| self.tabled(object, at));
                names.extend(name.map(|name| ((number, at), name)));
            }
        }
        names
    }

    /// The name of a function of C that Go's own linker took into the program's function table.
    fn tabled(&self, object: &Object, at: Addr) -> Option<String> {
        let functions = &self.subject.program().binary.functions;
        let found = object.is_program.then(|| functions.function_at(at));
        Some(found?.ok()??.name)
    }
}

/// Whether it is what cgo writes for each function that is called: nothing else is called by
/// `runtime.asmcgocall`, and it is called by nothing else. Source: src/cmd/cgo/out.go.
fn is_glue(function: &str) -> bool {
    let kinds = ["_Cfunc_", "_C2func_", "_Cmacro_"];
    function.starts_with("_cgo_") && kinds.iter().any(|kind| function.contains(kind))
}

/// A function without a name: where in its file, or where in memory if it has none.
fn unnamed(object: &Object, pc: Addr) -> String {
    let name = Path::new(&object.path).file_name();
    match name.and_then(|name| name.to_str()) {
        Some(name) => format!("{name}+{:#x}", object.linked(pc).0),
        None => format!("{:#x}", pc.0),
    }
}

/// What was added to the addresses of `image`, whose code `mapping` shows.
fn bias(image: &Image, mapping: &Mapping) -> Option<u64> {
    let shows = |segment: &&Segment| {
        let end = segment.file_offset.saturating_add(segment.file_len);
        let from = mapping.offset.max(segment.file_offset);
        segment.execute && from < end && from < mapping.offset.saturating_add(mapping.range.len())
    };
    let segment = image.segments().iter().find(shows)?;
    let at = mapping.range.start().0.wrapping_sub(mapping.offset);
    let linked = segment.range.start().0.wrapping_sub(segment.file_offset);
    Some(at.wrapping_sub(linked))
}

/// The mapping of the beginning of the file that `mapping` shows a part of, below it.
pub(super) fn head<'a>(mapping: &'a Mapping, mappings: &'a [Mapping]) -> Option<&'a Mapping> {
    let below = mappings
        .iter()
        .filter(|one| one.range.start() <= mapping.range.start());
    let mut same = below.filter(|one| one.same_file(mapping) && one.offset == 0);
    same.next_back()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn mapping(start: u64, offset: u64, inode: u64) -> Mapping {
        Mapping {
            range: AddrRange::sized(Addr(start), 0x1000),
            offset,
            inode,
            ..Mapping::default()
        }
    }

    #[test]
    fn a_library_begins_at_the_next_mapping_of_its_first_byte() {
        let all = [
            mapping(0x1000, 0, 7),
            mapping(0x5000, 0, 7),
            mapping(0x6000, 0x1000, 7),
            mapping(0x7000, 0, 8),
            mapping(0x9000, 0, 7),
        ];
        assert_eq!(head(&all[2], &all), Some(&all[1]));
        assert_eq!(head(&mapping(0x8000, 0x1000, 9), &all), None);
    }

    #[test]
    fn what_has_no_name_is_told_by_its_place() {
        let object = |path: &str| Object {
            path: path.into(),
            bias: 0x7f12_0000,
            calls: None,
            symbols: None,
            is_program: false,
        };
        let told = |path| unnamed(&object(path), Addr(0x7f12_3456));
        assert_eq!(told("/usr/lib/libfoo.so.1"), "libfoo.so.1+0x3456");
        assert_eq!(told("[vdso]"), "[vdso]+0x3456");
        assert_eq!(told(""), "0x7f123456");
    }
}
