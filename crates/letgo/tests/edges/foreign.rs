//! Numbers that are no process, and processes that are no Go program.

use std::process::{Child, Command, Stdio};

use letgo_testkit::{Arch, Kind, Recipe, note_skip, thread_states};

use crate::{may_read, refused, small};

/// A C program that waits for the end of its standard input.
struct Cat(Child);

impl Cat {
    fn start() -> Cat {
        let mut command = Command::new("cat");
        let child = command.stdin(Stdio::piped()).stdout(Stdio::null()).spawn();
        let cat = Cat(child.unwrap());
        let exe = format!("/proc/{}/exe", cat.0.id());
        crate::until("an execve", || {
            std::fs::read_link(&exe).is_ok_and(|path| path.ends_with("cat"))
        });
        cat
    }
}

impl Drop for Cat {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

#[test]
fn a_pid_that_nobody_has() {
    let mut ended = Cat::start();
    let pid = ended.0.id();
    ended.0.kill().unwrap();
    ended.0.wait().unwrap();
    let said = refused(pid);
    assert!(said.contains(&format!("no process {pid}")), "{said}");
    assert!(said.contains("`letgo ps` lists the Go programs"), "{said}");
}

#[test]
fn the_number_of_a_thread() {
    let patient = small().start().unwrap();
    let pid = patient.pid();
    let tasks = std::fs::read_dir(format!("/proc/{pid}/task")).unwrap();
    let tids = tasks.map(|task| task.unwrap().file_name().into_string().unwrap());
    let tid: u32 = tids
        .map(|tid| tid.parse().unwrap())
        .find(|tid| *tid != pid)
        .unwrap();
    let said = refused(tid);
    assert!(
        said.contains(&format!("{tid} is a thread of process {pid}")),
        "{said}"
    );
    assert!(said.ends_with(&format!("Run `letgo why {pid}`.")), "{said}");
}

#[test]
fn a_thread_of_the_kernel() {
    let name = std::fs::read_to_string("/proc/2/comm").unwrap_or_default();
    if name.trim() != "kthreadd" {
        return note_skip("a_thread_of_the_kernel", "process 2 is not the kernel's");
    }
    let said = refused(2);
    assert!(said.contains("2 (kthreadd) is a kernel thread"), "{said}");
}

#[test]
fn a_zombie_has_a_parent_that_does_not_wait() {
    let mut patient = small().start().unwrap();
    patient.become_zombie().unwrap();
    let said = refused(patient.pid());
    assert!(said.contains("is a zombie"), "{said}");
    assert!(
        said.contains(&format!("parent is process {}", std::process::id())),
        "{said}"
    );
    assert_eq!(thread_states(patient.pid()).unwrap(), ['Z'], "not reaped");
}

#[test]
fn a_program_without_any_go() {
    if may_read("a_program_without_any_go") {
        let cat = Cat::start();
        let said = refused(cat.0.id());
        assert!(said.contains("not a Go program"), "{said}");
        assert!(said.contains("`letgo ps`"), "{said}");
    }
}

#[test]
fn a_32_bit_program_of_go() {
    if !may_read("a_32_bit_program_of_go") {
        return;
    }
    let kind = Kind {
        arch: Arch::I386,
        ..Kind::plain()
    };
    let recipe = Recipe::new("healthy").kind(kind);
    recipe.build().unwrap();
    let Ok(patient) = recipe.start() else {
        return note_skip("a_32_bit_program_of_go", "this kernel runs none");
    };
    let said = refused(patient.pid());
    assert!(said.contains("32-bit"), "{said}");
    assert!(said.contains("x86-64"), "{said}");
    assert!(said.contains("Build it for x86-64 Linux"), "{said}");
}
