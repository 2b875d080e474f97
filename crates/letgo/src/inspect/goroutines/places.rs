//! [`Places`]: where goroutines are, in the program's source.
//!
//! Names are as Go prints them: the arguments of a generic's type are `...`.

use std::hash::Hasher;

use letgo_gobin::{Call, Calls, Error};
use letgo_goruntime::LoadedPlugin;
use letgo_report as out;
use letgo_target::Addr;
use twox_hash::XxHash3_64;

use super::super::Program;
use super::super::c_stacks::CStack;
use super::groups::Group;

/// Where every goroutine's stack begins; it is not shown.
const BOTTOM: &str = "runtime.goexit";
/// What C code calls to call Go code.
const FROM_C: &str = "runtime.cgocallback";
/// Packages that a goroutine waits in on behalf of somebody else.
const SERVING: [&str; 11] = [
    "runtime",
    "sync",
    "time",
    "syscall",
    "os",
    "io",
    "bufio",
    "net",
    "context",
    "reflect",
    "crypto/tls",
];
/// Calls of a stack that are listed, half of them inner ones.
const MOST_FRAMES: usize = 128;

/// Looks places up, each once.
pub(in crate::inspect) struct Places<'a> {
    program: &'a Program,
    calls: Calls<'a>,
    /// Plugins, and what tells the build of each from others.
    builds: Vec<(&'a LoadedPlugin, String)>,
}

