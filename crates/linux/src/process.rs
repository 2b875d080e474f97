//! [`Process`]: one process, held by its `/proc` directory, and everything `/proc` says of it.
//!
//! The directory is opened once and all files are opened below it, so they are always those of
//! the process that was opened: a reused pid gives [`Error::Gone`], never another's data.
//! Whether the process became another program by `execve` is told by [`Process::verify`].
//!
//! Does not read memory (see [`crate::LiveMemory`]) or the page table (see
//! [`crate::residency()`]), and changes nothing.
//!
//! Source: proc(5), Documentation/filesystems/proc.rst.

mod auxv;
mod files;
mod limits;
mod maps;
mod namespaces;
mod open;
mod smaps;
mod stat;
mod status;

use std::fs::File;
use std::os::fd::OwnedFd;
use std::path::PathBuf;

use letgo_target::Mapping;

use crate::Error;
use crate::cgroup::{self, Container};

pub use auxv::Auxv;
pub use limits::{Limit, Limits};
pub use maps::{parse_map_line, parse_maps};
pub use namespaces::{Namespaces, parse_timens_offsets};
pub use smaps::{MappingUse, Smaps, Use, parse_rollup, parse_smaps};
pub use stat::{Stat, Statm};
pub use status::Status;

/// Where the executable is, as the target sees it.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct ExePath {
    /// Its path, in the target's mount namespace.
    pub path: PathBuf,
    /// It was deleted or replaced since the start. [`Process::exe_file`] still has it.
    pub deleted: bool,
}

/// A process that was running when it was opened.
#[derive(Debug)]
pub struct Process {
    pid: u32,
    /// `/proc/PID`, which stays this process's directory after the pid is reused.
    dir: OwnedFd,
    stat: Stat,
    image: Image,
}

/// What changes with `execve` and with nothing else.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
struct Image {
    start_code: u64,
    start_stack: u64,
}

impl Process {
    /// The process id, in the pid namespace that we run in.
    pub fn pid(&self) -> u32 {
        self.pid
    }

    /// When it started, in clock ticks since boot (see [`crate::system::clock_ticks`]). Together
    /// with the pid and the boot id it names the process for good.
    pub fn start_ticks(&self) -> u64 {
        self.stat.start_ticks
    }

    /// Names the program that it ran when it was opened, by what `execve` changes.
    pub(crate) fn image_mark(&self) -> String {
        format!("{:x}-{:x}", self.image.start_code, self.image.start_stack)
    }

    /// Confirms that it still runs, and still the program that it ran when it was opened.
    ///
    /// # Errors
    /// [`Error::Gone`], [`Error::Replaced`].
    pub fn verify(&self) -> Result<(), Error> {
        let now = self.stat()?;
        if now.start_ticks != self.stat.start_ticks || matches!(now.state, 'Z' | 'X' | 'x') {
            return Err(Error::Gone { pid: self.pid });
        }
        // Between giving up its memory and being a zombie it has no image.
        if now.image() == Image::default() && self.image != Image::default() {
            return Err(Error::Gone { pid: self.pid });
        }
        if now.image() != self.image {
            return Err(Error::Replaced { pid: self.pid });
        }
        Ok(())
    }

    /// Opens its executable, also where that was deleted or replaced, or lies in another mount
    /// namespace.
    ///
    /// # Errors
    /// [`Error::Denied`], [`Error::Gone`].
    pub fn exe_file(&self) -> Result<File, Error> {
        self.open_file("exe", "opening the executable")
    }

    /// Where its executable is.
    ///
    /// # Errors
    /// [`Error::Denied`], [`Error::Gone`].
    pub fn exe_path(&self) -> Result<ExePath, Error> {
        let link = self.link("exe")?;
        let text = link.to_string_lossy();
        Ok(match text.strip_suffix(" (deleted)") {
            Some(path) => ExePath {
                path: path.into(),
                deleted: true,
            },
            None => ExePath {
                path: link,
                deleted: false,
            },
        })
    }

