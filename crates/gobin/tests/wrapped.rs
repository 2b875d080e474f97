//! What goroutines were started with: what a program's `go` statements name is what is told of the
//! functions that the compiler made of them.
//!
//! `LETGO_TEST_GO` lists the toolchains as for `locate.rs`. A machine without Go skips, loudly.

mod built;

use std::fs::File;
use std::path::Path;

use built::{build, toolchains};
use letgo_gobin::{Calls, GoBinary, Image};

/// Each line with `go` is one of `STARTED`, in order.
const PROGRAM: &str = r#"package main

import "time"

var sink int
var stop = make(chan int)

//go:noinline
func far(a int, b string) { sink += a + len(b); <-stop }

func small(a int) { sink += a }

type inner struct{ n int }

//go:noinline
func (i *inner) Wait(n int) { sink += i.n + n; <-stop }

type shell struct{ *inner }

type waiter interface{ Wait(n int) }

//go:noinline
func of[T any](value T) { sink += len([]T{value}); <-stop }

//go:noinline
func pick(n int) waiter { return shell{&inner{n}} }

func main() {
	own := &inner{1}
	go far(1, "a")
	go small(sink)
	go own.Wait(2)
	go shell{own}.Wait(3)
	go of(sink)
	go pick(4).Wait(5)
	time.Sleep(time.Millisecond)
}
"#;

/// What each `go` statement names; of an interface only the running program knows it.
const STARTED: [Option<&str>; 6] = [
    Some("main.far"),
    Some("main.small"),
    Some("main.(*inner).Wait"),
    Some("main.(*inner).Wait"),
    Some("main.of["),
    None,
];

fn check(path: &Path, what: &str) {
    let image = Image::from_file(File::open(path).expect("open")).expect("an ELF file");
    let binary = GoBinary::open(image, None).expect("a Go program");
    let mut calls = Calls::new(&binary, binary.gofunc_offset()).expect("the moduledata");
    let made = binary
        .functions
        .by_names(&|name| name.starts_with(b"main.main"));
    let made = made.expect("readable").into_iter();
    let mut made: Vec<_> = made.filter(|one| one.name != "main.main").collect();
    assert_eq!(made.len(), STARTED.len(), "{what}: {made:?}");
    // Their numbers are those of the statements.
    made.sort_by(|a, b| a.name.cmp(&b.name));
    let mut told = Vec::new();
    for one in &made {
        let started = calls.started_with(one.entry).expect("readable");
        told.push((one.name.clone(), started.expect("a function")));
    }
    for ((own, told), wanted) in told.iter().zip(STARTED) {
        match wanted {
            Some(wanted) => assert!(told.starts_with(wanted), "{what}: {own}: {told}"),
            None => assert_eq!(told, own, "{what}"),
        }
    }
    // What is no wrapper is itself.
    let main = binary.functions.by_name("main.main").expect("readable");
    let main = calls.started_with(main.expect("main.main").entry);
    assert_eq!(main.expect("readable").as_deref(), Some("main.main"));
}

#[test]
fn a_wrapper_is_called_what_it_wraps() {
    for toolchain in toolchains() {
        for (mode, flags) in [("exe", ""), ("exe", "-s -w"), ("pie", "-s -w")] {
            if let Some(path) = build(("wrapped", PROGRAM), &toolchain, mode, flags) {
                check(&path, &format!("{toolchain} {mode} {flags}"));
            }
        }
    }
}
