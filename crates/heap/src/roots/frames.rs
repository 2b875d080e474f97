//! [`Frames`]: what is known of the code at an address, each looked up once.
//!
//! A program with 100,000 goroutines has them in a few hundred places.
//!
//! Source: src/runtime/traceback.go, `resolveInternal`; stkframe.go, `getStackMap`; go1.19 to
//! go1.27.

use std::rc::Rc;

use letgo_target::{Addr, Coverage};
use rustc_hash::FxHashMap;

use super::stack_maps::{self, PointerMap, StackObject};
use crate::program::Program;

/// Functions that the runtime treats in a way of their own.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Special {
    /// Nothing about it.
    None,
    /// Preempted its caller at any instruction: it and its caller have no map.
    Preempts,
    /// Its caller trapped.
    Trap,
    /// Arguments are of the call that was made through it.
    Reflect,
    /// Moves the stack pointer, and can be unwound all the same.
    CgoCallback,
    /// Takes the semaphore of a `sync.Mutex` or `sync.RWMutex`.
    Mutex,
    /// Waits for a `sync.WaitGroup`.
    WaitGroup,
    /// Waits for a `sync.Cond`.
    Cond,
    /// Of a thread that looks for a goroutine to run, or waits for one.
    Idle,
    /// Came to the scheduler's stack, which ends here.
    Switch,
}

/// Where threads are that have nothing to do, beside the waiting itself: up to the kernel.
///
/// Source: src/runtime/proc.go, `schedule`, `findRunnable`, `stopm`, `sysmon`; lock_futex.go;
/// os_linux.go; go1.19 to go1.27.
const IDLE: [&str; 36] = [
    "runtime.asyncPreempt2.func1",
    "runtime.epollwait",
    "runtime.exitsyscall0",
    "runtime.exitsyscallNoP",
    "runtime.findRunnable",
    "runtime.findrunnable",
    "runtime.futex",
    "runtime.futex.abi0",
    "runtime.futexsleep",
    "runtime.gcstopm",
    "runtime.goexit0",
    "runtime.goschedImpl",
    "runtime.gosched_m",
    "runtime.gopreempt_m",
    "runtime.goyield_m",
    "runtime.mPark",
    "runtime.mstart0",
    "runtime.mstart1",
    "runtime.newstack",
    "runtime.netpoll",
    "runtime.notesleep",
    "runtime.notetsleep",
    "runtime.notetsleep_internal",
    "runtime.osyield",
    "runtime.park_m",
    "runtime.preemptPark",
    "runtime.schedule",
    "runtime.startlockedm",
    "runtime.stoplockedm",
    "runtime.stopm",
    "runtime.sysmon",
    "runtime.usleep",
    "runtime.usleep.abi0",
    "runtime/internal/syscall.EpollWait",
    "internal/runtime/syscall.EpollWait",
    "internal/runtime/syscall/linux.EpollWait",
];

impl Special {
    fn of(name: &str) -> Special {
        match name {
            "runtime.asyncPreempt" | "runtime.asyncPreempt.abi0" => Special::Preempts,
            name if name.starts_with("runtime.debugCallV") => Special::Preempts,
            "runtime.sigpanic" | "runtime.sigpanic0" => Special::Trap,
            "reflect.makeFuncStub" | "reflect.methodValueCall" => Special::Reflect,
            "runtime.cgocallback" => Special::CgoCallback,
            "sync.runtime_SemacquireMutex" => Special::Mutex,
            "sync.(*WaitGroup).Wait" => Special::WaitGroup,
            "sync.(*Cond).Wait" => Special::Cond,
            "runtime.mcall" | "runtime.mstart" | "runtime.morestack" => Special::Switch,
            name if IDLE.contains(&name) || name.ends_with(".Syscall6") => Special::Idle,
            _ => Special::None,
        }
    }
}