    /// Opens the file behind a mapping, also where it was deleted or lies in another mount
    /// namespace.
    ///
    /// # Errors
    /// [`Error::Denied`] (`map_files` asks for `CAP_CHECKPOINT_RESTORE` or `CAP_SYS_ADMIN`),
    /// [`Error::Gone`] also where the mapping is no more.
    pub fn mapped_file(&self, mapping: &Mapping) -> Result<File, Error> {
        let (start, end) = (mapping.range.start(), mapping.range.end());
        let name = format!("map_files/{:x}-{:x}", start.0, end.0);
        self.open_file(&name, "opening a mapped file")
    }

    /// All mappings, by address.
    ///
    /// # Errors
    /// [`Error::Denied`], [`Error::Gone`], [`Error::Inconsistent`].
    ///
    /// # Consistency
    /// The kernel hands the list out in parts; a running target maps and unmaps in between.
    /// Mappings that overlap for that reason are cut, so the list is always sorted and disjoint.
    pub fn maps(&self) -> Result<Vec<Mapping>, Error> {
        let maps = parse_maps(&self.text("maps", "reading the mappings")?)?;
        if maps.is_empty() {
            return Err(Error::Gone { pid: self.pid });
        }
        Ok(maps)
    }

    /// What `status` says.
    ///
    /// # Errors
    /// [`Error::Gone`].
    pub fn status(&self) -> Result<Status, Error> {
        Ok(Status::parse(&self.text("status", "reading the status")?))
    }

    /// What `stat` says.
    ///
    /// # Errors
    /// [`Error::Gone`], [`Error::Inconsistent`].
    pub fn stat(&self) -> Result<Stat, Error> {
        Stat::parse(&self.text("stat", "reading the state")?)
    }

    /// What `statm` says. Approximate on recent kernels: [`Process::smaps`] has the truth.
    ///
    /// # Errors
    /// [`Error::Gone`], [`Error::Inconsistent`].
    pub fn statm(&self) -> Result<Statm, Error> {
        Statm::parse(&self.text("statm", "reading the size")?)
    }

    /// The environment that it was started with, as `NAME=value`; later changes by the program do
    /// not show.
    ///
    /// # Errors
    /// [`Error::Denied`], [`Error::Gone`].
    pub fn environ(&self) -> Result<Vec<String>, Error> {
        Ok(zero_separated(
            &self.text("environ", "reading the environment")?,
        ))
    }

    /// The value that a variable had at the start, nothing where it was not set.
    ///
    /// # Errors
    /// [`Error::Denied`], [`Error::Gone`].
    pub fn environment_variable(&self, name: &str) -> Result<Option<String>, Error> {
        let all = self.environ()?;
        let value = |entry: &String| {
            let (key, value) = entry.split_once('=')?;
            (key == name).then(|| value.to_owned())
        };
        Ok(all.iter().find_map(value))
    }

    /// The command line.
    ///
    /// # Errors
    /// [`Error::Gone`].
    pub fn cmdline(&self) -> Result<Vec<String>, Error> {
        Ok(zero_separated(
            &self.text("cmdline", "reading the command line")?,
        ))
    }

    /// The auxiliary vector, which tells the load address of the executable.
    ///
    /// # Errors
    /// [`Error::Denied`], [`Error::Gone`].
    pub fn auxv(&self) -> Result<Auxv, Error> {
        Ok(Auxv::parse(
            &self.bytes("auxv", "reading the auxiliary vector")?,
        ))
    }

    /// What each mapping takes. Costly: the kernel walks the whole page table.
    ///
    /// # Errors
    /// [`Error::Denied`], [`Error::Gone`], [`Error::Inconsistent`].
    ///
    /// # Consistency
    /// As [`Process::maps`].
    pub fn smaps(&self) -> Result<Smaps, Error> {
        let file = self.open_file("smaps", "reading smaps")?;
        let smaps = smaps::read(file, |error| self.in_process("reading smaps", error))?;
        if smaps.mappings.is_empty() {
            return Err(Error::Gone { pid: self.pid });
        }
        Ok(smaps)
    }

    /// The sums over all mappings. The kernel walks the whole page table, under `mmap_lock`.
    ///
    /// # Errors
    /// [`Error::Denied`], [`Error::Gone`], [`Error::Unsupported`] before Linux 4.14.
    pub fn smaps_rollup(&self) -> Result<Use, Error> {
        match self.text("smaps_rollup", "reading smaps_rollup") {
            Err(Error::Gone { .. }) if self.verify().is_ok() => Err(Error::Unsupported {
                what: "/proc/PID/smaps_rollup".into(),
                needs: "Linux 4.14 or later".into(),
            }),
            text => Ok(parse_rollup(&text?)),
        }
    }

