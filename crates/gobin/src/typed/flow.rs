//! [`Flow`]: follows what one function's registers and stack slots hold, and notes what that says
//! of variables.
//!
//! The code is walked in order of address; where ways meet, what they agree on is kept. Ways back
//! make it walk again until nothing changes, so a fact is one on every way that was seen. Indirect
//! jumps lead to code that knows nothing.
//!
//! What the compiler relies on is relied on: a slot that it reads holds what it stored. Slots that
//! the function takes the address of are forgotten at calls.
//!
//! Source: src/cmd/compile/abi-internal.md, amd64 architecture.

use iced_x86::{Instruction, InstructionInfoFactory, Mnemonic, OpAccess, OpKind, Register};
use letgo_target::{Addr, AddrRange};
use rustc_hash::FxHashMap;

use super::callees::{ARGUMENTS, Callee, Callees};
use super::value::{State, Value};
use crate::types::Types;

/// Most walks of one function. Two or three are enough for nearly all.
const MOST_WALKS: usize = 16;
const AX: usize = 0;
const SP: usize = 4;
const R11: usize = 11;
/// Results that are followed.
const RESULTS: u8 = 3;

/// How a value of a type is used.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Use {
    /// As a map of that map type, which is written to or only read.
    Map { ty: u64, written: bool },
    /// As the start of an array of elements of that type.
    Elems(u64),
}

/// Something that code says of a variable. Addresses are link-time ones.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Event {
    /// A word of a variable is given a value.
    Stored { word: u64, value: Value, pc: u64 },
    /// Something is stored into what a word of a variable points to.
    Through { word: u64, pc: u64 },
    /// A value is used as being of a type.
    Used { value: Value, as_: Use, pc: u64 },
    /// A value of that type lies at that address.
    Lies { at: u64, ty: u64 },
    /// An object of that type gets a function for its first word.
    Closure { function: u64, ty: u64 },
}

/// What every function is looked at with.
#[derive(Debug)]
pub(crate) struct Program {
    pub(crate) callees: Callees,
    /// Variables with pointers: data and bss.
    pub(crate) variables: [AddrRange; 2],
    pub(crate) types: Types,
    pub(crate) text: AddrRange,
    /// Where constants may lie.
    pub(crate) constants: Vec<AddrRange>,
}

impl Program {
    pub(crate) fn is_variable(&self, addr: u64) -> bool {
        let [data, bss] = self.variables;
        let addr = Addr(addr);
        data.contains(addr) || bss.contains(addr)
    }

    pub(crate) fn is_constant(&self, addr: u64) -> bool {
        let held = self
            .constants
            .iter()
            .any(|range| range.contains(Addr(addr)));
        held && !self.is_variable(addr)
    }

    /// Whether a constant address is worth following a function for.
    pub(crate) fn is_telling(&self, addr: u64) -> bool {
        self.is_variable(addr) || self.types.range().contains(Addr(addr))
    }
}

/// Where an operand in memory is.
enum Place {
    Variable(u64),
    Frame(i64),
    Through(Value, bool),
    Elsewhere,
}

/// The walk of one function.
pub(crate) struct Flow<'a> {
    program: &'a Program,
    info: &'a mut InstructionInfoFactory,
    /// By target: what all jumps there know.
    joins: FxHashMap<u64, State>,
    state: State,
    /// The lowest offset in the frame whose address is taken.
    taken: Option<i64>,
    /// Whether a jump back lost something that was relied on.
    again: bool,
    /// Whether all that jumps lead to was met.
    met: bool,
    /// Whether something was passed over, since no jump led there so far.
    passed: bool,
    /// A jump goes to where a table says.
    has_table: bool,
    pub(crate) events: Vec<Event>,
    /// What is returned, of all returns.
    pub(crate) returned: Option<[Value; RESULTS as usize]>,
}

