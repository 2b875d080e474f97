//! [`CallCode`]: the code of Go's runtime through which a stopped thread can be led into a system
//! call and back.
//!
//! Found by name in the function table, so also in stripped programs, and taken only where it
//! decodes to exactly what is needed: a patched runtime is not recognised rather than trusted.
//!
//! Does not run anything (see the `linux` crate), and says nothing about what a process has in
//! memory.
//!
//! Source: src/runtime/sys_linux_amd64.s (exit, futex, usleep, sigreturn),
//! src/internal/runtime/syscall/linux/asm_linux_amd64.s (Syscall6; until 1.25
//! internal/runtime/syscall, until 1.22 runtime/internal/syscall), go1.19 to go1.27.

use iced_x86::{Decoder, DecoderOptions, FlowControl, Instruction, Mnemonic, OpKind, Register};
use letgo_target::{Addr, ReadMemory};

use crate::{Error, Function, GoBinary};

/// Most bytes of one of these functions; the longest has 70.
const MOST_BYTES: u64 = 256;
/// Most functions of one name: an assembly function and its wrappers.
const MOST_SAME: usize = 4;

/// Linux's numbers of system calls on x86-64.
const RT_SIGRETURN: u64 = 15;
const NANOSLEEP: u64 = 35;
const FUTEX: u64 = 202;
const EXIT_GROUP: u64 = 231;

/// Some instructions, at their link-time address.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct CodePiece {
    /// The first byte.
    pub addr: Addr,
    /// The bytes.
    pub bytes: Vec<u8>,
}

/// Code to lead a stopped thread through.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct CallCode {
    /// `syscall`, and behind it only changes of general registers, to a `ret` on each way.
    pub syscall_ret: CodePiece,
    /// `mov eax, 15; syscall`: back from a signal handler.
    pub sigreturn: CodePiece,
    /// Ends the process with the code at `8(%rsp)`.
    pub exit: CodePiece,
    /// Each ends with the `syscall` in which a thread waits with nothing in its vector registers:
    /// those of `runtime.futex`, in which threads of the scheduler are parked, and of
    /// `runtime.usleep`, where `sysmon` is.
    pub idle: Vec<CodePiece>,
}

impl GoBinary {
    /// The code to lead a stopped thread through; nothing where some of it is missing, or is not
    /// as it should be.
    ///
    /// # Errors
    /// Where the function table cannot be read.
    pub fn call_code(&self) -> Result<Option<CallCode>, Error> {
        let mut found = self.functions.by_names(&|name| is_wanted(name))?;
        found.truncate(NAMES.len() * MOST_SAME);
        let pick = |names: &[&str], take: Take| {
            let named = found
                .iter()
                .filter(|function| names.contains(&function.name.as_str()));
            named
                .into_iter()
                .find_map(|function| take(&self.decode(function)?))
        };
        let code = || {
            Some(CallCode {
                syscall_ret: pick(SYSCALL, syscall_ret)?,
                sigreturn: pick(SIGRETURN, sigreturn)?,
                exit: pick(EXIT, exit)?,
                idle: [
                    pick(FUTEX_NAME, |code| wait(code, FUTEX))?,
                    pick(USLEEP, |code| wait(code, NANOSLEEP))?,
                ]
                .into(),
            })
        };
        Ok(code())
    }

    fn decode(&self, function: &Function) -> Option<Code> {
        let len = function.end.since(function.entry).min(MOST_BYTES);
        let mut bytes = vec![0; usize::try_from(len).ok()?];
        self.image.read(function.entry, &mut bytes).ok()?;
        Some(Code::new(function.entry, bytes))
    }
}

const SYSCALL: &[&str] = &[
    "internal/runtime/syscall/linux.Syscall6",
    "internal/runtime/syscall.Syscall6",
    "runtime/internal/syscall.Syscall6",
];
const SIGRETURN: &[&str] = &["runtime.sigreturn__sigaction", "runtime.sigreturn"];
const EXIT: &[&str] = &["runtime.exit"];
const FUTEX_NAME: &[&str] = &["runtime.futex"];
const USLEEP: &[&str] = &["runtime.usleep"];
const NAMES: [&[&str]; 5] = [SYSCALL, SIGRETURN, EXIT, FUTEX_NAME, USLEEP];

