//! The shape `variables`: a program with words of all kinds, which does with them what it is told.
//!
//! Told `set NAME VALUE`, it stores; told `get NAME`, it says `is VALUE`; told `wake`, it wakes its
//! sleeper under the lock, as programs do. One thread counts all the time, and one sleeps until it
//! is woken, and counts how often it was. Two wakes at once end it with an error.

use std::io::BufRead;
use std::sync::atomic::{AtomicU8, AtomicU32, AtomicU64, Ordering};
use std::thread;
use std::time::Duration;

use nix::libc;

use crate::shapes::{map, ready};

/// In `.data`, since it is not zero.
static BIG: AtomicU64 = AtomicU64::new(0x1111_2222_3333_4444);
static HALF: AtomicU32 = AtomicU32::new(100);
static BYTE: AtomicU8 = AtomicU8::new(7);
static LASTING: AtomicU64 = AtomicU64::new(1000);
static LIMIT: AtomicU32 = AtomicU32::new(400);
/// In `.bss`.
static ZERO: AtomicU64 = AtomicU64::new(0);
/// What may only be read.
static CONSTANT: u64 = 0x5555;

static LOCK: AtomicU64 = AtomicU64::new(0);
static WAITS: AtomicU32 = AtomicU32::new(0);
static NOTE: AtomicU64 = AtomicU64::new(0);
static WOKEN: AtomicU64 = AtomicU64::new(0);

pub(crate) fn run(mode: &str) {
    match mode {
        "sleeper" => drop(thread::spawn(sleep_and_count)),
        "locked" => LOCK.store(1, Ordering::SeqCst),
        "mlocked" => lock_memory(),
        "sealed" => crate::shapes::forbid(libc::SYS_process_vm_writev),
        _ => {}
    }
    thread::spawn(|| {
        loop {
            crate::shapes::COUNTER.fetch_add(1, Ordering::Relaxed);
            thread::sleep(Duration::from_micros(50));
        }
    });
    let private = libc::MAP_PRIVATE | libc::MAP_ANONYMOUS;
    let both = libc::PROT_READ | libc::PROT_WRITE;
    let shared = map(4096, both, libc::MAP_SHARED | libc::MAP_ANONYMOUS);
    let code = map(4096, both | libc::PROT_EXEC, private);
    let places = [
        ("big", BIG.as_ptr().addr()),
        ("half", HALF.as_ptr().addr()),
        ("byte", BYTE.as_ptr().addr()),
        ("lasting", LASTING.as_ptr().addr()),
        ("limit", LIMIT.as_ptr().addr()),
        ("zero", ZERO.as_ptr().addr()),
        ("constant", (&raw const CONSTANT).addr()),
        ("function", run as *const () as usize),
        ("shared", shared),
        ("code", code),
        ("lock", LOCK.as_ptr().addr()),
        ("waits", WAITS.as_ptr().addr()),
        ("note", NOTE.as_ptr().addr()),
        ("woken", WOKEN.as_ptr().addr()),
    ];
    let said = places.map(|(name, addr)| format!("{name}={addr}"));
    ready(&said.join(" "));
    for line in std::io::stdin().lock().lines() {
        obey(&line.unwrap());
    }
}

fn obey(line: &str) {
    let words: Vec<&str> = line.split(' ').collect();
    match words.as_slice() {
        ["set", name, value] => {
            store(name, value.parse().unwrap());
            println!("\ndone");
        }
        ["get", name] => println!("\nis {}", load(name)),
        ["wake"] => {
            wake();
            println!("\ndone");
        }
        _ => panic!("{line}"),
    }
}

fn store(name: &str, value: u64) {
    match name {
        "big" => BIG.store(value, Ordering::SeqCst),
        "half" => HALF.store(value.try_into().unwrap(), Ordering::SeqCst),
        "byte" => BYTE.store(value.try_into().unwrap(), Ordering::SeqCst),
        "lasting" => LASTING.store(value, Ordering::SeqCst),
        "limit" => LIMIT.store(value.try_into().unwrap(), Ordering::SeqCst),
        "zero" => ZERO.store(value, Ordering::SeqCst),
        "lock" => LOCK.store(value, Ordering::SeqCst),
        other => panic!("{other}"),
    }
}

fn load(name: &str) -> u64 {
    match name {
        "big" => BIG.load(Ordering::SeqCst),
        "half" => HALF.load(Ordering::SeqCst).into(),
        "byte" => BYTE.load(Ordering::SeqCst).into(),
        "lasting" => LASTING.load(Ordering::SeqCst),
        "limit" => LIMIT.load(Ordering::SeqCst).into(),
        "zero" => ZERO.load(Ordering::SeqCst),
        "woken" => WOKEN.load(Ordering::SeqCst),
        other => panic!("{other}"),
    }
}

/// Where that is permitted; the parent looks.
fn lock_memory() {
    // SAFETY: takes no pointer.
    let _ = unsafe { libc::mlockall(libc::MCL_CURRENT) };
}

fn lock() {
    while LOCK
        .compare_exchange(0, 1, Ordering::SeqCst, Ordering::SeqCst)
        .is_err()
    {
        thread::yield_now();
    }
}

fn unlock() {
    LOCK.store(0, Ordering::SeqCst);
}

/// The low half of the note, which is what futex(2) looks at.
fn note() -> *mut u32 {
    NOTE.as_ptr().cast()
}

fn sleep_and_count() {
    loop {
        lock();
        WAITS.store(1, Ordering::SeqCst);
        unlock();
        while NOTE.load(Ordering::SeqCst) == 0 {
            wait_for_note();
        }
        lock();
        WAITS.store(0, Ordering::SeqCst);
        NOTE.store(0, Ordering::SeqCst);
        unlock();
        WOKEN.fetch_add(1, Ordering::SeqCst);
        // Awake for a while, so that it can be found so.
        thread::sleep(Duration::from_millis(5));
    }
}

/// With a timeout, as programs do: the kernel restarts such a call by restart_syscall(2).
fn wait_for_note() {
    let wait = libc::FUTEX_WAIT | libc::FUTEX_PRIVATE_FLAG;
    let time = libc::timespec {
        tv_sec: 600,
        tv_nsec: 0,
    };
    // SAFETY: the word and the time are valid during the call.
    unsafe { libc::syscall(libc::SYS_futex, note(), wait, 0, &raw const time) };
}

/// As the program itself wakes its sleeper.
fn wake() {
    lock();
    if WAITS.load(Ordering::SeqCst) != 0 {
        WAITS.store(0, Ordering::SeqCst);
        let before = NOTE.swap(1, Ordering::SeqCst);
        if before != 0 {
            println!("\nfatal: double wakeup");
            std::process::exit(3);
        }
        let wake = libc::FUTEX_WAKE | libc::FUTEX_PRIVATE_FLAG;
        // SAFETY: the word is valid.
        unsafe { libc::syscall(libc::SYS_futex, note(), wake, 1) };
    }
    unlock();
}
