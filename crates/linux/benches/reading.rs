//! How fast a child is read: `process_vm_readv` against `memcpy`, small pieces against large, one
//! light read, and the page table of 1 GiB.
//!
//! Ratios on one run mean something; absolute times depend on the machine and its load.

#![allow(
    unsafe_code,
    reason = "maps and touches memory that the child is forked with"
)]

use std::hint::black_box;
use std::time::Duration;

use criterion::{BenchmarkId, Criterion, Throughput, criterion_main};
use letgo_linux::residency::residency_by;
use letgo_linux::{LiveMemory, Method, Process, Stop, hosts, residency};
use letgo_target::{Addr, Piece, ReadMemory};
use nix::libc;

const MIB: usize = 1 << 20;
const PAGE: usize = 4096;
/// The child's memory.
const SIZE: usize = 1024 * MIB;

/// A child with [`SIZE`] bytes of touched memory in small pages; killed when dropped.
struct Child {
    pid: i32,
    memory: Addr,
}

impl Child {
    fn start() -> Child {
        let protection = libc::PROT_READ | libc::PROT_WRITE;
        let flags = libc::MAP_PRIVATE | libc::MAP_ANONYMOUS;
        // SAFETY: a new mapping at a place of the kernel's choice.
        let addr = unsafe { libc::mmap(std::ptr::null_mut(), SIZE, protection, flags, -1, 0) };
        assert_ne!(addr, libc::MAP_FAILED);
        // SAFETY: the mapping is ours, and whole.
        unsafe { libc::madvise(addr, SIZE, libc::MADV_NOHUGEPAGE) };
        let (ready, wait) = nix::unistd::pipe().unwrap();
        // SAFETY: the child writes to its own memory and makes calls that are safe after a fork.
        let pid = unsafe { libc::fork() };
        if pid == 0 {
            // SAFETY: ends the child with us.
            unsafe { libc::prctl(libc::PR_SET_PDEATHSIG, libc::SIGKILL) };
            for page in 0..SIZE / PAGE {
                // SAFETY: the byte lies in the mapping.
                unsafe { addr.cast::<u8>().add(page * PAGE).write_volatile(7) };
            }
            let _ = nix::unistd::write(&wait, b"r");
            // SAFETY: sleeps.
            unsafe { libc::sleep(600) };
            // SAFETY: ends the child.
            unsafe { libc::_exit(0) };
        }
        drop(wait);
        let mut byte = [0];
        assert_eq!(nix::unistd::read(&ready, &mut byte).unwrap(), 1);
        Child {
            pid,
            memory: Addr(addr as u64),
        }
    }

    fn open(&self) -> Process {
        Process::open(self.pid.unsigned_abs()).unwrap()
    }
}

impl Drop for Child {
    fn drop(&mut self) {
        // SAFETY: a child of ours that was not waited for.
        unsafe { libc::kill(self.pid, libc::SIGKILL) };
        // SAFETY: the status is not wanted.
        unsafe { libc::waitpid(self.pid, std::ptr::null_mut(), 0) };
    }
}

/// 256 MiB by `memcpy` and from the child in pieces of several sizes.
fn copy(c: &mut Criterion, child: &Child) {
    let len = 256 * MIB;
    let source = vec![1_u8; len];
    let mut target = vec![2_u8; len];
    let mut group = c.benchmark_group("copy 256 MiB");
    group.throughput(Throughput::Bytes(len as u64));
    group.sample_size(10);
    group.bench_function("memcpy", |b| {
        b.iter(|| {
            target.copy_from_slice(black_box(&source));
            black_box(&target);
        });
    });
    let memory = LiveMemory::new(&child.open()).unwrap();
    for piece in [PAGE, 64 << 10, MIB, 64 * MIB] {
        group.bench_function(BenchmarkId::new("process_vm_readv", piece), |b| {
            b.iter(|| {
                let mut pieces: Vec<Piece<'_>> = target
                    .chunks_mut(piece)
                    .enumerate()
                    .map(|(i, buf)| Piece::new(child.memory.add((i * piece) as u64), buf))
                    .collect();
                memory.read_scattered(&mut pieces).unwrap();
            });
        });
    }
    group.finish();
}

/// Eight words from as many places, as a light reading takes.
fn light(c: &mut Criterion, child: &Child) {
    let memory = LiveMemory::new(&child.open()).unwrap();
    let mut words = [[0; 8]; 8];
    c.bench_function("light: 8 words", |b| {
        b.iter(|| {
            let mut place = child.memory;
            let mut pieces = words.each_mut().map(|word| {
                place = place.add(MIB as u64);
                Piece::new(place, word)
            });
            memory.read_scattered(&mut pieces).unwrap();
        });
    });
}

fn page_table(c: &mut Criterion, child: &Child) {
    let process = child.open();
    let maps = process.maps().unwrap();
    let mut group = c.benchmark_group("page table of 1 GiB");
    group.sample_size(20);
    for method in [Method::Scan, Method::Table] {
        if residency_by(&process, &maps, method).is_ok() {
            let name = BenchmarkId::from_parameter(format!("{method:?}"));
            group.bench_function(name, |b| {
                b.iter(|| residency_by(&process, &maps, method).unwrap());
            });
        }
    }
    group.bench_function("smaps_rollup", |b| {
        b.iter(|| process.smaps_rollup().unwrap());
    });
    group.finish();
    let resident = residency(&process, &maps).unwrap().residency.resident();
    assert!(resident.0 >= SIZE as u64);
}

fn small(c: &mut Criterion, child: &Child) {
    let process = child.open();
    c.bench_function("open a process", |b| b.iter(|| child.open()));
    c.bench_function("stop and release", |b| {
        b.iter(|| Stop::all_threads(&process, Duration::from_secs(1)).map(drop));
    });
    let count = hosts::processes().unwrap().count();
    c.bench_function(&format!("list {count} processes"), |b| {
        b.iter(|| hosts::processes().unwrap().count());
    });
}

fn all(c: &mut Criterion) {
    let child = Child::start();
    copy(c, &child);
    light(c, &child);
    page_table(c, &child);
    small(c, &child);
}

#[allow(missing_docs, reason = "made by the macro")]
mod group {
    criterion::criterion_group!(benches, super::all);
}
criterion_main!(group::benches);