type Take = fn(&Code) -> Option<CodePiece>;

fn is_wanted(name: &[u8]) -> bool {
    NAMES
        .into_iter()
        .flatten()
        .any(|wanted| wanted.as_bytes() == name)
}

/// A decoded function.
struct Code {
    entry: Addr,
    bytes: Vec<u8>,
    instructions: Vec<Instruction>,
}

impl Code {
    fn new(entry: Addr, bytes: Vec<u8>) -> Code {
        let decoder = Decoder::with_ip(64, &bytes, entry.0, DecoderOptions::NONE);
        let instructions = decoder.into_iter().collect();
        Code {
            entry,
            bytes,
            instructions,
        }
    }

    /// The bytes from one instruction to another, which is included.
    fn piece(&self, first: &Instruction, last: &Instruction) -> Option<CodePiece> {
        let offset = |ip: u64| usize::try_from(ip.checked_sub(self.entry.0)?).ok();
        let bytes = self
            .bytes
            .get(offset(first.ip())?..offset(last.next_ip())?)?;
        Some(CodePiece {
            addr: Addr(first.ip()),
            bytes: bytes.to_vec(),
        })
    }
}

/// From its only `syscall` to its last `ret`, if all behind it changes general registers alone.
fn syscall_ret(code: &Code) -> Option<CodePiece> {
    let is_call = |instruction: &Instruction| instruction.mnemonic() == Mnemonic::Syscall;
    let at = code.instructions.iter().position(is_call)?;
    let (call, rest) = code.instructions.get(at..)?.split_first()?;
    let is_ret = |instruction: &Instruction| instruction.mnemonic() == Mnemonic::Ret;
    let last = rest.iter().rposition(is_ret)?;
    let tail = rest.get(..=last)?;
    let end = tail.last()?.next_ip();
    let starts = |target: u64| tail.iter().any(|start| start.ip() == target);
    tail.iter()
        .all(|instruction| is_harmless(instruction, &starts))
        .then_some(())?;
    debug_assert!(end > call.ip(), "code runs forward");
    code.piece(call, tail.last()?)
}

/// Whether an instruction changes nothing but general registers, and goes nowhere but to where
/// `starts` says an instruction starts, further on.
fn is_harmless(instruction: &Instruction, starts: &dyn Fn(u64) -> bool) -> bool {
    match instruction.flow_control() {
        FlowControl::Return => instruction.op_count() == 0,
        FlowControl::ConditionalBranch | FlowControl::UnconditionalBranch => {
            let target = instruction.near_branch_target();
            instruction.op0_kind() == OpKind::NearBranch64
                && target > instruction.ip()
                && starts(target)
        }
        FlowControl::Next => is_plain(instruction),
        _ => false,
    }
}

/// Whether an instruction computes with general registers and constants, and leaves the stack
/// alone.
fn is_plain(instruction: &Instruction) -> bool {
    use Mnemonic::{Cmp, Mov, Neg, Nop, Test, Xor};

    let known = matches!(instruction.mnemonic(), Mov | Cmp | Neg | Xor | Test | Nop);
    let operand = |at: u32| match instruction.op_kind(at) {
        OpKind::Register => {
            let register = instruction.op_register(at);
            register.is_gpr() && register.full_register() != Register::RSP
        }
        OpKind::Memory => instruction.mnemonic() == Nop,
        _ => true,
    };
    known && (0..instruction.op_count()).all(operand)
}

/// `mov eax, NUMBER`.
fn sets_number(instruction: &Instruction, number: u64) -> bool {
    instruction.mnemonic() == Mnemonic::Mov
        && instruction.op0_kind() == OpKind::Register
        && instruction.op0_register().full_register() == Register::RAX
        && is_immediate(instruction.op1_kind())
        && instruction.immediate(1) == number
}

fn is_immediate(kind: OpKind) -> bool {
    matches!(
        kind,
        OpKind::Immediate32 | OpKind::Immediate64 | OpKind::Immediate32to64
    )
}

fn is_syscall(instruction: &Instruction) -> bool {
    instruction.mnemonic() == Mnemonic::Syscall
}

