//! [`CallFrameInfo`]: the way from a function of C to its caller, by `.eh_frame`.
//!
//! Compilers of C write for each instruction where the registers of the caller are: C code keeps
//! no frame pointer, and nothing else tells. A [`Place`] is where a thread is, with the registers
//! that are known there; [`CallFrameInfo::caller`] makes that of its caller of it. What no entry
//! covers ends the way: nothing is guessed by frame pointers or by what the code looks like.
//!
//! Addresses in the table are link-time ones, those in registers and on the stack are of the
//! process. Go code has no such table (see [`crate::Calls`]), and names are not known here (see
//! [`crate::c_functions`]).
//!
//! Invariants: each caller's stack pointer lies above that of what it called; an expression takes
//! a bounded number of steps.
//!
//! Source: System V ABI, x86-64 psABI, chapters 3.6 and 4.2; DWARF 5, chapter 6.4; LSB, chapter
//! 10.6 (`.eh_frame`, `.eh_frame_hdr`).

use gimli::{
    BaseAddresses, CfaRule, EhFrame, Encoding, EndianSlice, Evaluation, EvaluationResult,
    Expression, FrameDescriptionEntry, LittleEndian, Register, RegisterRule, UnwindContext,
    UnwindSection, Value, X86_64,
};
use letgo_target::{Addr, Registers};

use crate::bytes::u32_at;
use crate::{Error, Image};

type Bytes<'a> = EndianSlice<'a, LittleEndian>;

/// Most bytes of a table that is read. That of a browser's library has 20 MiB.
const MOST_BYTES: u64 = 128 << 20;
/// Steps of an expression.
const MOST_STEPS: u32 = 1000;
/// General registers, by their numbers in DWARF.
const GENERAL: u16 = 16;
/// Which of them a function gives back as it got them: `rbx`, `rbp`, `r12` to `r15`.
const KEPT: [Register; 6] = [
    X86_64::RBX,
    X86_64::RBP,
    X86_64::R12,
    X86_64::R13,
    X86_64::R14,
    X86_64::R15,
];
const ENCODING: Encoding = Encoding {
    address_size: 8,
    format: gimli::Format::Dwarf32,
    version: 5,
};

/// Where a thread is, or will be when what it called returns.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Place {
    /// The next instruction.
    pub pc: Addr,
    /// The instruction before `pc` is the call that is being made; else it stands at `pc` itself.
    pub is_caller: bool,
    /// General registers by their numbers in DWARF, as far as they are known.
    general: [Option<u64>; GENERAL as usize],
}

impl Place {
    /// Where a thread with these registers is.
    pub fn of(registers: &Registers) -> Place {
        let own = registers;
        let general = [
            own.rax, own.rdx, own.rcx, own.rbx, own.rsi, own.rdi, own.rbp, own.rsp, own.r8, own.r9,
            own.r10, own.r11, own.r12, own.r13, own.r14, own.r15,
        ];
        Place {
            pc: registers.pc(),
            is_caller: false,
            general: general.map(Some),
        }
    }

    /// An address in the instruction that is worked on.
    pub fn at(&self) -> Addr {
        match self.is_caller {
            true => Addr(self.pc.0.saturating_sub(1)),
            false => self.pc,
        }
    }

    /// The stack pointer.
    pub fn sp(&self) -> Option<Addr> {
        self.register(X86_64::RSP).map(Addr)
    }

    fn register(&self, register: Register) -> Option<u64> {
        self.general.get(usize::from(register.0)).copied().flatten()
    }
}

/// `.eh_frame` of an image.
#[derive(Clone, Debug)]
pub struct CallFrameInfo {
    addr: u64,
    bytes: Vec<u8>,
    index: Index,
    bases: BaseAddresses,
}

/// What the stack of a thread is read with: eight bytes at an address.
pub type ReadWord<'a> = &'a dyn Fn(Addr) -> Option<u64>;

