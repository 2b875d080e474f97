//! What the instructions of one function say about variables.
//!
//! Go addresses its variables relative to the instruction pointer, in every build mode that keeps
//! them in the image's own data (`-dynlink` and plugins go through the GOT and are not read).
//! Arguments are passed in registers, the first one (a method's receiver) in `RAX`.
//! Decoding is linear and knows no control flow, so what it says is a hint, which
//! [`super::rules`] weighs.
//!
//! Source: src/cmd/compile/abi-internal.md, amd64 architecture.

use iced_x86::{Decoder, DecoderOptions, Instruction, Mnemonic, OpKind, Register};
use letgo_target::Addr;

/// How an instruction uses a variable.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Access {
    /// Reads it.
    Load,
    /// Writes it, or reads and writes it.
    Store,
    /// Stores a constant 0 or other immediate.
    Clear,
    /// Compares it.
    Compare,
    /// Takes its address.
    Address,
}

/// A use of a variable.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct Reference {
    pub(crate) access: Access,
    pub(crate) addr: Addr,
    /// Where the code continues, if this is followed by a jump; else the next instruction.
    continues: u64,
}

/// What one function refers to, in code order.
#[derive(Debug, Default)]
pub(crate) struct Code {
    pub(crate) references: Vec<Reference>,
    /// Callees by entry, each with the variable whose address is the first argument.
    pub(crate) calls: Vec<(Addr, Addr)>,
}

impl Code {
    /// Adds the code of a function at `entry`; only uses of what `is_variable` likes are kept.
    pub(crate) fn add(&mut self, entry: Addr, bytes: &[u8], is_variable: &dyn Fn(Addr) -> bool) {
        let mut decoder = Decoder::with_ip(64, bytes, entry.0, DecoderOptions::NONE);
        let mut instruction = Instruction::default();
        let mut first_argument = None;
        let mut just_referred = false;
        while decoder.can_decode() {
            decoder.decode_out(&mut instruction);
            if just_referred
                && instruction.mnemonic() == Mnemonic::Jmp
                && let Some(last) = self.references.last_mut()
            {
                last.continues = branch_target(&instruction).unwrap_or(last.continues);
            }
            just_referred = false;
            if instruction.is_ip_rel_memory_operand() {
                let addr = Addr(instruction.ip_rel_memory_address());
                if is_variable(addr) {
                    let access = access_of(&instruction);
                    let continues = instruction.next_ip();
                    self.references.push(Reference {
                        access,
                        addr,
                        continues,
                    });
                    just_referred = true;
                }
            }
            if instruction.mnemonic() == Mnemonic::Call {
                let callee = branch_target(&instruction);
                if let Some((callee, argument)) = callee.zip(first_argument.take()) {
                    self.calls.push((Addr(callee), argument));
                }
            } else if instruction.op0_kind() == OpKind::Register
                && instruction.op0_register().full_register() == Register::RAX
            {
                first_argument = self
                    .references
                    .last()
                    .filter(|last| just_referred && last.access == Access::Address)
                    .map(|last| last.addr);
            }
        }
    }

    /// Variables whose addresses are taken in the arms of one switch, all of which continue at
    /// the same place, in code order: `count` of them, or nothing.
    pub(crate) fn arms(&self, count: usize) -> Option<Vec<Addr>> {
        let taken = || {
            self.references
                .iter()
                .filter(|r| r.access == Access::Address)
        };
        let mut found = None;
        for first in taken() {
            let arms: Vec<Addr> = taken()
                .filter(|arm| arm.continues == first.continues)
                .map(|arm| arm.addr)
                .collect();
            if arms.len() == count {
                if found.as_ref().is_some_and(|known| *known != arms) {
                    return None;
                }
                found = Some(arms);
            }
        }
        found
    }
}

fn branch_target(instruction: &Instruction) -> Option<u64> {
    (instruction.op0_kind() == OpKind::NearBranch64).then(|| instruction.near_branch_target())
}

