//! [`scan`]: all functions of a program's text, each looked at once, by all cores.
//!
//! A function that names neither a variable with pointers nor a type is only decoded. The
//! runtime's own functions are passed over: they handle what has no type of its own.

use std::num::NonZero;
use std::thread;

use iced_x86::{Decoder, DecoderOptions, Instruction, InstructionInfoFactory};
use letgo_target::Addr;
use rustc_hash::FxHashMap;

use super::flow::{Event, Flow, Program};
use super::value::Value;

/// Most bytes of a function that is followed; the largest of real programs have 0.5 MB.
const MOST_CODE_BYTES: usize = 1 << 20;
/// Most cores that are used.
const MOST_THREADS: usize = 8;
/// Functions that a thread takes at a time.
const BATCH: usize = 512;

/// What the code of a program says.
#[derive(Debug, Default)]
pub(super) struct Said {
    pub(super) events: Vec<Event>,
    /// What functions return, by entry.
    pub(super) returned: FxHashMap<u64, [Value; 3]>,
}

/// The text, and where functions start in it, in order.
pub(super) struct Text<'a> {
    pub(super) start: Addr,
    pub(super) bytes: &'a [u8],
    pub(super) entries: &'a [Addr],
}

/// Looks at all functions.
pub(super) fn scan(program: &Program, text: &Text<'_>) -> Said {
    let cores = thread::available_parallelism().map_or(1, NonZero::get);
    let threads = cores.clamp(1, MOST_THREADS);
    let batches: Vec<Said> = thread::scope(|scope| {
        let work = |number: usize| {
            scope.spawn(move || {
                let mut worker = Worker::new(program);
                let starts = (0..text.entries.len()).step_by(BATCH);
                for start in starts.skip(number).step_by(threads) {
                    worker.batch(text, start);
                }
                worker.said
            })
        };
        let running: Vec<_> = (0..threads).map(work).collect();
        // A thread that died says nothing; the others do.
        running
            .into_iter()
            .filter_map(|one| one.join().ok())
            .collect()
    });
    let mut said = Said::default();
    for batch in batches {
        said.events.extend(batch.events);
        said.returned.extend(batch.returned);
    }
    said
}

/// Looks at the code of one function, for tests and fuzzing.
pub(super) fn scan_one(program: &Program, entry: Addr, bytes: &[u8]) -> Said {
    let mut worker = Worker::new(program);
    worker.function(entry, bytes);
    worker.said
}

struct Worker<'a> {
    program: &'a Program,
    info: InstructionInfoFactory,
    code: Vec<Instruction>,
    said: Said,
}

impl<'a> Worker<'a> {
    fn new(program: &'a Program) -> Worker<'a> {
        Worker {
            program,
            info: InstructionInfoFactory::new(),
            code: Vec::new(),
            said: Said::default(),
        }
    }

    fn batch(&mut self, text: &Text<'_>, start: usize) {
        let own = text.entries.iter().skip(start).take(BATCH).enumerate();
        for (index, entry) in own {
            let end = text.entries.get(start + index + 1);
            let at = |addr: Addr| usize::try_from(addr.since(text.start)).ok();
            let bytes = at(*entry).and_then(|from| {
                let to = end.and_then(|end| at(*end)).unwrap_or(text.bytes.len());
                text.bytes.get(from..to)
            });
            if let Some(bytes) = bytes
                && bytes.len() <= MOST_CODE_BYTES
                && !self.program.callees.is_runtimes(*entry)
            {
                self.function(*entry, bytes);
            }
        }
    }

    fn function(&mut self, entry: Addr, bytes: &[u8]) {
        let mut decoder = Decoder::with_ip(64, bytes, entry.0, DecoderOptions::NONE);
        self.code.clear();
        let mut telling = false;
        let mut instruction = Instruction::default();
        while decoder.can_decode() {
            decoder.decode_out(&mut instruction);
            telling |= instruction.is_ip_rel_memory_operand()
                && self.program.is_telling(instruction.ip_rel_memory_address());
            self.code.push(instruction);
        }
        if !telling {
            return;
        }
        let mut flow = Flow::new(self.program, &mut self.info);
        flow.run(&self.code);
        self.said.events.append(&mut flow.events);
        if let Some(returned) = flow.returned
            && returned.iter().any(|value| *value != Value::Unknown)
        {
            self.said.returned.insert(entry.0, returned);
        }
    }
}