impl CallFrameInfo {
    /// That of an image; absent where it has none or an unbelievably large one.
    ///
    /// # Errors
    /// Where it cannot be read.
    pub fn of(image: &Image) -> Result<Option<CallFrameInfo>, Error> {
        let section = |name| {
            let section = image.section(name);
            section.filter(|section| !section.no_bits && section.len <= MOST_BYTES)
        };
        let Some(frame) = section(".eh_frame") else {
            return Ok(None);
        };
        let mut bases = BaseAddresses::default().set_eh_frame(frame.addr.0);
        for (name, set) in [
            (".text", BaseAddresses::set_text as fn(_, _) -> _),
            (".got", BaseAddresses::set_got),
        ] {
            if let Some(found) = image.section(name) {
                bases = set(bases, found.addr.0);
            }
        }
        let mut index = Index::default();
        if let Some(found) = section(".eh_frame_hdr") {
            index = Index {
                addr: found.addr.0,
                bytes: image.bytes_of(found)?,
            };
        }
        Ok(Some(CallFrameInfo {
            addr: frame.addr.0,
            bytes: image.bytes_of(frame)?,
            index,
            bases,
        }))
    }

    /// The place of the caller. `bias` is what was added to link-time addresses, `read` reads the
    /// stack. Nothing where no entry tells, a word cannot be read, or this is where a thread began.
    pub fn caller(&self, place: &Place, bias: u64, read: ReadWord<'_>) -> Option<Place> {
        let frame = EhFrame::new(&self.bytes, LittleEndian);
        let at = place.at().biased(bias.wrapping_neg()).0;
        let entry = self.entry(&frame, at)?;
        let mut context = UnwindContext::new();
        let row = entry.unwind_info_for_address(&frame, &self.bases, &mut context, at);
        let row = row.ok()?;
        let step = Step {
            frame: &frame,
            place,
            bias,
            read,
        };
        let cfa = match row.cfa() {
            CfaRule::RegisterAndOffset { register, offset } => {
                place.register(*register)?.wrapping_add_signed(*offset)
            }
            CfaRule::Expression(expression) => step.value(expression.get(&frame).ok()?, None)?,
        };
        if place.sp()? >= Addr(cfa) {
            return None;
        }
        let pc = step.register(row.register(X86_64::RA)?, X86_64::RA, cfa)?;
        let mut general = [None; GENERAL as usize];
        for (number, value) in (0..GENERAL).zip(&mut general) {
            let register = Register(number);
            *value = match row.register(register) {
                Some(rule) => step.register(rule, register, cfa),
                None if register == X86_64::RSP => Some(cfa),
                None if KEPT.contains(&register) => place.register(register),
                None => None,
            };
        }
        Some(Place {
            pc: Addr(pc),
            is_caller: !entry.is_signal_trampoline(),
            general,
        })
    }

    /// The entry that covers a link-time address.
    fn entry<'a>(
        &self,
        frame: &EhFrame<Bytes<'a>>,
        at: u64,
    ) -> Option<FrameDescriptionEntry<Bytes<'a>>> {
        let cie = EhFrame::cie_from_offset;
        let Some(table) = self.index.table() else {
            return frame.fde_for_address(&self.bases, at, cie).ok();
        };
        let offset = self.index.lookup(table, at)?.checked_sub(self.addr)?;
        let offset = usize::try_from(offset).ok()?;
        let entry = frame.fde_from_offset(&self.bases, offset.into(), cie);
        entry.ok().filter(|entry| entry.contains(at))
    }
}

/// `.eh_frame_hdr`: where the entry of an address is.
#[derive(Clone, Debug, Default)]
struct Index {
    addr: u64,
    bytes: Vec<u8>,
}

impl Index {
    /// The pairs of address and entry, sorted, both from the section's start on, where they are
    /// written as every linker does; gimli would multiply a count of theirs without looking.
    fn table(&self) -> Option<&[u8]> {
        /// Version; encodings of the pointer to `.eh_frame`, of the count, and of the pairs:
        /// `pcrel sdata4`, `udata4`, `datarel sdata4`.
        const LEAD: [u8; 4] = [1, 0x1b, 0x03, 0x3b];
        let rest = self.bytes.strip_prefix(&LEAD)?;
        let count = usize::try_from(u32_at(rest, 4)?).ok()?;
        rest.get(8..)?.get(..count.checked_mul(8)?)
    }

    /// The link-time address of the entry of the last pair that does not lie behind `at`.
    fn lookup(&self, table: &[u8], at: u64) -> Option<u64> {
        let (pairs, _) = table.as_chunks::<8>();
        let half = |pair: &[u8; 8], from| {
            let value = u32_at(pair, from).unwrap_or_default().cast_signed();
            self.addr.wrapping_add_signed(value.into())
        };
        let behind = pairs.partition_point(|pair| half(pair, 0) <= at);
        Some(half(pairs.get(behind.checked_sub(1)?)?, 4))
    }
}

