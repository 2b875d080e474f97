//! What children do. Each says `ready key=value ...` once, and ends with its standard input, or
//! after two minutes.

use std::io::BufRead;
use std::sync::atomic::{AtomicU64, Ordering};
use std::thread;
use std::time::Duration;

use nix::libc;

const PAGE: usize = 4096;
const HUGE: usize = 2 << 20;

/// Counts something; where it lies is told to the parent.
pub(crate) static COUNTER: AtomicU64 = AtomicU64::new(0);

/// Runs as `shape` says.
pub(crate) fn run(shape: &str) {
    thread::spawn(|| {
        thread::sleep(Duration::from_secs(120));
        std::process::exit(1);
    });
    let (name, argument) = shape.split_once(' ').unwrap_or((shape, ""));
    match name {
        "idle" => ready(""),
        "pages" => ready(&map_pages()),
        "spin" => spin(argument.parse().unwrap()),
        "churn" => churn(),
        "vfork" => vfork(),
        "signals" => count_signals(),
        "exec" => return exec_when_told(),
        "hold" => hold(argument.parse().unwrap()),
        "read" => return try_to_read(argument.parse().unwrap()),
        "filtered" => return read_under_a_filter(argument),
        "variables" => return crate::variables::run(argument),
        "protocol" => return crate::protocol::run(argument),
        "tear" => return crate::tearing::watch(),
        "may-write" => return ask(argument),
        "watched" => return crate::protocol::wait_watched(argument),
        "try-open" => return crate::protocol::try_open(argument),
        "full-disk" => return crate::protocol::fill_up(argument),
        other => panic!("no shape {other}"),
    }
    for _ in std::io::stdin().lock().lines() {}
}

pub(crate) fn ready(what: &str) {
    let counter = COUNTER.as_ptr() as usize;
    println!("\nready counter={counter} {what}");
}

pub(crate) fn map(len: usize, protection: i32, flags: i32) -> usize {
    let anywhere = std::ptr::null_mut();
    // SAFETY: a new mapping at a place of the kernel's choice.
    let addr = unsafe { libc::mmap(anywhere, len, protection, flags, -1, 0) };
    assert_ne!(addr, libc::MAP_FAILED);
    addr.expose_provenance()
}

fn advise(addr: usize, len: usize, advice: i32) {
    let addr = std::ptr::with_exposed_provenance_mut(addr);
    // SAFETY: the range is one of our own mappings, used by address only.
    unsafe { libc::madvise(addr, len, advice) };
}

fn write(addr: usize, bytes: std::ops::Range<usize>) {
    for offset in bytes.step_by(PAGE) {
        let byte = std::ptr::with_exposed_provenance_mut::<u8>(addr + offset);
        // SAFETY: the byte lies in one of our own writable mappings.
        unsafe { byte.write_volatile(7) };
    }
}

fn read(addr: usize, bytes: std::ops::Range<usize>) {
    for offset in bytes.step_by(PAGE) {
        let byte = std::ptr::with_exposed_provenance::<u8>(addr + offset);
        // SAFETY: the byte lies in one of our own readable mappings.
        let _ = unsafe { byte.read_volatile() };
    }
}

