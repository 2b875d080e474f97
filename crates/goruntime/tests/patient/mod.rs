//! A Go program that was built, started, and has stopped itself.

use std::collections::HashMap;
use std::fs;
use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::Mutex;
use std::time::{Duration, Instant};

use letgo_gobin::GoBinary;
use letgo_target::Addr;

use crate::proc::{Opened, ProcMem};

/// How a program is built.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Kind {
    /// `-buildmode=exe`, with symbols and DWARF.
    Exe,
    /// `-buildmode=pie`, with symbols and DWARF.
    Pie,
    /// `-buildmode=exe` with cgo.
    Cgo,
    /// `-buildmode=exe -ldflags='-s -w'`.
    Stripped,
    /// `-buildmode=pie -ldflags='-s -w'`, then `strip -s`.
    PieStripped,
}

impl Kind {
    /// Every kind.
    pub(crate) const ALL: [Kind; 5] = [
        Kind::Exe,
        Kind::Pie,
        Kind::Cgo,
        Kind::Stripped,
        Kind::PieStripped,
    ];

    fn arguments(self) -> &'static [&'static str] {
        match self {
            Kind::Exe => &["-buildmode=exe"],
            Kind::Pie => &["-buildmode=pie"],
            Kind::Cgo => &["-buildmode=exe"],
            Kind::Stripped => &["-buildmode=exe", "-ldflags=-s -w"],
            Kind::PieStripped => &["-buildmode=pie", "-ldflags=-s -w"],
        }
    }
}

/// A Go toolchain and experiments.
#[derive(Clone, Debug)]
pub(crate) struct Toolchain {
    name: String,
    command: PathBuf,
    release: Option<String>,
    experiments: String,
}

/// The toolchains to test with: those of `LETGO_TEST_GO`, else the machine's own.
pub(crate) fn toolchains() -> Vec<Toolchain> {
    let names = std::env::var("LETGO_TEST_GO").unwrap_or_else(|_| "local".to_owned());
    names.split_whitespace().map(toolchain).collect()
}

fn toolchain(name: &str) -> Toolchain {
    let (go, experiments) = name.split_once('+').unwrap_or((name, ""));
    let (command, release) = match go {
        "local" => ("go", None),
        path if path.contains('/') => (path, Some("local".to_owned())),
        release => ("go", Some(release.to_owned())),
    };
    Toolchain {
        name: name.to_owned(),
        command: PathBuf::from(command),
        release,
        experiments: experiments.to_owned(),
    }
}

/// A process that has stopped itself.
pub(crate) struct Patient {
    /// Toolchain and kind, for messages.
    pub(crate) name: String,
    pub(crate) binary: GoBinary,
    pub(crate) bias: u64,
    pub(crate) memory: ProcMem,
    child: Child,
    said: HashMap<String, u64>,
}

impl Drop for Patient {
    fn drop(&mut self) {
        // Gone already is as good.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

impl Patient {
    /// Builds and starts the program; absent, and said so, where it cannot be built.
    pub(crate) fn start(toolchain: &Toolchain, kind: Kind, arguments: &[&str]) -> Option<Patient> {
        let name = format!("{} {kind:?}", toolchain.name);
        let program = match build(toolchain, kind) {
            Ok(program) => program,
            Err(reason) => {
                eprintln!("SKIPPED {name}: {reason}");
                assert!(
                    std::env::var_os("LETGO_TEST_GO").is_none(),
                    "a toolchain that was asked for does not build: {reason}"
                );
                return None;
            }
        };
        let mut child = Command::new(&program)
            .args(arguments)
            .env_remove("GOGC")
            .env_remove("GOMEMLIMIT")
            .env_remove("GODEBUG")
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        wait_until_stopped(&mut child);
        let said = read_lines(&mut child);
        let Opened {
            binary,
            bias,
            memory,
        } = Opened::pid(child.id());
        Some(Patient {
            name,
            binary,
            bias,
            memory,
            child,
            said,
        })
    }

    /// What the program printed under this name.
    pub(crate) fn said(&self, name: &str) -> Option<u64> {
        self.said.get(name).copied()
    }

    /// Ids of its threads.
    pub(crate) fn threads(&self) -> Vec<u64> {
        let tasks = fs::read_dir(format!("/proc/{}/task", self.child.id())).unwrap();
        tasks
            .map(|task| task.unwrap().file_name().to_string_lossy().parse().unwrap())
            .collect()
    }

    /// The function at an address of the process.
    pub(crate) fn function(&self, pc: Addr) -> Option<String> {
        let link_time = pc.biased(self.bias.wrapping_neg());
        let function = self.binary.functions.function_at(link_time).unwrap()?;
        Some(function.name)
    }
}

fn build(toolchain: &Toolchain, kind: Kind) -> Result<PathBuf, String> {
    /// Two tests at once would write one file.
    static BUILDING: Mutex<()> = Mutex::new(());
    let _building = BUILDING.lock().unwrap_or_else(|poison| poison.into_inner());
    let source = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/live");
    let name = toolchain.name.replace('/', "_");
    let program = Path::new(env!("CARGO_TARGET_TMPDIR")).join(format!("live-{name}-{kind:?}"));
    if program.exists() && newer(&program, &source.join("main.go")) {
        return Ok(program);
    }
    let mut command = Command::new(&toolchain.command);
    if let Some(release) = &toolchain.release {
        command.env("GOTOOLCHAIN", release);
    }
    let cgo = if kind == Kind::Cgo { "1" } else { "0" };
    let output = command
        .current_dir(&source)
        .env("GOFLAGS", "")
        .env("CGO_ENABLED", cgo)
        .env("GOEXPERIMENT", &toolchain.experiments)
        .arg("build")
        .args(kind.arguments())
        .arg("-o")
        .arg(&program)
        .arg(".")
        .output()
        .map_err(|error| format!("{}: {error}", toolchain.command.display()))?;
    if !output.status.success() {
        return Err(String::from_utf8_lossy(&output.stderr).into_owned());
    }
    if kind == Kind::PieStripped {
        let strip = Command::new("strip").arg("-s").arg(&program).status();
        strip.map_err(|error| format!("strip: {error}"))?;
    }
    Ok(program)
}

fn newer(program: &Path, source: &Path) -> bool {
    let time = |path: &Path| fs::metadata(path).and_then(|data| data.modified()).ok();
    time(program) > time(source)
}

fn wait_until_stopped(child: &mut Child) {
    let deadline = Instant::now() + Duration::from_secs(60);
    loop {
        assert!(Instant::now() < deadline, "it does not stop");
        let status = fs::read_to_string(format!("/proc/{}/stat", child.id())).unwrap();
        let state = status
            .rsplit(") ")
            .next()
            .and_then(|rest| rest.chars().next());
        match state {
            Some('T') => return,
            Some('Z') | None => panic!("it exited: {:?}", child.wait()),
            _ => std::thread::sleep(Duration::from_millis(5)),
        }
    }
}

/// Reads what it printed: at most a pipe's worth, since it has stopped.
fn read_lines(child: &mut Child) -> HashMap<String, u64> {
    let output = child.stdout.take().unwrap();
    let mut said = HashMap::new();
    for line in BufReader::new(output).lines() {
        let line = line.unwrap();
        let (key, value) = line.split_once('=').unwrap();
        said.insert(key.to_owned(), value.parse().unwrap());
        if key == "memory_limit" {
            break;
        }
    }
    said
}
