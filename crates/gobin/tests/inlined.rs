//! Inlined calls: what the function table of a real program says of the places where it is equals
//! what the program's own runtime says.
//!
//! `LETGO_TEST_GO` lists the toolchains as for `locate.rs`. A machine without Go skips, loudly.

mod built;

use std::collections::BTreeMap;
use std::fs::File;
use std::path::Path;
use std::process::Command;

use built::{build, toolchains};
use letgo_gobin::{Calls, GoBinary, Image, Layouts};
use letgo_target::Addr;

const PROGRAM: &str = r#"package main

import (
	"fmt"
	"reflect"
	"runtime"
)

//go:noinline
func say(name string) {
	var pcs [64]uintptr
	// Without the frames of Callers and of this function.
	number := runtime.Callers(2, pcs[:])
	fmt.Println("stack", name)
	for _, pc := range pcs[:number] {
		fmt.Println("pc", pc)
	}
	frames := runtime.CallersFrames(pcs[:number])
	for {
		frame, more := frames.Next()
		fmt.Println("frame", frame.Function, frame.Line, frame.File)
		if !more {
			return
		}
	}
}

func leaf(name string)    { say(name) }
func middle(name string)  { leaf(name + "!") }
func outer(name string)   { middle(name + "!") }
func of[T any](value T)   { leaf(fmt.Sprint(value)) }

type inner struct{ name string }

func (i inner) Speak()   { outer(i.name) }
func (i *inner) Listen() { say(i.name) }

type shell struct {
	pad int
	*inner
}

type speaker interface {
	Speak()
	Listen()
}

func main() {
	fmt.Println("main", reflect.ValueOf(main).Pointer())
	say("plain")
	outer("inlined")
	of(7)
	of("generic")
	var one speaker = &shell{0, &inner{"wrapped"}}
	one.Speak()
	one.Listen()
	func() { defer middle("deferred") }()
	for i := 0; i < 2; i++ {
		func() { defer leaf("in a loop"); defer one.Speak() }()
	}
	done := make(chan bool)
	run := func(name string) { outer(name); done <- true }
	go run("goroutine")
	<-done
	go func() { defer close(done); leaf("another") }()
	<-done
	func() {
		defer func() { recover(); outer("panicking") }()
		var none *shell
		none.pad++
	}()
	func() {
		defer func() { recover(); middle("a wrapper panics") }()
		var none speaker = (*shell)(nil)
		none.Speak()
	}()
	values := []int{3, 1, 2}
	func(less func(int, int) bool) { less(values[0], values[1]) }(func(a, b int) bool { leaf("closure"); return a < b })
}
"#;

/// Function, line, file.
type Place = (String, u32, String);

/// A stack as the program tells it.
#[derive(Default)]
struct Told {
    name: String,
    pcs: Vec<u64>,
    frames: Vec<Place>,
}

/// Runs the program: where its `main.main` is, and its stacks.
fn run(path: &Path) -> (u64, Vec<Told>) {
    let output = Command::new(path).output().expect("it runs");
    assert!(output.status.success(), "{output:?}");
    let text = String::from_utf8(output.stdout).expect("UTF-8");
    let (mut main, mut stacks) = (0, Vec::<Told>::new());
    for line in text.lines() {
        let (word, rest) = line.split_once(' ').expect("a word and more");
        match (word, stacks.last_mut()) {
            ("main", _) => main = rest.parse().expect("an address"),
            ("stack", _) => stacks.push(Told {
                name: rest.to_owned(),
                ..Told::default()
            }),
            ("pc", Some(stack)) => stack.pcs.push(rest.parse().expect("an address")),
            ("frame", Some(stack)) => {
                let mut parts = rest.splitn(3, ' ');
                let mut next = || parts.next().expect("three parts").to_owned();
                let (function, line) = (next(), next());
                stack
                    .frames
                    .push((function, line.parse().expect("a line"), next()));
            }
            _ => panic!("{line}"),
        }
    }
    (main, stacks)
}

/// Where moduledata keeps `gofunc`, by DWARF.
fn gofunc(binary: &GoBinary) -> u32 {
    let layouts = Layouts::from_dwarf(&binary.image, &|name| name == "runtime.moduledata");
    let layouts = layouts.expect("layouts");
    let module = layouts.get("runtime.moduledata").expect("moduledata");
    u32::try_from(module.field("gofunc").expect("gofunc").offset).expect("an offset")
}

fn open(path: &Path) -> GoBinary {
    let image = Image::from_file(File::open(path).expect("open")).expect("an ELF file");
    GoBinary::open(image, None).expect("a Go program")
}

/// `runtime.Callers` gives an address for each call, inlined or not: that of a frame is followed by
/// those of the calls that it was inlined into. What we are given is one address a frame, so each
/// that a frame before it stands for is passed over.
fn frames_of(calls: &mut Calls<'_>, pcs: &[Addr]) -> Vec<Addr> {
    let mut frames = Vec::new();
    let mut rest = pcs;
    while let Some((pc, _)) = rest.split_first() {
        frames.push(*pc);
        let found = calls.at(Addr(pc.0 - 1)).expect("readable");
        let shown = found.iter().filter(|call| !call.wrapper).count().max(1);
        rest = rest.get(shown..).unwrap_or_default();
    }
    frames
}

/// A function's name as the runtime prints it: without the arguments of a generic's type.
fn printed(name: &str) -> String {
    match (name.find('['), name.rfind(']')) {
        (Some(start), Some(end)) => format!("{}...{}", &name[..=start], &name[end..]),
        _ => name.to_owned(),
    }
}

fn check(whole: &GoBinary, path: &Path, what: &str) {
    let binary = open(path);
    let mut calls = Calls::new(&binary, gofunc(whole)).expect("the moduledata");
    let (main, stacks) = run(path);
    let linked = binary.functions.by_name("main.main").expect("readable");
    let bias = main - linked.expect("main.main").entry.0;
    let mut inlined = BTreeMap::new();
    for stack in &stacks {
        let pcs: Vec<Addr> = stack.pcs.iter().map(|pc| Addr(pc - bias)).collect();
        let pcs = frames_of(&mut calls, &pcs);
        let ours = calls.of_stack(&pcs);
        let count = ours.iter().filter(|call| call.inlined).count();
        inlined.insert(stack.name.clone(), count);
        let ours: Vec<Place> = ours
            .into_iter()
            .map(|call| (printed(&call.function), call.line, call.file))
            .collect();
        let frames = stack.frames.iter();
        let frames: Vec<Place> = frames
            .map(|(function, line, file)| (printed(function), *line, file.clone()))
            .collect();
        assert_eq!(ours, frames, "{what}: {}", stack.name);
    }
    assert!(stacks.len() >= 14, "{what}: {} stacks", stacks.len());
    assert!(inlined["inlined!!"] >= 3, "{what}: {inlined:?}");
    assert_eq!(inlined["plain"], 0, "{what}");
}

#[test]
fn places_are_told_as_the_runtime_tells_them() {
    for toolchain in toolchains() {
        for mode in ["exe", "pie"] {
            let Some(path) = build(("inlined", PROGRAM), &toolchain, mode, "") else {
                continue;
            };
            let whole = open(&path);
            let what = format!("{} {mode}", whole.build.version);
            check(&whole, &path, &what);
            if let Some(bare) = build(("inlined", PROGRAM), &toolchain, mode, "-s -w") {
                check(&whole, &bare, &format!("{what}, stripped"));
            }
        }
    }
}
