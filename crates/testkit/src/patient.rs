//! [`Recipe`] and [`Patient`]: a Go program of `lab/patients`, built, started, talked to.
//!
//! A patient is killed when its guard is dropped and when this process dies (it ties itself to the
//! thread that started it, so all are started by one thread that never ends). Only our own child is
//! ever killed. What letgo makes of it is not known here.

use std::ffi::OsString;
use std::io::{BufRead, BufReader, Write};
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};
use std::sync::mpsc::{Receiver, RecvTimeoutError, Sender, channel};
use std::sync::{Mutex, OnceLock, PoisonError};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, anyhow, bail, ensure};
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;

use crate::{Figures, Kind, Line, NEWEST_GO, cache, thread_states};

/// Longest time that a shape may take to stand, or a command to be done.
const PATIENCE: Duration = Duration::from_secs(120);

/// Variables that change what a Go program does, and that tests must not inherit.
const GO_VARIABLES: &[&str] = &["GOGC", "GOMEMLIMIT", "GODEBUG", "GOMAXPROCS", "GOTRACEBACK"];

/// What to build and how to start it.
#[derive(Clone, Debug)]
pub struct Recipe {
    shape: String,
    version: String,
    kind: Kind,
    args: Vec<OsString>,
    env: Vec<(OsString, OsString)>,
}

impl Recipe {
    /// A shape of `lab/patients`, by the newest Go, built plainly.
    pub fn new(shape: &str) -> Recipe {
        Recipe {
            shape: shape.to_owned(),
            version: NEWEST_GO.to_owned(),
            kind: Kind::plain(),
            args: Vec::new(),
            env: Vec::new(),
        }
    }

    /// Built by that Go, written as in `1.24.13`.
    #[must_use]
    pub fn go(mut self, version: &str) -> Recipe {
        version.clone_into(&mut self.version);
        self
    }

    /// Built in that way.
    #[must_use]
    pub fn kind(mut self, kind: Kind) -> Recipe {
        self.kind = kind;
        self
    }

    /// Started with a further argument, such as `-mib=64`.
    #[must_use]
    pub fn arg(mut self, arg: impl Into<OsString>) -> Recipe {
        self.args.push(arg.into());
        self
    }

    /// Started with a further variable, such as `GOGC`. `GOGC` and its like are not inherited.
    #[must_use]
    pub fn env(mut self, name: impl Into<OsString>, value: impl Into<OsString>) -> Recipe {
        self.env.push((name.into(), value.into()));
        self
    }

    /// The binary, built now unless it is cached.
    ///
    /// # Errors
    /// Where the toolchain is missing or the build fails.
    pub fn build(&self) -> Result<PathBuf> {
        cache::build(&self.shape, &self.version, &self.kind)
    }

    /// Builds it, starts it, and waits until the shape stands.
    ///
    /// # Errors
    /// Where it cannot be built, ends early, or does not say that it is ready.
    pub fn start(&self) -> Result<Patient> {
        let binary = self.build()?;
        self.start_as(&binary)
    }

    /// Like [`Recipe::start`], from another binary (a copy that may be deleted, for example).
    ///
    /// # Errors
    /// Where it ends early or does not say that it is ready.
    pub fn start_as(&self, binary: &Path) -> Result<Patient> {
        let mut command = Command::new(binary);
        command.args(&self.args);
        for name in GO_VARIABLES {
            command.env_remove(name);
        }
        command.envs(self.env.iter().map(|(name, value)| (name, value)));
        Patient::run(command)
    }
}

/// A running patient. Dropping it kills it.
#[derive(Debug)]
pub struct Patient {
    child: Child,
    stdin: ChildStdin,
    lines: Receiver<Line>,
    truth: Figures,
}

impl Patient {
    /// Starts any command that speaks the patients' format, and waits until it is ready.
    ///
    /// # Errors
    /// Where it cannot be started, ends early, or does not say that it is ready.
    pub fn run(mut command: Command) -> Result<Patient> {
        command
            .env("LETGO_PATIENT_TETHER", "1")
            .stdin(Stdio::piped())
            .stdout(Stdio::piped());
        let mut child = spawn(command)?;
        let (stdin, stdout) = child
            .stdin
            .take()
            .zip(child.stdout.take())
            .context("no pipes")?;
        let mut patient = Patient {
            child,
            stdin,
            lines: listen(stdout),
            truth: Figures::default(),
        };
        for line in patient.until("ready")? {
            if line.kind == "truth" {
                patient.truth.merge(line.figures);
            }
        }
        Ok(patient)
    }

    /// Its process id.
    pub fn pid(&self) -> u32 {
        self.child.id()
    }

    /// What the shape said of itself before it was ready.
    pub fn truth(&self) -> &Figures {
        &self.truth
    }

    /// Sends a command and waits until it is done; returns the lines in between.
    ///
    /// # Errors
    /// Where the patient does not know the command, or has ended.
    pub fn command(&mut self, word: &str) -> Result<Vec<Line>> {
        self.send(word)?;
        self.until("done")
    }

    /// Its own `runtime.MemStats`, now, while it runs on.
    ///
    /// # Errors
    /// Where it has ended.
    pub fn memstats(&mut self) -> Result<Figures> {
        let lines = self.command("memstats")?;
        figures_of(lines, "memstats")
    }