    /// Its resource limits.
    ///
    /// # Errors
    /// [`Error::Gone`].
    pub fn limits(&self) -> Result<Limits, Error> {
        Ok(Limits::parse(&self.text("limits", "reading the limits")?))
    }

    /// Its threads now, by number.
    ///
    /// # Errors
    /// [`Error::Gone`].
    ///
    /// # Consistency
    /// Threads come and go meanwhile.
    pub fn threads(&self) -> Result<Vec<u32>, Error> {
        self.list_threads()
    }

    /// The state of one thread (`R`, `S`, `D`, `T`, `t`, `Z`, ...), nothing where it has ended.
    pub fn thread_state(&self, tid: u32) -> Option<char> {
        let text = self
            .text(&format!("task/{tid}/stat"), "reading a thread")
            .ok()?;
        Stat::parse(&text).ok().map(|stat| stat.state)
    }

    /// What `status` says of one thread, nothing where it has ended.
    pub(crate) fn thread_status(&self, tid: u32) -> Option<Status> {
        let name = format!("task/{tid}/status");
        let text = self.text(&name, "reading a thread").ok()?;
        Some(Status::parse(&text))
    }

    /// How the OOM killer is told to weigh it, -1000 to 1000.
    ///
    /// # Errors
    /// [`Error::Gone`], [`Error::Inconsistent`].
    pub fn oom_score_adj(&self) -> Result<i32, Error> {
        let text = self.text("oom_score_adj", "reading oom_score_adj")?;
        let bad = || Error::inconsistent("oom_score_adj", format!("`{}`", text.trim()));
        text.trim().parse().map_err(|_| bad())
    }

    /// Which of our namespaces it shares.
    ///
    /// # Errors
    /// [`Error::Denied`], [`Error::Gone`].
    pub fn namespaces(&self) -> Result<Namespaces, Error> {
        Namespaces::of(self)
    }

    /// How far its monotonic clock is ahead of the host's, in nanoseconds; 0 outside of time
    /// namespaces.
    ///
    /// # Errors
    /// [`Error::Gone`].
    pub fn monotonic_offset_ns(&self) -> Result<i64, Error> {
        match self.text("timens_offsets", "reading the clock offsets") {
            Ok(text) => Ok(parse_timens_offsets(&text)),
            Err(error) => self.verify().map(|()| 0).map_err(|_| error),
        }
    }

    /// Its cgroups in all hierarchies.
    ///
    /// # Errors
    /// [`Error::Gone`].
    pub fn cgroups(&self) -> Result<Vec<cgroup::Membership>, Error> {
        let text = self.text("cgroup", "reading the cgroups")?;
        Ok(cgroup::parse_membership(&text))
    }

    /// What its memory cgroup says; nothing where it is in the root, or has none.
    ///
    /// # Errors
    /// [`Error::Gone`].
    pub fn memory_cgroup(&self) -> Result<Option<cgroup::Memory>, Error> {
        cgroup::memory_of(self)
    }

    /// Whether its cgroup, or one above it, is frozen, as far as that can be seen from here.
    ///
    /// # Errors
    /// [`Error::Gone`].
    pub fn is_frozen(&self) -> Result<bool, Error> {
        Ok(cgroup::frozen_by(self)?.is_some())
    }

    /// The container that it runs in, by the marks that container runtimes leave in the paths of
    /// cgroups; nothing where none is recognised.
    ///
    /// # Errors
    /// [`Error::Gone`].
    pub fn container(&self) -> Result<Option<Container>, Error> {
        let mounts = self.text("mountinfo", "reading the mounts").ok();
        Ok(cgroup::container_of(
            &self.cgroups()?,
            mounts.as_deref().unwrap_or_default(),
        ))
    }
}

fn zero_separated(text: &str) -> Vec<String> {
    let parts = text.trim_end_matches('\0').split('\0');
    parts
        .filter(|_| !text.is_empty())
        .map(str::to_owned)
        .collect()
}