/// The function starts with the call.
fn sigreturn(code: &Code) -> Option<CodePiece> {
    let [number, call, ..] = code.instructions.as_slice() else {
        return None;
    };
    (sets_number(number, RT_SIGRETURN) && is_syscall(call)).then_some(())?;
    code.piece(number, call)
}

/// `mov edi, [rsp+8]; mov eax, 231; syscall`, at the start of the function.
fn exit(code: &Code) -> Option<CodePiece> {
    let [load, number, call, ..] = code.instructions.as_slice() else {
        return None;
    };
    let loads = load.mnemonic() == Mnemonic::Mov
        && load.op0_kind() == OpKind::Register
        && load.op0_register() == Register::EDI
        && load.op1_kind() == OpKind::Memory
        && load.memory_base() == Register::RSP
        && load.memory_index() == Register::None
        && load.memory_displacement64() == 8;
    (loads && sets_number(number, EXIT_GROUP) && is_syscall(call)).then_some(())?;
    code.piece(load, call)
}

/// `mov eax, NUMBER; syscall`, anywhere.
fn wait(code: &Code, number: u64) -> Option<CodePiece> {
    code.instructions.windows(2).find_map(|pair| {
        let [sets, call] = pair else { return None };
        (sets_number(sets, number) && is_syscall(call)).then_some(())?;
        code.piece(sets, call)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn code(bytes: &[u8]) -> Code {
        Code::new(Addr(0x1000), bytes.to_vec())
    }

    /// `syscall; cmp rax, -4095; jbe +; neg rax; ret; ret`, with something in place of the `neg`.
    fn tail(middle: &[u8]) -> Vec<u8> {
        let mut bytes = vec![0x90, 0x0f, 0x05, 0x48, 0x3d, 0x01, 0xf0, 0xff, 0xff];
        bytes.extend([0x76, u8::try_from(middle.len() + 1).unwrap()]);
        bytes.extend(middle);
        bytes.extend([0xc3, 0xc3, 0xcc, 0xcc]);
        bytes
    }

    #[test]
    fn a_tail_of_registers_is_taken_up_to_its_last_return() {
        let bytes = tail(&[0x48, 0xf7, 0xd8]);
        let piece = syscall_ret(&code(&bytes)).unwrap();
        assert_eq!(piece.addr, Addr(0x1001));
        assert_eq!(piece.bytes, bytes[1..bytes.len() - 2]);
    }

    #[test]
    fn a_tail_that_does_more_is_not() {
        for (what, middle) in [
            ("stores", &[0x48, 0x89, 0x03][..]),
            ("pushes", &[0x50]),
            ("moves the stack", &[0x48, 0x89, 0xc4]),
            ("calls", &[0xe8, 0, 0, 0, 0]),
            ("jumps away", &[0xeb, 0x70]),
            ("jumps back", &[0xeb, 0xf0]),
            ("traps", &[0xcc]),
            ("a vector", &[0x0f, 0x57, 0xc0]),
            ("calls again", &[0x0f, 0x05]),
        ] {
            assert_eq!(syscall_ret(&code(&tail(middle))), None, "{what}");
        }
        assert_eq!(syscall_ret(&code(&[0x0f, 0x05])), None, "no return");
        assert_eq!(syscall_ret(&code(&[])), None);
    }

    #[test]
    fn numbers_and_places_are_checked() {
        let sigreturn_bytes = [0x48, 0xc7, 0xc0, 15, 0, 0, 0, 0x0f, 0x05, 0xcc];
        let piece = sigreturn(&code(&sigreturn_bytes)).unwrap();
        assert_eq!(piece.bytes, sigreturn_bytes[..9]);
        assert_eq!(sigreturn(&code(&[0xb8, 14, 0, 0, 0, 0x0f, 0x05])), None);
        let exits = |at| [0x8b, 0x7c, 0x24, at, 0xb8, 231, 0, 0, 0, 0x0f, 0x05];
        assert!(exit(&code(&exits(8))).is_some());
        assert_eq!(exit(&code(&exits(16))), None);
        let waits = [0x90, 0xb8, 202, 0, 0, 0, 0x0f, 0x05, 0xc3];
        assert_eq!(wait(&code(&waits), FUTEX).unwrap().addr, Addr(0x1001));
        assert_eq!(wait(&code(&waits), NANOSLEEP), None);
    }
}