impl<'a> Flow<'a> {
    pub(crate) fn new(program: &'a Program, info: &'a mut InstructionInfoFactory) -> Flow<'a> {
        Flow {
            program,
            info,
            joins: FxHashMap::default(),
            state: State::default(),
            taken: None,
            again: false,
            met: false,
            passed: false,
            has_table: false,
            events: Vec::new(),
            returned: None,
        }
    }

    /// Walks a function until nothing changes. One that does not come to rest says nothing.
    ///
    /// What no jump leads to is passed over at first: the end of a loop stands in front of its
    /// start, and nothing is known of it before the jump back was met. What is left then is
    /// reached by tables, or by the runtime (`deferreturn`), and knows nothing.
    pub(crate) fn run(&mut self, code: &[Instruction]) {
        let taken = code.iter().filter(|one| one.mnemonic() == Mnemonic::Lea);
        self.taken = taken
            .filter(|one| number(one.memory_base()) == Some(SP))
            .map(offset)
            .min();
        let goes = |one: &Instruction| one.mnemonic() == Mnemonic::Jmp;
        let mut jumps = code.iter().filter(|one| goes(one));
        self.has_table = jumps.any(|one| one.op0_kind() != OpKind::NearBranch64);
        for _ in 0..MOST_WALKS {
            (self.again, self.passed) = (false, false);
            self.events.clear();
            self.returned = None;
            self.walk(code);
            if !self.again && (self.met || !self.passed) {
                return;
            }
            self.met |= !self.again;
        }
        self.events.clear();
        self.returned = None;
    }

    fn walk(&mut self, code: &[Instruction]) {
        self.state.forget();
        let mut falls = true;
        for one in code {
            if let Some(join) = self.joins.get(&one.ip()) {
                match falls {
                    true => drop(self.state.merge(join)),
                    false => self.state.clone_from(join),
                }
            } else if !falls {
                let pads = matches!(one.mnemonic(), Mnemonic::Nop | Mnemonic::Int3);
                if pads && !self.has_table {
                    continue;
                }
                if !self.met {
                    self.passed = true;
                    continue;
                }
                self.state.forget();
            }
            falls = self.step(one);
        }
    }

    /// One instruction; whether the next one follows it.
    fn step(&mut self, one: &Instruction) -> bool {
        match one.mnemonic() {
            Mnemonic::Mov => self.mov(one),
            Mnemonic::Lea => self.lea(one),
            Mnemonic::Call => return self.call(one),
            Mnemonic::Jmp => {
                self.jump(one);
                return false;
            }
            Mnemonic::Ret => {
                self.ret();
                return false;
            }
            Mnemonic::Ud2 | Mnemonic::Int3 => return false,
            Mnemonic::Cmp | Mnemonic::Test | Mnemonic::Nop | Mnemonic::Bt => {}
            Mnemonic::Xor if one.op0_kind() == OpKind::Register && same(one) => {
                self.set(one.op0_register(), Value::Zero);
            }
            Mnemonic::Xchg => self.exchange(one, one.op1_register()),
            Mnemonic::Cmpxchg => {
                self.exchange(one, one.op1_register());
                self.state.set(AX, Value::Unknown);
            }
            _ if one.is_jcc_short_or_near() => self.jump(one),
            _ => self.other(one),
        }
        true
    }

    fn mov(&mut self, one: &Instruction) {
        let value = match one.op1_kind() {
            OpKind::Register => match one.op1_register() {
                register if register.is_gpr64() => self.get(register),
                _ => Value::Unknown,
            },
            OpKind::Memory if one.op0_register().is_gpr64() => self.load(one),
            OpKind::Memory => Value::Unknown,
            _ => match one.immediate(1) {
                0 => Value::Zero,
                number if one.op0_kind() == OpKind::Memory || number >> 31 == 0 => {
                    Value::Number(number)
                }
                _ => Value::Unknown,
            },
        };
        if one.op0_kind() == OpKind::Memory {
            let whole = one.memory_size().size() == 8;
            self.store(one, if whole { value } else { Value::Unknown });
            return;
        }
        // A 32-bit move of a register or of memory says nothing of a pointer.
        let register = one.op0_register();
        let narrow = register.is_gpr32() && one.op1_kind() == OpKind::Register;
        let tiny = !register.is_gpr64() && !register.is_gpr32();
        self.set(
            register,
            if narrow || tiny {
                Value::Unknown
            } else {
                value
            },
        );
    }

    fn lea(&mut self, one: &Instruction) {
        let value = if one.is_ip_rel_memory_operand() {
            Value::Address(one.ip_rel_memory_address())
        } else if one.memory_index() == Register::None {
            match (self.get(one.memory_base()), offset(one)) {
                (Value::Address(base), offset) => Value::Address(base.wrapping_add_signed(offset)),
                (known, 0) => known,
                _ => Value::Unknown,
            }
        } else {
            Value::Unknown
        };
        let wide = one.op0_register().is_gpr64();
        self.set(
            one.op0_register(),
            if wide { value } else { Value::Unknown },
        );
    }

    fn place(&self, one: &Instruction) -> Place {
        if one.is_ip_rel_memory_operand() {
            let addr = one.ip_rel_memory_address();
            return match self.program.is_variable(addr) {
                true => Place::Variable(addr),
                false => Place::Elsewhere,
            };
        }
        if one.segment_prefix() != Register::None {
            return Place::Elsewhere;
        }
        let plain = one.memory_index() == Register::None;
        if number(one.memory_base()) == Some(SP) {
            return match plain {
                true => Place::Frame(offset(one)),
                false => Place::Elsewhere,
            };
        }
        match self.get(one.memory_base()) {
            Value::Address(base) if plain => {
                let addr = base.wrapping_add_signed(offset(one));
                match self.program.is_variable(addr) {
                    true => Place::Variable(addr),
                    false => Place::Elsewhere,
                }
            }
            Value::Unknown => Place::Elsewhere,
            value => Place::Through(value, plain && offset(one) == 0),
        }
    }

    fn load(&self, one: &Instruction) -> Value {
        match self.place(one) {
            Place::Variable(word) if word % 8 == 0 => Value::Loaded(word),
            Place::Frame(offset) => self.state.slot(offset),
            _ => Value::Unknown,
        }
    }

    fn store(&mut self, one: &Instruction, value: Value) {
        let len = one.memory_size().size();
        let pc = one.ip();
        match self.place(one) {
            Place::Variable(word) if len == 8 && word % 8 == 0 => {
                self.events.push(Event::Stored { word, value, pc });
            }
            Place::Frame(offset) if len == 8 => self.state.set_slot(offset, value),
            Place::Frame(offset) => {
                let len = i64::try_from(len).unwrap_or(i64::MAX);
                self.state.forget_slots(offset, len);
            }
            Place::Through(Value::Loaded(word), _) => self.events.push(Event::Through { word, pc }),
            Place::Through(Value::New(ty), true) => {
                if let Value::Address(function) = value
                    && self.program.text.contains(Addr(function))
                {
                    self.events.push(Event::Closure { function, ty });
                }
            }
            Place::Variable(_) | Place::Through(..) | Place::Elsewhere => {}
        }
    }

    /// An atomic exchange of memory and a register, which then holds what memory held.
    fn exchange(&mut self, one: &Instruction, register: Register) {
        if one.op0_kind() == OpKind::Memory {
            let value = self.get(register);
            let whole = one.memory_size().size() == 8;
            self.store(one, if whole { value } else { Value::Unknown });
        } else {
            self.set(one.op0_register(), Value::Unknown);
        }
        if one.mnemonic() == Mnemonic::Xchg {
            self.set(register, Value::Unknown);
        }
    }

    fn other(&mut self, one: &Instruction) {
        let info = self.info.info(one);
        let writes = |access: OpAccess| {
            matches!(
                access,
                OpAccess::Write
                    | OpAccess::CondWrite
                    | OpAccess::ReadWrite
                    | OpAccess::ReadCondWrite
            )
        };
        for used in info.used_registers() {
            if !writes(used.access()) {
                continue;
            }
            let Some(number) = number(used.register()) else {
                continue;
            };
            self.state.set(number, Value::Unknown);
            if number == SP {
                self.state.forget_frame();
            }
        }
        let stores = info
            .used_memory()
            .iter()
            .any(|memory| writes(memory.access()));
        if stores && one.op0_kind() == OpKind::Memory {
            self.store(one, Value::Unknown);
        } else if stores && let Some(taken) = self.taken {
            // A string instruction, by pointers.
            self.state.forget_slots_from(taken);
        }
    }

    fn jump(&mut self, one: &Instruction) {
        if one.op0_kind() != OpKind::NearBranch64 {
            return;
        }
        let target = one.near_branch_target();
        let back = target <= one.ip();
        match self.joins.get_mut(&target) {
            Some(join) => self.again |= join.merge(&self.state) && back,
            None => {
                self.joins.insert(target, self.state.clone());
                self.again |= back;
            }
        }
    }

    fn ret(&mut self) {
        let mut results = [0, 1, 2].map(|index| self.argument(index));
        if let Some(others) = self.returned {
            for (own, other) in results.iter_mut().zip(others) {
                let mut one = State::default();
                one.set(AX, *own);
                let mut two = State::default();
                two.set(AX, other);
                one.merge(&two);
                *own = one.register(AX);
            }
        }
        self.returned = Some(results);
    }

    /// A call; whether it comes back.
    fn call(&mut self, one: &Instruction) -> bool {
        let direct = one.op0_kind() == OpKind::NearBranch64;
        let target = direct.then(|| one.near_branch_target());
        let callee = target.and_then(|entry| self.program.callees.at(entry));
        match callee {
            Some(Callee::Barrier) => {
                self.state.set(R11, Value::Unknown);
                return true;
            }
            Some(Callee::Panics) => return false,
            _ => {}
        }
        if let Some(callee) = callee {
            self.note(callee, one.ip());
        }
        let result = match callee {
            Some(Callee::MakeSmallMap) => Value::Made(one.next_ip()),
            Some(callee) => self.made(callee),
            None => Value::Unknown,
        };
        self.state.forget_registers();
        if let Some(taken) = self.taken {
            self.state.forget_slots_from(taken);
        }
        if callee.is_some() {
            self.state.set(AX, result);
        } else if let Some(entry) = target {
            for (number, register) in (0..RESULTS).zip(ARGUMENTS) {
                self.state.set(register, Value::Result(entry, number));
            }
        }
        true
    }

    /// What a call of the runtime makes.
    fn made(&self, callee: Callee) -> Value {
        let ty = |index| match self.argument(index) {
            Value::Address(ty) => Some(ty),
            _ => None,
        };
        let made = match callee {
            Callee::NewObject => ty(0).map(Value::New),
            Callee::Malloc => ty(1).map(|ty| {
                let size = self.program.types.at(Addr(ty)).map(|ty| ty.size);
                match (self.argument(0), size) {
                    (Value::Number(asked), Some(size)) if asked == size => Value::New(ty),
                    _ => Value::Elems(ty),
                }
            }),
            Callee::MakeSlice => ty(0).map(Value::Elems),
            Callee::GrowSlice { elem, .. } => ty(elem).map(Value::Elems),
            Callee::MakeMap => ty(0).map(Value::Map),
            Callee::MakeChan => ty(0).map(Value::Chan),
            Callee::Text => Some(Value::Text),
            _ => None,
        };
        made.unwrap_or_default()
    }

    /// What the arguments of a call of the runtime say.
    fn note(&mut self, callee: Callee, pc: u64) {
        let (argument, uses): (usize, &[usize]) = match callee {
            Callee::ReadMap | Callee::WriteMap | Callee::UnsafeSlice => (0, &[1]),
            Callee::GrowSlice { elem, old } => (elem, &[old]),
            Callee::CopySlice => (0, &[1, 3]),
            Callee::Value { pointers: 1 } => (0, &[1]),
            Callee::Value { .. } => (0, &[1, 2]),
            Callee::StorePointer { value } => {
                if let Value::Address(word) = self.argument(0)
                    && self.program.is_variable(word)
                {
                    let value = self.argument(value);
                    self.events.push(Event::Stored { word, value, pc });
                }
                return;
            }
            _ => return,
        };
        let Value::Address(ty) = self.argument(argument) else {
            return;
        };
        for used in uses {
            let event = match (callee, self.argument(*used)) {
                (Callee::Value { .. }, Value::Address(at)) => Event::Lies { at, ty },
                (Callee::Value { .. }, _) | (_, Value::Unknown | Value::Zero) => continue,
                (Callee::ReadMap | Callee::WriteMap, value) => {
                    let written = callee == Callee::WriteMap;
                    let as_ = Use::Map { ty, written };
                    Event::Used { value, as_, pc }
                }
                (_, value) => {
                    let as_ = Use::Elems(ty);
                    Event::Used { value, as_, pc }
                }
            };
            self.events.push(event);
        }
    }

    fn argument(&self, index: usize) -> Value {
        let register = ARGUMENTS.get(index).copied();
        register.map_or(Value::Unknown, |register| self.state.register(register))
    }

    fn get(&self, register: Register) -> Value {
        number(register).map_or(Value::Unknown, |number| self.state.register(number))
    }

    fn set(&mut self, register: Register, value: Value) {
        match number(register) {
            Some(SP) => self.state.forget_frame(),
            Some(number) => self.state.set(number, value),
            None => {}
        }
    }
}

/// The number of a general register's encoding.
fn number(register: Register) -> Option<usize> {
    let whole = register.full_register();
    whole.is_gpr64().then(|| whole.number())
}

fn offset(one: &Instruction) -> i64 {
    one.memory_displacement64().cast_signed()
}

fn same(one: &Instruction) -> bool {
    one.op1_kind() == OpKind::Register && one.op0_register() == one.op1_register()
}

#[cfg(test)]
mod tests;
