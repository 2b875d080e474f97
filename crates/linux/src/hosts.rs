//! [`processes`]: all processes of this host, cheaply.
//!
//! Four system calls a process. Threads of the kernel and zombies are left out. Whether a process
//! is a Go program is not asked here (see the `gobin` crate).
//!
//! # Consistency
//! Processes come and go meanwhile; one that ends while it is looked at is left out.

use std::fs::{self, File};
use std::io::Read;
use std::os::unix::fs::MetadataExt;
use std::path::PathBuf;

use crate::Error;
use crate::process::Stat;

/// What is known of a process without asking for a permission.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Listed {
    /// Process id.
    pub pid: u32,
    /// Name of its first thread, at most 15 bytes.
    pub name: String,
    /// Its executable, with ` (deleted)` behind it where that is so; nothing where we may not
    /// know.
    pub exe: Option<PathBuf>,
    /// Effective user.
    pub uid: u32,
    /// Pid of the parent.
    pub parent: u32,
    /// Start, in clock ticks since boot.
    pub start_ticks: u64,
    /// Resident bytes, approximate on recent kernels.
    pub resident_bytes: u64,
    /// Address space in bytes.
    pub virtual_bytes: u64,
    /// Threads.
    pub threads: u64,
}

/// Lists all processes, in the order of the kernel (by pid).
///
/// # Errors
/// Where `/proc` cannot be listed.
pub fn processes() -> Result<impl Iterator<Item = Listed>, Error> {
    let dir = fs::read_dir("/proc").map_err(|source| Error::Io {
        what: "listing /proc".to_owned(),
        source,
    })?;
    let pids = dir.filter_map(|entry| entry.ok()?.file_name().to_str()?.parse().ok());
    let mut buf = vec![0; 4096];
    Ok(pids.filter_map(move |pid| look(pid, &mut buf)))
}

/// Looks at one process; nothing where it is a kernel thread, a zombie, or gone.
fn look(pid: u32, buf: &mut [u8]) -> Option<Listed> {
    let mut file = File::open(format!("/proc/{pid}/stat")).ok()?;
    let len = file.read(buf).ok()?;
    let stat = Stat::parse(&String::from_utf8_lossy(buf.get(..len)?)).ok()?;
    // Neither a kernel thread nor a zombie has an address space.
    if stat.virtual_bytes == 0 {
        return None;
    }
    Some(Listed {
        pid,
        exe: fs::read_link(format!("/proc/{pid}/exe")).ok(),
        uid: fs::metadata(format!("/proc/{pid}")).ok()?.uid(),
        name: stat.name,
        parent: stat.parent,
        start_ticks: stat.start_ticks,
        resident_bytes: stat.resident_bytes,
        virtual_bytes: stat.virtual_bytes,
        threads: stat.threads,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn we_are_listed_once() {
        let ours = std::process::id();
        let found: Vec<Listed> = processes().unwrap().filter(|p| p.pid == ours).collect();
        let [found] = found.as_slice() else {
            panic!("{found:?}");
        };
        assert_eq!(found.exe, std::env::current_exe().ok());
        let process = crate::Process::open_self().unwrap();
        assert_eq!(found.start_ticks, process.start_ticks());
        assert_eq!(found.uid, process.status().unwrap().uid[1]);
    }

    #[test]
    fn kernel_threads_are_left_out() {
        // In the first pid namespace 2 is kthreadd; elsewhere 2 is somebody, or nobody.
        let two = fs::read_to_string("/proc/2/comm").unwrap_or_default();
        let listed = processes().unwrap().any(|process| process.pid == 2);
        assert!(two.trim() != "kthreadd" || !listed);
    }
}