fn access_of(instruction: &Instruction) -> Access {
    match instruction.mnemonic() {
        Mnemonic::Lea => Access::Address,
        Mnemonic::Cmp | Mnemonic::Test => Access::Compare,
        _ if instruction.op0_kind() != OpKind::Memory => Access::Load,
        Mnemonic::Mov if instruction.op1_kind() != OpKind::Register => Access::Clear,
        _ => Access::Store,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn code(bytes: &[u8]) -> Code {
        let mut code = Code::default();
        code.add(Addr(0x1000), bytes, &|addr| addr >= Addr(0x2000));
        code
    }

    fn uses(bytes: &[u8]) -> Vec<(Access, u64)> {
        let code = code(bytes);
        let uses = code.references.iter();
        uses.map(|used| (used.access, used.addr.0)).collect()
    }

    #[test]
    fn every_kind_of_access_is_told_apart() {
        let bytes = [
            0x48, 0x8b, 0x0d, 0xf9, 0x0f, 0, 0, // mov rcx, [rip+0xff9]: 0x2000
            0x48, 0x89, 0x0d, 0xfa, 0x0f, 0, 0, // mov [rip+0xffa], rcx: 0x2008
            0x48, 0xc7, 0x05, 0xf7, 0x0f, 0, 0, 0, 0, 0,
            0, // mov qword [rip+0xff7], 0: 0x2010
            0x83, 0x3d, 0xf8, 0x0f, 0, 0, 0, // cmp dword [rip+0xff8], 0: 0x2018
            0x48, 0x8d, 0x05, 0xf9, 0x0f, 0, 0, // lea rax, [rip+0xff9]: 0x2020
            0x48, 0x8d, 0x05, 0, 0, 0, 0, // lea rax, [rip]: code, not a variable
        ];
        assert_eq!(
            uses(&bytes),
            [
                (Access::Load, 0x2000),
                (Access::Store, 0x2008),
                (Access::Clear, 0x2010),
                (Access::Compare, 0x2018),
                (Access::Address, 0x2020),
            ]
        );
    }

    #[test]
    fn the_first_argument_is_what_rax_holds_at_the_call() {
        let bytes = [
            0x48, 0x8d, 0x05, 0xf9, 0x0f, 0, 0, // lea rax, [0x2000]
            0x31, 0xdb, // xor ebx, ebx
            0xe8, 0xf2, 0x01, 0, 0, // call 0x1200
            0xe8, 0xed, 0x01, 0, 0, // call 0x1200: RAX is its result
            0x48, 0x8d, 0x05, 0xe6, 0x0f, 0, 0, // lea rax, [0x2000]
            0x31, 0xc0, // xor eax, eax
            0xe8, 0xdf, 0x01, 0, 0, // call 0x1200
        ];
        assert_eq!(code(&bytes).calls, [(Addr(0x1200), Addr(0x2000))]);
    }

    #[test]
    fn arms_of_a_switch_continue_at_one_place() {
        let bytes = [
            0x48, 0x8d, 0x05, 0xf9, 0x0f, 0, 0, // lea rax, [0x2000]
            0xeb, 0x10, // jmp 0x1019
            0x48, 0x8d, 0x05, 0xf8, 0x0f, 0, 0, // lea rax, [0x2008]
            0xeb, 0x07, // jmp 0x1019
            0x48, 0x8d, 0x05, 0xf7, 0x0f, 0, 0, // lea rax, [0x2010]
        ];
        let code = code(&bytes);
        let arms = [Addr(0x2000), Addr(0x2008), Addr(0x2010)];
        assert_eq!(code.arms(3), Some(arms.to_vec()));
        assert_eq!(code.arms(2), None);
    }

    #[test]
    fn any_bytes_are_decoded_to_their_end() {
        for byte in 0..=255 {
            code(&[byte; 64]);
        }
        code(&[]);
    }
}