/// Pages of every kind that residency has to tell apart.
fn map_pages() -> String {
    let both = libc::PROT_READ | libc::PROT_WRITE;
    let private = libc::MAP_PRIVATE | libc::MAP_ANONYMOUS;
    let anon = map(1024 * PAGE, both, private);
    // Every third page: more regions than the kernel hands out in one go.
    for page in (0..1024).step_by(3) {
        write(anon, page * PAGE..page * PAGE + 1);
    }
    let many = map(6000 * PAGE, both, private);
    advise(many, 6000 * PAGE, libc::MADV_NOHUGEPAGE);
    for page in (0..6000).step_by(2) {
        write(many, page * PAGE..page * PAGE + 1);
    }
    let zero = map(64 * PAGE, both, private);
    read(zero, 0..32 * PAGE);
    let shared = map(64 * PAGE, both, libc::MAP_SHARED | libc::MAP_ANONYMOUS);
    write(shared, 0..10 * PAGE);

    let large = map(5 * HUGE, both, private);
    let huge = large.next_multiple_of(HUGE);
    advise(huge, 4 * HUGE, libc::MADV_HUGEPAGE);
    write(huge, 0..2 * HUGE);
    // The huge zero page.
    read(huge, 3 * HUGE..3 * HUGE + 1);

    let lazy = map(256 * PAGE, both, private);
    advise(lazy, 256 * PAGE, libc::MADV_NOHUGEPAGE);
    write(lazy, 0..256 * PAGE);
    advise(lazy, 128 * PAGE, libc::MADV_FREE);

    let forbidden = map(16 * PAGE, both, private);
    write(forbidden, 0..16 * PAGE);
    let forbidden_ptr = std::ptr::with_exposed_provenance_mut(forbidden);
    // SAFETY: takes access away from a mapping of our own that is not touched again.
    unsafe { libc::mprotect(forbidden_ptr, 8 * PAGE, libc::PROT_NONE) };
    COUNTER.store(0x1234_5678_9abc_def0, Ordering::Relaxed);
    format!("anon={anon} zero={zero} huge={huge} lazy={lazy} forbidden={forbidden}")
}

fn spin(threads: usize) {
    for _ in 0..threads {
        thread::spawn(|| {
            loop {
                COUNTER.fetch_add(1, Ordering::Relaxed);
            }
        });
    }
    ready("");
}

/// Threads that start and end all the time.
fn churn() {
    for _ in 0..2 {
        thread::spawn(|| {
            loop {
                let short = thread::spawn(|| COUNTER.fetch_add(1, Ordering::Relaxed));
                let _ = short.join();
            }
        });
    }
    ready("");
}

/// A thread that waits uninterruptibly for a child, as `vfork` does, beside one that counts.
fn vfork() {
    thread::spawn(|| {
        loop {
            COUNTER.fetch_add(1, Ordering::Relaxed);
            thread::sleep(Duration::from_micros(100));
        }
    });
    thread::spawn(|| {
        let flags = libc::CLONE_VFORK | libc::SIGCHLD;
        // SAFETY: a copy of this process that only sleeps and ends, without touching anything;
        // without CLONE_VM it has its own memory.
        let child = unsafe { libc::syscall(libc::SYS_clone, flags, 0, 0, 0, 0) };
        if child == 0 {
            // SAFETY: sleeps.
            unsafe { libc::sleep(20) };
            // SAFETY: ends this process without running anything of the parent's.
            unsafe { libc::_exit(0) };
        }
    });
    ready("");
}

extern "C" fn count_one(_: libc::c_int) {
    COUNTER.fetch_add(1, Ordering::Relaxed);
}

/// Counts the real-time signals that it gets, on whatever thread.
fn count_signals() {
    let handler: extern "C" fn(libc::c_int) = count_one;
    let signal = libc::SIGRTMIN() + 3;
    // SAFETY: the handler only adds to an atomic.
    let old = unsafe { libc::signal(signal, handler as *const () as libc::sighandler_t) };
    assert_ne!(old, libc::SIG_ERR);
    for _ in 0..3 {
        thread::spawn(|| {
            loop {
                thread::sleep(Duration::from_micros(200));
            }
        });
    }
    ready(&format!("signal={signal}"));
}

/// Replaces its program when it is told to.
fn exec_when_told() {
    use std::os::unix::process::CommandExt;
    ready("");
    std::io::stdin().lock().lines().next();
    let error = crate::child::command(std::env::current_exe().unwrap(), "idle")
        .stdin(std::process::Stdio::inherit())
        .stdout(std::process::Stdio::inherit())
        .exec();
    panic!("{error}");
}

