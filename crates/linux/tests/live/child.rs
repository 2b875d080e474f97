//! [`Child`]: a process of ours in a given shape.

use std::collections::HashMap;
use std::ffi::OsStr;
use std::io::{BufRead, BufReader, Write};
use std::path::Path;
use std::process::{ChildStdin, ChildStdout, Command, Stdio};
use std::time::{Duration, Instant};

use letgo_linux::{LiveMemory, Process};
use letgo_target::{Addr, read_u64};

use crate::shapes;

/// Names the shape in a child's environment.
const SHAPE: &str = "LETGO_LINUX_SHAPE";

/// Where a child starts. In the parent it does nothing.
#[test]
fn child() {
    if let Ok(shape) = std::env::var(SHAPE) {
        shapes::run(&shape);
        std::process::exit(0);
    }
}

/// Where a watchdog of a child starts. In the parent it does nothing.
#[test]
fn watchdog() {
    if let Ok(shape) = std::env::var(SHAPE) {
        crate::protocol::watch(&shape);
        std::process::exit(0);
    }
}

/// A process in a shape, killed when dropped.
pub(crate) struct Child {
    process: std::process::Child,
    stdin: Option<ChildStdin>,
    lines: BufReader<ChildStdout>,
    /// What it said of itself: `ready key=value ...`.
    pub(crate) said: HashMap<String, u64>,
}

/// A command that starts this binary, or a copy of it, in a shape.
pub(crate) fn command(exe: impl AsRef<OsStr>, shape: &str) -> Command {
    let mut command = Command::new(exe);
    command
        .args(["--exact", "child::child", "--nocapture", "--test-threads=1"])
        .env(SHAPE, shape)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped());
    command
}

impl Child {
    /// Starts a child and waits until it is ready.
    pub(crate) fn start(shape: &str) -> Child {
        Child::spawn(&mut command(std::env::current_exe().unwrap(), shape))
    }

    /// Starts `command` and waits until it is ready.
    pub(crate) fn spawn(command: &mut Command) -> Child {
        let mut process = command.spawn().unwrap();
        let mut child = Child {
            stdin: process.stdin.take(),
            lines: BufReader::new(process.stdout.take().unwrap()),
            process,
            said: HashMap::new(),
        };
        let ready = child.line("ready");
        child.said = ready
            .split_whitespace()
            .filter_map(|word| word.split_once('='))
            .map(|(key, value)| (key.to_owned(), value.parse().unwrap()))
            .collect();
        child
    }

    /// The rest of its next line that starts with `first`.
    pub(crate) fn line(&mut self, first: &str) -> String {
        loop {
            let mut line = String::new();
            let len = self.lines.read_line(&mut line).unwrap();
            assert!(len > 0, "the child ended before it said `{first}`");
            if let Some(rest) = line.trim_end().strip_prefix(first) {
                return rest.trim().to_owned();
            }
        }
    }

    /// Writes a line to it.
    pub(crate) fn tell(&mut self, line: &str) {
        let stdin = self.stdin.as_mut().unwrap();
        writeln!(stdin, "{line}").unwrap();
        stdin.flush().unwrap();
    }

    pub(crate) fn pid(&self) -> u32 {
        self.process.id()
    }

    pub(crate) fn open(&self) -> Process {
        Process::open(self.pid()).unwrap()
    }

    pub(crate) fn memory(&self) -> LiveMemory {
        LiveMemory::new(&self.open()).unwrap()
    }

    pub(crate) fn address(&self, key: &str) -> Addr {
        Addr(self.said[key])
    }

    /// Sends it a signal.
    pub(crate) fn signal(&self, signal: i32) {
        // SAFETY: the process is a child of ours that was not waited for.
        let answer = unsafe { nix::libc::kill(self.process.id().cast_signed(), signal) };
        assert_eq!(answer, 0);
    }

    /// Waits for its end, and answers the signal that ended it.
    pub(crate) fn wait(&mut self) -> Option<i32> {
        self.stdin = None;
        let status = self.process.wait().unwrap();
        std::os::unix::process::ExitStatusExt::signal(&status)
    }

    /// Sends it a signal that ends it, and waits until it has; its input stays open, so that it
    /// does not end by itself. Answers which signal ended it.
    pub(crate) fn end_by(&mut self, signal: i32) -> Option<i32> {
        self.signal(signal);
        until("its end", || self.process.try_wait().unwrap().is_some());
        self.wait()
    }

    /// Kills it, and waits for it.
    pub(crate) fn kill(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }

    /// Kills it, and does not wait: it becomes a zombie.
    pub(crate) fn kill_only(&mut self) {
        self.process.kill().unwrap();
        let file = format!("/proc/{}/stat", self.pid());
        until("a zombie", || {
            std::fs::read_to_string(&file).unwrap().contains(") Z ")
        });
    }
}

impl Drop for Child {
    fn drop(&mut self) {
        self.kill();
    }
}

/// Waits until `done`, for at most 20 seconds.
pub(crate) fn until(what: &str, mut done: impl FnMut() -> bool) {
    let end = Instant::now() + Duration::from_secs(20);
    while !done() {
        assert!(Instant::now() < end, "{what} did not come to pass");
        std::thread::sleep(Duration::from_millis(1));
    }
}

/// Whether a counter in the child changes within 50 milliseconds.
pub(crate) fn counts(memory: &LiveMemory, counter: Addr) -> bool {
    let before = read_u64(memory, counter).unwrap();
    std::thread::sleep(Duration::from_millis(50));
    read_u64(memory, counter).unwrap() != before
}

/// Waits until a counter in the child changes.
pub(crate) fn resumes(memory: &LiveMemory, counter: Addr) {
    until("counting", || counts(memory, counter));
}

/// A copy of this binary that anybody may run, removed when dropped.
pub(crate) struct Copy(pub(crate) std::path::PathBuf);

impl Copy {
    pub(crate) fn new(name: &str) -> Copy {
        let dir = std::env::temp_dir().join(format!("letgo-{}-{name}", std::process::id()));
        std::fs::create_dir_all(&dir).unwrap();
        let path = dir.join(name);
        // By another process: what we had open for writing, a child that another test starts at
        // that moment would have open too, and the kernel would not run it.
        let from = std::env::current_exe().unwrap();
        let status = Command::new("cp").arg(from).arg(&path).status().unwrap();
        assert!(status.success());
        Copy(path)
    }

    pub(crate) fn path(&self) -> &Path {
        &self.0
    }
}

impl Drop for Copy {
    fn drop(&mut self) {
        let _ = std::fs::remove_file(&self.0);
        let _ = self.0.parent().map(std::fs::remove_dir);
    }
}