impl<'a> Places<'a> {
    /// Of a program whose moduledata keeps `gofunc` at that offset.
    pub(in crate::inspect) fn new(program: &'a Program, gofunc: u32) -> Result<Places<'a>, Error> {
        let mut calls = Calls::new(&program.binary, gofunc)?;
        let mut builds = Vec::new();
        for one in program.plugins.iter() {
            let distance = one.bias.wrapping_sub(program.bias);
            calls.add(&one.plugin, distance, one.link_time(one.gofunc));
            builds.push((one, one.plugin.image.go_build_id().unwrap_or_default()));
        }
        Ok(Places {
            program,
            calls,
            builds,
        })
    }

    fn linked(&self, pc: Addr) -> Addr {
        pc.biased(self.program.bias.wrapping_neg())
    }

    /// The calls of a stack, innermost first, and whether outer ones are missing. Of one that was
    /// not read, the function that it began with.
    pub(in crate::inspect) fn stack(
        &mut self,
        pcs: &[Addr],
        start: Addr,
    ) -> (Vec<out::CallFrame>, bool) {
        let mut linked: Vec<Addr> = pcs.iter().map(|pc| self.linked(*pc)).collect();
        if linked.is_empty() {
            linked.push(self.linked(start));
        }
        let mut calls = self.calls.of_stack(&linked);
        let is_whole = calls.last().is_some_and(|call| call.function == BOTTOM);
        if is_whole && calls.len() > 1 {
            calls.pop();
        }
        (calls.into_iter().map(frame).collect(), !is_whole)
    }

    /// The function that a goroutine which began at `start` was started with: of the compiler's
    /// wrappers what they wrap, where that is known.
    pub(in crate::inspect) fn started_with(&mut self, start: Addr) -> Option<String> {
        let linked = self.linked(start);
        let name = self.calls.started_with(linked).ok().flatten()?;
        Some(printed(&name))
    }

    /// The `go` statement that returns to `pc`.
    pub(in crate::inspect) fn created_by(&mut self, pc: Addr) -> Option<out::Location> {
        if pc.is_null() {
            return None;
        }
        let linked = self.linked(pc);
        let call = self.calls.of_stack(&[linked]).into_iter().next()?;
        let known = !call.function.is_empty();
        known.then(|| place(&frame(call)))
    }

    /// Where to look: the innermost call of the main module, else of any module, else one that
    /// does not wait on behalf of another.
    pub(in crate::inspect) fn location(&self, frames: &[out::CallFrame]) -> Option<out::Location> {
        let first = |wanted: &dyn Fn(&str) -> bool| {
            let mut frames = frames.iter();
            frames.find(|frame| wanted(package(&frame.function)))
        };
        let module = self.program.binary.build.module.as_ref();
        let own = |name: &str| {
            let of_module = |path: &String| {
                let rest = name.strip_prefix(path.as_str());
                rest.is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
            };
            name == "main" || module.is_some_and(|(path, _)| of_module(path))
        };
        let foreign = |name: &str| {
            name.split('/')
                .next()
                .is_some_and(|part| part.contains('.'))
        };
        let served = |name: &str| {
            !SERVING.contains(&name)
                && !["runtime/", "internal/", "sync/", "vendor/"]
                    .iter()
                    .any(|lead| name.starts_with(lead))
        };
        let user = first(&own)
            .or_else(|| first(&foreign))
            .or_else(|| first(&served));
        // The outermost says most where all of them are the runtime's.
        user.or(frames.last()).map(place)
    }

    /// What tells a group from others, in every reading of the same build.
    pub(super) fn id(&self, group: &Group<'_>, status: &str) -> String {
        let mut hash = XxHash3_64::with_seed(0);
        hash.write(status.as_bytes());
        hash.write(group.first.wait_reason.as_bytes());
        let own = [group.first.start_pc, group.first.go_pc];
        for pc in own.iter().chain(group.pcs) {
            let mut plugins = self.builds.iter();
            let linked = match plugins.find(|(plugin, _)| plugin.text.contains(*pc)) {
                // Wherever it was loaded this time.
                Some((plugin, build)) => {
                    hash.write(build.as_bytes());
                    plugin.link_time(*pc)
                }
                None => self.linked(*pc),
            };
            hash.write(&linked.0.to_le_bytes());
        }
        for frame in group.c_stack.into_iter().flat_map(|stack| &stack.frames) {
            hash.write(frame.function.as_bytes());
            hash.write_u8(0);
        }
        format!("{:016x}", hash.finish())
    }
}

fn frame(call: Call) -> out::CallFrame {
    let function = match call.function.as_str() {
        "" => "(not Go code)".to_owned(),
        name => printed(name),
    };
    out::CallFrame {
        gap: function == FROM_C,
        function,
        file: call.file,
        line: call.line,
        inlined: call.inlined,
        object: None,
    }
}

/// The functions of C, innermost first.
pub(super) fn c_frames(stack: &CStack) -> impl Iterator<Item = out::CallFrame> {
    let last = stack.frames.len().saturating_sub(1);
    let frames = stack.frames.iter().enumerate();
    frames.map(move |(number, frame)| {
        let gap = number == last && !stack.is_whole;
        out::CallFrame::of_c(&frame.function, &frame.object, gap)
    })
}

fn place(frame: &out::CallFrame) -> out::Location {
    out::Location {
        function: frame.function.clone(),
        file: frame.file.clone(),
        line: frame.line,
    }
}

/// A function's name as Go prints it. Source: src/runtime/traceback.go, `printFuncName`.
fn printed(name: &str) -> String {
    let bounds = name.find('[').zip(name.rfind(']'));
    let parts = bounds.and_then(|(start, end)| Some((name.get(..=start)?, name.get(end..)?)));
    match parts {
        Some((before, after)) => format!("{before}...{after}"),
        None => name.to_owned(),
    }
}

/// The import path of a function's package.
fn package(function: &str) -> &str {
    let plain = function.split('[').next().unwrap_or(function);
    let last = plain.rfind('/').map_or(0, |at| at + 1);
    let dot = plain.get(last..).and_then(|rest| rest.find('.'));
    dot.and_then(|dot| plain.get(..last + dot)).unwrap_or(plain)
}

/// Leaves out the calls between the innermost and the outermost ones of a long stack: how many.
pub(super) fn shorten(frames: &mut Vec<out::CallFrame>) -> u64 {
    let more = frames.len().saturating_sub(MOST_FRAMES);
    let half = MOST_FRAMES / 2;
    if more > 0 {
        frames.drain(half..half + more);
    }
    more as u64
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn packages_end_at_the_first_dot_behind_the_last_slash() {
        for (function, name) in [
            ("main.main.func1", "main"),
            (
                "example.com/api/queue.(*Worker).loop",
                "example.com/api/queue",
            ),
            ("gopkg.in/yaml%2ev3.(*parser).next", "gopkg.in/yaml%2ev3"),
            ("net/http.(*conn).serve", "net/http"),
            ("main.of[go.shape.struct { example.com/x.A int }]", "main"),
            ("memcpy", "memcpy"),
        ] {
            assert_eq!(package(function), name);
        }
        assert_eq!(printed("main.(*T[go.shape.int]).m"), "main.(*T[...]).m");
        assert_eq!(printed("main.main"), "main.main");
    }
}