    /// Lets it read its `runtime.MemStats` and stop itself as the very next thing.
    ///
    /// Returns the figures, and the live objects by slot size. All threads are stopped (state `T`)
    /// afterwards, until [`Patient::resume`].
    ///
    /// # Errors
    /// Where it has ended.
    pub fn stop(&mut self) -> Result<(Figures, Figures)> {
        self.send("stop")?;
        let lines = self.until("bysize")?;
        let deadline = Instant::now() + PATIENCE;
        while thread_states(self.pid())?.iter().any(|state| *state != 'T') {
            ensure!(Instant::now() < deadline, "the patient does not stop");
            std::thread::sleep(Duration::from_millis(1));
        }
        Ok((
            figures_of(lines.clone(), "memstats")?,
            figures_of(lines, "bysize")?,
        ))
    }

    /// Lets a stopped patient run again, and waits until it does.
    ///
    /// # Errors
    /// Where it has ended.
    pub fn resume(&mut self) -> Result<()> {
        self.signal(Signal::SIGCONT)?;
        self.until("done").map(drop)
    }

    /// Tells it to exit and waits for its end.
    ///
    /// # Errors
    /// Where it has ended before.
    pub fn exit(&mut self) -> Result<()> {
        self.send("exit")?;
        self.child.wait()?;
        Ok(())
    }

    /// Tells it to exit and leaves it as a zombie: nobody waits for it until this is dropped.
    ///
    /// # Errors
    /// Where it does not become one.
    pub fn become_zombie(&mut self) -> Result<()> {
        self.send("exit")?;
        let deadline = Instant::now() + PATIENCE;
        while thread_states(self.pid())? != ['Z'] {
            ensure!(Instant::now() < deadline, "the patient does not exit");
            std::thread::sleep(Duration::from_millis(1));
        }
        Ok(())
    }

    fn send(&mut self, word: &str) -> Result<()> {
        writeln!(self.stdin, "{word}").context("the patient has ended")
    }

    fn signal(&self, signal: Signal) -> Result<()> {
        let pid = i32::try_from(self.pid())?;
        kill(Pid::from_raw(pid), signal).context("the patient has ended")
    }

    /// All lines up to and with the first of `kind`.
    fn until(&mut self, kind: &str) -> Result<Vec<Line>> {
        let deadline = Instant::now() + PATIENCE;
        let mut lines = Vec::new();
        loop {
            let left = deadline.saturating_duration_since(Instant::now());
            let line = self.lines.recv_timeout(left).map_err(|err| match err {
                RecvTimeoutError::Timeout => anyhow!("no {kind} within {PATIENCE:?}"),
                RecvTimeoutError::Disconnected => anyhow!("the patient ended before {kind}"),
            })?;
            let (found, failed) = (line.kind == kind, line.kind == "error");
            lines.push(line);
            if failed {
                bail!("the patient says: {:?}", lines.last());
            }
            if found {
                return Ok(lines);
            }
        }
    }
}

impl Drop for Patient {
    fn drop(&mut self) {
        // Already dead is fine; until it is waited for a child keeps its pid, so no other is hit.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn figures_of(lines: Vec<Line>, kind: &str) -> Result<Figures> {
    let line = lines.into_iter().find(|line| line.kind == kind);
    line.map(|line| line.figures)
        .with_context(|| format!("the patient printed no {kind}"))
}

/// Parses what the patient prints, on a thread of its own; other output goes to standard error.
fn listen(stdout: ChildStdout) -> Receiver<Line> {
    let (sender, receiver) = channel();
    std::thread::spawn(move || {
        for text in BufReader::new(stdout).lines().map_while(Result::ok) {
            match Line::parse(&text) {
                Some(line) => {
                    if sender.send(line).is_err() {
                        return;
                    }
                }
                None => eprintln!("{text}"),
            }
        }
    });
    receiver
}

type Order = (Command, Sender<std::io::Result<Child>>);

/// Starts a command. A file that we wrote ourselves may for a moment be open for writing in a child
/// that another thread is just starting; then the kernel does not run it yet.
fn spawn_when_written(command: &mut Command) -> std::io::Result<Child> {
    for _ in 0..200 {
        match command.spawn() {
            Err(error) if error.kind() == std::io::ErrorKind::ExecutableFileBusy => {
                std::thread::sleep(Duration::from_millis(10));
            }
            started => return started,
        }
    }
    command.spawn()
}

/// Starts a process from a thread that lives as long as we do.
fn spawn(command: Command) -> Result<Child> {
    static SPAWNER: OnceLock<Mutex<Sender<Order>>> = OnceLock::new();
    let spawner = SPAWNER.get_or_init(|| {
        let (sender, orders) = channel::<Order>();
        std::thread::spawn(move || {
            for (mut command, reply) in orders {
                // The asker may have given up; then its child is dropped and dies by its tether.
                let _ = reply.send(spawn_when_written(&mut command));
            }
        });
        Mutex::new(sender)
    });
    let (reply, child) = channel();
    let program = command.get_program().to_owned();
    spawner
        .lock()
        .unwrap_or_else(PoisonError::into_inner)
        .send((command, reply))
        .context("the thread that starts patients has ended")?;
    child
        .recv()?
        .with_context(|| format!("cannot start {}", program.display()))
}