/// What is known of the code at an address.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(super) struct Code {
    pub(super) special: Special,
    /// Bytes between the stack pointer and the return address; absent where no table tells.
    pub(super) size: Option<u32>,
    pub(super) is_top: bool,
    pub(super) writes_sp: bool,
    /// Bytes of arguments, 0 where they are not known.
    pub(super) args_len: u32,
    /// Whether it goes on from here; else nothing of it is live.
    pub(super) lives: bool,
    /// Whether its maps could be read.
    pub(super) has_maps: bool,
    pub(super) args: PointerMap,
    pub(super) locals: PointerMap,
    pub(super) objects: Vec<StackObject>,
}

/// Code by address.
pub(super) struct Frames<'a> {
    program: &'a Program<'a>,
    /// `moduledata.gofunc` and `moduledata.rodata` of the executable.
    gofunc: Addr,
    rodata: Addr,
    known: FxHashMap<(Addr, bool), Option<Rc<Code>>>,
    pub(super) coverage: Coverage,
}

impl<'a> Frames<'a> {
    pub(super) fn new(program: &'a Program<'a>) -> Frames<'a> {
        let fields = &program.layout().moduledata;
        let module = program.runtime.moduledata();
        let field = |member| program.field(module, member).map_or(Addr::NULL, Addr);
        Frames {
            program,
            gofunc: field(fields.gofunc),
            rodata: field(fields.rodata),
            known: FxHashMap::default(),
            coverage: Coverage::default(),
        }
    }

    /// The code at `pc`; nothing outside of Go code. `trapped` says that it did not call what is
    /// below it, but trapped.
    pub(super) fn at(&mut self, pc: Addr, trapped: bool) -> Option<Rc<Code>> {
        if let Some(known) = self.known.get(&(pc, trapped)) {
            return known.clone();
        }
        let code = self.look_up(pc, trapped).map(Rc::new);
        self.known.insert((pc, trapped), code.clone());
        code
    }

    fn look_up(&mut self, pc: Addr, trapped: bool) -> Option<Code> {
        // A call may be the last instruction of a module's code.
        let module = self.program.module(Addr(pc.0.wrapping_sub(1)));
        let (gofunc, rodata) = module.maps.unwrap_or((self.gofunc, self.rodata));
        let link_time = module.link_time(pc);
        let functions = module.functions;
        let found = |live: Addr| functions.frame_at(link_time, live).ok().flatten();
        let mut frame = found(Addr(link_time.0.wrapping_sub(1)))?;
        let mut lives = true;
        if trapped {
            lives = frame.defer_return != 0;
            frame = found(frame.entry.add(u64::from(frame.defer_return)))?;
        }
        let special = Special::of(&frame.name);
        let mut code = Code {
            special,
            size: frame.size,
            is_top: frame.is_top,
            writes_sp: frame.writes_sp,
            args_len: frame.args.unwrap_or(0),
            lives,
            has_maps: true,
            args: PointerMap::default(),
            locals: PointerMap::default(),
            objects: Vec::new(),
        };
        let number = frame.stack_map.unwrap_or(0);
        let map = |offset: u32| stack_maps::map(self.program, gofunc, offset, number);
        let mut read = |found: Option<Option<PointerMap>>| match found {
            Some(None) => {
                code.has_maps = false;
                PointerMap::default()
            }
            found => found.flatten().unwrap_or_default(),
        };
        let locals = read(frame.locals_maps.map(map));
        let mut args = read(frame.args_maps.filter(|_| code.args_len > 0).map(map));
        // A map may be longer than what the function takes.
        args.words = args.words.min(code.args_len / 8);
        (code.locals, code.args) = (locals, args);
        if let Some(offset) = frame.stack_objects {
            let found = stack_maps::objects(self.program, gofunc, rodata, offset);
            code.has_maps &= found.is_some();
            code.objects = found.unwrap_or_default();
        }
        if !code.has_maps {
            let why = "it cannot be read; the frame was taken word by word";
            self.coverage.skip("stack map", why);
        }
        Some(code)
    }
}