/// Holds another process until it is killed.
fn hold(pid: u32) {
    let process = letgo_linux::Process::open(pid).unwrap();
    let stopped = letgo_linux::Stop::all_threads(&process, Duration::from_secs(60)).unwrap();
    ready(&format!("threads={}", stopped.threads().len()));
    for _ in std::io::stdin().lock().lines() {}
    drop(stopped);
}

/// Says what happens when it reads another process.
fn try_to_read(pid: u32) {
    ready("");
    let process = letgo_linux::Process::open(pid);
    let answer = process.and_then(|process| {
        letgo_linux::LiveMemory::new(&process)?;
        Ok(())
    });
    match answer {
        Ok(()) => println!("\nanswer read"),
        Err(letgo_linux::Error::Denied(denial)) => println!("\nanswer {:?}", denial.by),
        Err(other) => println!("\nanswer other: {other}"),
    }
}

/// Makes a system call fail with EPERM in this process, as container runtimes do.
pub(crate) fn forbid(call: libc::c_long) {
    let number = u32::try_from(call).unwrap();
    let refuse = libc::SECCOMP_RET_ERRNO | u32::try_from(libc::EPERM).unwrap();
    let step = |code: u32, skip: u8, value: u32| libc::sock_filter {
        code: u16::try_from(code).unwrap(),
        jt: 0,
        jf: skip,
        k: value,
    };
    let mut program = [
        // The number of the system call is the first word of what a filter sees.
        step(libc::BPF_LD | libc::BPF_W | libc::BPF_ABS, 0, 0),
        step(libc::BPF_JMP | libc::BPF_JEQ | libc::BPF_K, 1, number),
        step(libc::BPF_RET | libc::BPF_K, 0, refuse),
        step(libc::BPF_RET | libc::BPF_K, 0, libc::SECCOMP_RET_ALLOW),
    ];
    let filter = libc::sock_fprog {
        len: u16::try_from(program.len()).unwrap(),
        filter: program.as_mut_ptr(),
    };
    // SAFETY: takes no pointer.
    let answer = unsafe { libc::prctl(libc::PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) };
    assert_eq!(answer, 0);
    let (set, all) = (
        libc::SECCOMP_SET_MODE_FILTER,
        libc::SECCOMP_FILTER_FLAG_TSYNC,
    );
    // SAFETY: `filter` names the program above, whole, and is read during the call only.
    let answer = unsafe { libc::syscall(libc::SYS_seccomp, set, all, &raw const filter) };
    assert_eq!(answer, 0);
}

/// Reads a word of another process where `process_vm_readv` is refused.
fn read_under_a_filter(argument: &str) {
    use letgo_target::{Addr, read_u64};
    let (pid, addr) = argument.split_once(' ').unwrap();
    ready("");
    forbid(libc::SYS_process_vm_readv);
    let process = letgo_linux::Process::open(pid.parse().unwrap()).unwrap();
    let memory = letgo_linux::LiveMemory::new(&process).unwrap();
    let word = read_u64(&memory, Addr(addr.parse().unwrap())).unwrap();
    let fault = read_u64(&memory, Addr(8)).unwrap_err();
    println!("\nanswer {word:x} {} {fault}", memory.uses_mem_file());
}

/// Says whether another process may be written to.
fn ask(argument: &str) {
    let (pid, filtered) = argument.split_once(' ').unwrap_or((argument, ""));
    ready("");
    if filtered == "filtered" {
        forbid(libc::SYS_process_vm_writev);
    }
    let process = letgo_linux::Process::open(pid.parse().unwrap()).unwrap();
    match letgo_linux::may_write(&process) {
        Ok(()) => println!("\nanswer yes"),
        Err(letgo_linux::Refusal::Denied(denial)) => println!("\nanswer denied {denial}"),
        Err(other) => println!("\nanswer other: {other}"),
    }
}
