//! [`Frame`]: how the code at an address uses its stack frame.
//!
//! What unwinding a stack and finding the pointers on it need of the function table: the frame's
//! size at that instruction, which stack map holds there, and where the maps lie. The maps
//! themselves are not read here.
//!
//! Source: src/runtime/symtab.go (funcspdelta, pcdatavalue, funcdata), src/runtime/runtime2.go
//! (type _func), src/internal/abi/symtab.go (numbers), go1.19 to go1.27.

use letgo_target::{Addr, read_u32};

use super::pcvalue::value_at;
use super::{FUNC_BYTES, FUNC_START_LINE, FunctionTable, inside};
use crate::Error;
use crate::bytes::u32_at;

const FUNC_ARGS: usize = 8;
const FUNC_DEFER_RETURN: usize = 12;
const FUNC_PCSP: usize = 16;
pub(super) const FUNC_NPCDATA: usize = 28;
/// `abi.FuncFlagTopFrame`: nothing called it.
const TOP_FRAME: u8 = 1;
/// `abi.FuncFlagSPWrite`: it moves the stack pointer in a way that no table tells.
const WRITES_SP: u8 = 2;
/// `abi.PCDATA_StackMapIndex`
const STACK_MAP_INDEX: u32 = 1;
/// `abi.FUNCDATA_ArgsPointerMaps`
const ARGS_MAPS: u8 = 0;
/// `abi.FUNCDATA_LocalsPointerMaps`
const LOCALS_MAPS: u8 = 1;
/// `abi.FUNCDATA_StackObjects`
const STACK_OBJECTS: u8 = 2;

/// How the code at an address uses its stack frame.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Frame {
    /// The function's first instruction.
    pub entry: Addr,
    /// Its full name.
    pub name: String,
    /// Bytes of arguments and results on the stack; absent where only the call can tell
    /// (`reflect.makeFuncStub` and its like).
    pub args: Option<u32>,
    /// Where deferred functions return to: bytes from the entry, 0 without any.
    pub defer_return: u32,
    /// Whether nothing called it: the stack ends here.
    pub is_top: bool,
    /// Whether it moves the stack pointer in a way that no table tells.
    pub writes_sp: bool,
    /// Bytes between the stack pointer and the return address; absent where no table tells.
    pub size: Option<u32>,
    /// Which of its stack maps holds; absent where none does (before the first call).
    pub stack_map: Option<u32>,
    /// The pointer maps of its arguments: bytes from `moduledata.gofunc`.
    pub args_maps: Option<u32>,
    /// The pointer maps of its locals.
    pub locals_maps: Option<u32>,
    /// The records of its stack objects.
    pub stack_objects: Option<u32>,
}

impl FunctionTable {
    /// The frame of the function whose code holds `pc`; its stack map is the one that holds at
    /// `live`. Absent outside of Go code.
    ///
    /// # Errors
    /// Where its entry cannot be read or leaves its table.
    pub fn frame_at(&self, pc: Addr, live: Addr) -> Result<Option<Frame>, Error> {
        let Some(index) = self.index_of(pc) else {
            return Ok(None);
        };
        let function = self.function(index)?;
        let (_, offset) = self.entry(index)?;
        let bytes = self.func(offset)?;
        let field = |at| u32_at(&bytes, at).unwrap_or_default();
        let value = |table, pc: Addr| {
            value_at(
                &self.image,
                self.module.pctab,
                table,
                pc.since(function.entry),
            )
        };
        let size = value(field(FUNC_PCSP), pc)?;
        let maps = field(FUNC_NPCDATA);
        let stack_map = match maps > STACK_MAP_INDEX && live >= function.entry {
            true => value(self.word(offset, STACK_MAP_INDEX)?, live)?,
            false => None,
        };
        let [flag, data] = self.flag_and_data(&bytes);
        let map = |number: u8| -> Result<Option<u32>, Error> {
            if number >= data {
                return Ok(None);
            }
            let at = maps.saturating_add(u32::from(number));
            Ok(Some(self.word(offset, at)?).filter(|offset| *offset != u32::MAX))
        };
        Ok(Some(Frame {
            entry: function.entry,
            name: function.name,
            args: u32::try_from(field(FUNC_ARGS).cast_signed()).ok(),
            defer_return: field(FUNC_DEFER_RETURN),
            is_top: flag & TOP_FRAME != 0,
            writes_sp: flag & WRITES_SP != 0,
            size: size.and_then(|size| u32::try_from(size).ok()),
            stack_map: stack_map.and_then(|index| u32::try_from(index).ok()),
            args_maps: map(ARGS_MAPS)?,
            locals_maps: map(LOCALS_MAPS)?,
            stack_objects: map(STACK_OBJECTS)?,
        }))
    }

    /// Bytes of `_func` before its numbers of tables.
    fn func_len(&self) -> usize {
        if self.has_start_line {
            FUNC_BYTES
        } else {
            FUNC_START_LINE + 4
        }
    }

    /// `_func.flag` and `_func.nfuncdata`.
    pub(super) fn flag_and_data(&self, bytes: &[u8; FUNC_BYTES]) -> [u8; 2] {
        let end = self.func_len();
        let at = |back: usize| bytes.get(end - back).copied().unwrap_or(0);
        [at(3), at(1)]
    }

    /// A word of the tables behind a `_func`: those of pcdata, then those of funcdata.
    pub(super) fn word(&self, func: u32, number: u32) -> Result<u32, Error> {
        let offset = u64::from(func) + self.func_len() as u64 + 4 * u64::from(number);
        Ok(read_u32(
            &self.image,
            inside(self.module.pclntable, offset, 4)?,
        )?)
    }
}