/// From one place to the next.
struct Step<'a, 'b> {
    frame: &'a EhFrame<Bytes<'b>>,
    place: &'a Place,
    bias: u64,
    read: ReadWord<'a>,
}

impl<'b> Step<'_, 'b> {
    /// What a register of the caller holds.
    fn register(&self, rule: RegisterRule<usize>, own: Register, cfa: u64) -> Option<u64> {
        let read = |at: u64| (self.read)(Addr(at));
        match rule {
            RegisterRule::SameValue => self.place.register(own),
            RegisterRule::Offset(offset) => read(cfa.wrapping_add_signed(offset)),
            RegisterRule::ValOffset(offset) => Some(cfa.wrapping_add_signed(offset)),
            RegisterRule::Register(other) => self.place.register(other),
            RegisterRule::Expression(expression) => {
                read(self.value(expression.get(self.frame).ok()?, Some(cfa))?)
            }
            RegisterRule::ValExpression(expression) => {
                self.value(expression.get(self.frame).ok()?, Some(cfa))
            }
            RegisterRule::Constant(value) => Some(value),
            _ => None,
        }
    }

    /// The value of an expression that begins with `initial` on its stack.
    fn value(&self, expression: Expression<Bytes<'b>>, initial: Option<u64>) -> Option<u64> {
        let mut evaluation: Evaluation<Bytes<'b>> = expression.evaluation(ENCODING);
        evaluation.set_max_iterations(MOST_STEPS);
        if let Some(initial) = initial {
            evaluation.set_initial_value(initial);
        }
        let mut result = evaluation.evaluate().ok()?;
        loop {
            result = match result {
                EvaluationResult::Complete => break,
                EvaluationResult::RequiresRegister { register, .. } => {
                    let value = self.place.register(register)?;
                    evaluation.resume_with_register(Value::Generic(value))
                }
                EvaluationResult::RequiresMemory { address, size, .. } => {
                    let word = (self.read)(Addr(address))?;
                    let bits = u32::from(size).saturating_mul(8);
                    let value = word & u64::MAX.checked_shr(64_u32.saturating_sub(bits))?;
                    evaluation.resume_with_memory(Value::Generic(value))
                }
                EvaluationResult::RequiresRelocatedAddress(address) => {
                    evaluation.resume_with_relocated_address(address.wrapping_add(self.bias))
                }
                _ => return None,
            }
            .ok()?;
        }
        evaluation.value_result()?.to_u64(u64::MAX).ok()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Where the table lies, and the two functions that it covers.
    const TABLE: u64 = 0x5000;
    const FUNCTION: u64 = 0x1000;
    const HANDLER: u64 = 0x1100;
    const BIAS: u64 = 0x7f00_0000_0000;
    const SP: u64 = 0x7fff_0000;

    fn record(id: u32, rest: &[u8]) -> Vec<u8> {
        let mut rest = rest.to_vec();
        rest.resize(rest.len().next_multiple_of(8) + 4, 0);
        let len = u32::try_from(rest.len() + 4).unwrap();
        [&len.to_le_bytes()[..], &id.to_le_bytes(), &rest].concat()
    }

    fn entry(table: &mut Vec<u8>, cie: usize, start: u64, instructions: &[u8]) -> u64 {
        let at = TABLE + table.len() as u64;
        let pointer = u32::try_from(table.len() + 4 - cie).unwrap();
        let start = i32::try_from(start.cast_signed() - (at + 8).cast_signed()).unwrap();
        let body = [&start.to_le_bytes()[..], &0x40_u32.to_le_bytes(), &[0]].concat();
        table.extend(record(pointer, &[&body, instructions].concat()));
        at
    }

    /// A function that makes room by `push %rbx` (1 byte) and `sub $48, %rsp` (4 bytes), and one
    /// that signals return to, whose frame an expression tells. With an index, or without one.
    fn info(is_indexed: bool) -> CallFrameInfo {
        // Alignment 1 and -8, return address in 16, pointers pcrel sdata4; the caller's stack
        // pointer 8 above ours, its return address below that.
        let instructions = [0x0c, 7, 8, 0x90, 1];
        let mut table = record(
            0,
            &[b"\x01zR\0\x01\x78\x10\x01\x1b", &instructions[..]].concat(),
        );
        let signal = table.len();
        table.extend(record(0, b"\x01zRS\0\x01\x78\x10\x01\x1b"));
        let first = entry(
            &mut table,
            0,
            FUNCTION,
            &[0x41, 0x0e, 16, 0x83, 2, 0x44, 0x0e, 64],
        );
        // CFA: the word at rsp + 160; rip: saved at rsp + 168; rbp: CFA + 32, as a value.
        let handler = [
            &[0x0f, 4, 0x77, 0xa0, 0x01, 0x06][..],
            &[0x10, 16, 3, 0x77, 0xa8, 0x01],
            &[0x16, 6, 2, 0x23, 32],
        ];
        let second = entry(&mut table, signal, HANDLER, &handler.concat());
        let mut index = Index::default();
        if is_indexed {
            index.addr = 0x4000;
            let pairs = [[FUNCTION, first], [HANDLER, second]];
            let offsets = pairs.as_flattened().iter().flat_map(|addr| {
                let offset = addr.cast_signed() - index.addr.cast_signed();
                i32::try_from(offset).unwrap().to_le_bytes()
            });
            let lead = [1, 0x1b, 0x03, 0x3b, 0, 0, 0, 0, 2, 0, 0, 0];
            index.bytes = lead.into_iter().chain(offsets).collect();
        }
        CallFrameInfo {
            addr: TABLE,
            bytes: table,
            index,
            bases: BaseAddresses::default().set_eh_frame(TABLE),
        }
    }

    fn place(at: u64) -> Place {
        Place::of(&Registers {
            rip: at + BIAS,
            rsp: SP,
            rbx: 3,
            rbp: 6,
            rax: 9,
            ..Registers::default()
        })
    }

    /// Each word of the stack holds its own distance from the stack pointer.
    fn word(at: Addr) -> Option<u64> {
        at.0.checked_sub(SP).filter(|distance| *distance < 0x1000)
    }

    #[test]
    fn a_caller_is_where_each_instruction_says() {
        for info in [info(true), info(false)] {
            for (at, frame, rbx) in [(0, 8, 3), (1, 16, 0), (5, 64, 48), (0x3f, 64, 48)] {
                let caller = info.caller(&place(FUNCTION + at), BIAS, &word).unwrap();
                assert_eq!(caller.sp(), Some(Addr(SP + frame)), "at {at}");
                assert_eq!(caller.pc, Addr(frame - 8));
                assert_eq!(caller.register(X86_64::RBX), Some(rbx));
                assert_eq!(caller.register(X86_64::RBP), Some(6));
                assert_eq!(caller.register(X86_64::RAX), None, "callees may change it");
                assert!(caller.is_caller);
                assert_eq!(caller.at(), Addr(caller.pc.0.saturating_sub(1)));
            }
        }
    }

    #[test]
    fn a_signal_interrupts_anywhere() {
        let far = |at: Addr| match at.0 - SP {
            160 => Some(SP + 0x800),
            other => Some(other),
        };
        let caller = info(true).caller(&place(HANDLER), BIAS, &far).unwrap();
        assert_eq!(caller.sp(), Some(Addr(SP + 0x800)));
        assert_eq!((caller.pc, caller.at()), (Addr(168), Addr(168)));
        assert_eq!(caller.register(X86_64::RBP), Some(SP + 0x820));
        assert!(!caller.is_caller);
    }

    #[test]
    fn nothing_is_guessed() {
        let info = info(true);
        let none = [
            (FUNCTION - 1, SP),
            (FUNCTION + 0x40, SP),
            (HANDLER + 0x40, SP),
            // The stack cannot be read.
            (FUNCTION, SP + 0x2000),
            // An expression leads down.
            (HANDLER, SP),
        ];
        for (at, sp) in none {
            let place = Place::of(&Registers {
                rip: at + BIAS,
                rsp: sp,
                ..Registers::default()
            });
            assert_eq!(info.caller(&place, BIAS, &word), None, "{at:x}");
        }
    }

    #[test]
    fn a_table_that_is_cut_or_wrong_leads_nowhere_or_up() {
        let whole = info(true);
        for at in 0..whole.bytes.len() {
            for value in [0, 1, 0x7f, 0xff] {
                let mut info = whole.clone();
                info.bytes[at] = value;
                info.index.bytes.truncate(at);
                for start in [FUNCTION + 5, HANDLER] {
                    let caller = info.caller(&place(start), BIAS, &word);
                    assert!(caller.is_none_or(|caller| caller.sp() != Some(Addr(SP))));
                }
            }
        }
    }
}
