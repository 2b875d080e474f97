//! Opening a [`Process`]: what a pid may turn out to be.
//!
//! Does not ask for any permission beyond seeing `/proc/PID`.

use std::fs;

use super::{Image, Process, Stat, Status};
use crate::{Denial, Error, sys};

/// `PF_KTHREAD` of a task's flags. Source: include/linux/sched.h.
const PF_KTHREAD: u64 = 0x0020_0000;

impl Process {
    /// Opens the process `pid` of the pid namespace that we run in.
    ///
    /// # Errors
    /// [`Error::NoSuchProcess`], [`Error::Thread`], [`Error::KernelThread`], [`Error::Zombie`];
    /// [`Error::Denied`] where `/proc` hides it (`hidepid`).
    pub fn open(pid: u32) -> Result<Process, Error> {
        let dir = sys::open_dir(&format!("/proc/{pid}")).map_err(|_| absent(pid))?;
        let empty = Stat::default();
        let mut process = Process {
            pid,
            dir,
            image: empty.image(),
            stat: empty,
        };
        let status = process.status().map_err(|_| absent(pid))?;
        let stat = process.stat().map_err(|_| absent(pid))?;
        check_kind(pid, &status, &stat)?;
        process.image = stat.image();
        process.stat = stat;
        Ok(process)
    }

    /// A second handle on the same process.
    pub(crate) fn again(&self) -> Result<Process, Error> {
        let what = "keeping a second handle";
        Ok(Process {
            pid: self.pid,
            dir: (self.dir.try_clone()).map_err(|error| Error::from_io(self.pid, what, error))?,
            stat: self.stat.clone(),
            image: self.image,
        })
    }

    /// Opens the process that we are.
    ///
    /// # Errors
    /// Where `/proc` is not mounted.
    pub fn open_self() -> Result<Process, Error> {
        Process::open(std::process::id())
    }
}

impl Stat {
    pub(super) fn image(&self) -> Image {
        Image {
            start_code: self.start_code,
            start_stack: self.start_stack,
        }
    }
}

fn check_kind(pid: u32, status: &Status, stat: &Stat) -> Result<(), Error> {
    let name = || status.name.clone();
    if status.tgid != 0 && status.tgid != pid {
        return Err(Error::Thread {
            tid: pid,
            process: status.tgid,
        });
    }
    if status.kernel_thread || stat.flags & PF_KTHREAD != 0 {
        return Err(Error::KernelThread { pid, name: name() });
    }
    if matches!(stat.state, 'Z' | 'X' | 'x') {
        return Err(Error::Zombie {
            pid,
            name: name(),
            parent: stat.parent,
        });
    }
    Ok(())
}

/// Tells a pid that nobody has from one that `/proc` hides.
fn absent(pid: u32) -> Error {
    let known = i32::try_from(pid).is_ok_and(sys::exists) && pid != 0;
    if known && fs::metadata(format!("/proc/{pid}")).is_err() {
        return Error::Denied(Box::new(Denial::explain(pid, "seeing /proc", 0)));
    }
    Error::NoSuchProcess { pid }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_pid_that_nobody_can_have_is_no_process() {
        for pid in [0, u32::MAX, 1 << 30] {
            let error = Process::open(pid).unwrap_err();
            assert!(matches!(error, Error::NoSuchProcess { .. }), "{error}");
        }
    }

    #[test]
    fn a_kernel_thread_and_a_zombie_are_named() {
        let status = Status {
            tgid: 2,
            name: "kthreadd".into(),
            ..Status::default()
        };
        let stat = Stat {
            flags: PF_KTHREAD,
            ..Stat::default()
        };
        let error = check_kind(2, &status, &stat).unwrap_err();
        assert!(matches!(error, Error::KernelThread { pid: 2, .. }));
        let stat = Stat {
            state: 'Z',
            parent: 7,
            ..Stat::default()
        };
        let error = check_kind(2, &status, &stat).unwrap_err();
        assert!(matches!(error, Error::Zombie { parent: 7, .. }));
    }

    #[test]
    fn a_thread_is_told_its_process() {
        let (send, receive) = std::sync::mpsc::channel();
        let (done, wait) = std::sync::mpsc::channel::<()>();
        let thread = std::thread::spawn(move || {
            send.send(sys::own_tid()).unwrap();
            let _ = wait.recv();
        });
        let tid = receive.recv().unwrap();
        let error = Process::open(tid).unwrap_err();
        drop(done);
        thread.join().unwrap();
        let ours = std::process::id();
        assert!(
            matches!(error, Error::Thread { process, .. } if process == ours),
            "{error}"
        );
    }

    #[test]
    fn we_are_the_process_that_we_are() {
        let process = Process::open_self().unwrap();
        assert!(process.start_ticks() > 0);
        process.verify().unwrap();
        assert!(process.threads().unwrap().contains(&std::process::id()));
        let exe = process.exe_path().unwrap();
        assert_eq!(exe.path, std::env::current_exe().unwrap());
    }
}
