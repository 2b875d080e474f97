//! [`now`]: what this machine is and how busy it was.
//!
//! No name of the machine, and of the kernel only its numbers.

use std::fs;

use letgo_linux::system;
use letgo_report::lab::Machine;

/// This machine now.
pub(super) fn now() -> Machine {
    let memory = system::meminfo();
    Machine {
        cpus: std::thread::available_parallelism().map_or(1, |cpus| cpus.get() as u64),
        memory_bytes: memory.total,
        swap_bytes: memory.swap_total,
        kernel: numbers(&system::kernel().release).to_owned(),
        huge_pages: system::huge_pages().enabled,
        load_average: load(&fs::read_to_string("/proc/loadavg").unwrap_or_default()),
    }
}

/// `6.18.4` of `6.18.4-amd64`.
fn numbers(release: &str) -> &str {
    let end = release.find(|c: char| !c.is_ascii_digit() && c != '.');
    release
        .get(..end.unwrap_or(release.len()))
        .unwrap_or(release)
}

/// The average over a minute.
fn load(text: &str) -> Option<f64> {
    text.split(' ').next()?.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_kernel_is_its_numbers() {
        assert_eq!(numbers("6.18.4-amd64"), "6.18.4");
        assert_eq!(numbers("6.1.0+deb"), "6.1.0");
        assert_eq!(numbers(""), "");
    }

    #[test]
    fn the_load_is_that_of_a_minute() {
        assert_eq!(load("2.85 1.72 0.79 3/412 1234\n"), Some(2.85));
        assert_eq!(load(""), None);
    }
}
