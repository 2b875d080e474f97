//! `kill -9` of a writer at each of its steps, and of its watchdog too.

use std::path::Path;

use letgo_linux::journal::{self, JournalDir, Who};
use letgo_linux::steps::{DIE_AT, STEPS, WATCHDOG_DIE_AT};
use letgo_linux::{Refusal, Writer};
use letgo_target::{ReadMemory, read_u32, read_u64};
use nix::libc;

use crate::child::{Child, command, resumes, until};
use crate::protocol::Task;
use crate::waking::falls_asleep;

const BIG: u64 = 0x1111_2222_3333_4444;

/// Runs the protocol with variables of the environment; answers the signal that ended it.
fn run(task: &Task, env: &[(&str, String)]) -> Option<i32> {
    let mut command = command(std::env::current_exe().unwrap(), &task.shape());
    command.envs(env.iter().map(|(name, value)| (name, value)));
    Child::spawn(&mut command).wait()
}

/// The names of all steps of an undisturbed run.
fn steps(dir: &Path) -> Vec<String> {
    let target = Child::start("variables sleeper");
    falls_asleep(&target);
    let list = dir.join("steps");
    let task = Task::new(&target, dir);
    let signal = run(&task, &[(STEPS, list.display().to_string())]);
    assert_eq!(signal, None);
    let text = std::fs::read_to_string(list).unwrap();
    text.lines().map(str::to_owned).collect()
}

/// The transient words of the target: what `big` and `half` are.
fn transient(target: &Child) -> (u64, u32) {
    let memory = target.memory();
    (
        read_u64(&memory, target.address("big")).unwrap(),
        read_u32(&memory, target.address("half")).unwrap(),
    )
}

fn wait_for_the_lock(target: &Child, dir: &JournalDir) -> Writer {
    let mut writer = None;
    until("the lock free", || {
        match Writer::open(&target.open(), dir.clone(), Who::this("test")) {
            Ok(opened) => writer = Some(opened),
            Err(Refusal::InUse { .. } | Refusal::Traced { .. }) => {}
            Err(refusal) => panic!("{refusal}"),
        }
        writer.is_some()
    });
    writer.unwrap()
}

/// What has to hold once everybody who was to put things back has done so.
fn check_sound(target: &mut Child, writer: &mut Writer, step: &str) {
    assert_eq!(transient(target), (BIG, 100), "{step}");
    assert!(writer.transient().is_empty(), "{step}");
    let memory = target.memory();
    let lasting = read_u64(&memory, target.address("lasting")).unwrap();
    let limit = read_u32(&memory, target.address("limit")).unwrap();
    assert!(matches!(lasting, 1000 | 2000), "{step}: {lasting}");
    assert!(matches!(limit, 400 | 0x0102_0304), "{step}: {limit}");
    // Whatever stays is in the journal, and can be undone.
    assert!(writer.undo_lasting().is_whole(), "{step}");
    assert_eq!(read_u64(&memory, target.address("lasting")), Ok(1000));
    assert_eq!(read_u32(&memory, target.address("limit")), Ok(400));
    // It runs, nobody traces it, and its sleeper can be woken.
    assert_eq!(target.open().status().unwrap().tracer, 0, "{step}");
    resumes(&memory, target.address("counter"));
    falls_asleep(target);
    let before = read_u64(&memory, target.address("woken")).unwrap();
    target.tell("wake");
    target.line("done");
    until(step, || {
        read_u64(&memory, target.address("woken")).unwrap() > before
    });
    let mut zero = [0; 8];
    memory.read(target.address("zero"), &mut zero).unwrap();
}

#[test]
fn whenever_the_writer_is_killed_its_watchdog_puts_things_right() {
    let root = tempfile::tempdir().unwrap();
    let names = steps(root.path());
    for wanted in [
        "journal.append.before",
        "journal.rewrite.after",
        "store.before",
        "store.after",
        "stop.after",
        "wake.before",
        "wake.after",
        "release.before",
        "restore.before",
        "restore.after",
    ] {
        assert!(
            names.iter().any(|name| name == wanted),
            "{wanted}: {names:?}"
        );
    }
    let mut killed = 0;
    for (index, name) in names.iter().enumerate() {
        let mut target = Child::start("variables sleeper");
        falls_asleep(&target);
        let dir = root.path().join(index.to_string());
        let task = Task::new(&target, &dir);
        let step = format!("step {} ({name})", index + 1);
        let signal = run(&task, &[(DIE_AT, (index + 1).to_string())]);
        // On a busy machine a stop is tried again: the number of steps varies by a few.
        killed += usize::from(signal == Some(libc::SIGKILL));
        // Nobody but the watchdog is there to do it.
        until(&step, || transient(&target) == (BIG, 100));
        let dir = JournalDir::at(&dir).unwrap();
        until(&step, || {
            journal::orphans_in(&dir, &target.open())
                .unwrap()
                .is_empty()
        });
        let mut writer = wait_for_the_lock(&target, &dir);
        check_sound(&mut target, &mut writer, &step);
    }
    assert!(killed >= 60, "{killed} of {}", names.len());
}

#[test]
fn whenever_both_are_killed_the_next_writer_puts_things_right() {
    let root = tempfile::tempdir().unwrap();
    let names = steps(root.path());
    // Where the writer dies with everything stored, the watchdog has most to do.
    let last = names
        .iter()
        .position(|name| name == "restore.before")
        .unwrap();
    let mut deaths = 0;
    for watchdog in 1..=60 {
        let mut target = Child::start("variables sleeper");
        falls_asleep(&target);
        let dir = root.path().join(format!("both-{watchdog}"));
        let task = Task::new(&target, &dir);
        let env = [
            (DIE_AT, (last + 1).to_string()),
            (WATCHDOG_DIE_AT, watchdog.to_string()),
            (STEPS, root.path().join("both").display().to_string()),
        ];
        let signal = run(&task, &env);
        assert_eq!(signal, Some(libc::SIGKILL));
        let step = format!("watchdog at {watchdog}");
        let dir = JournalDir::at(&dir).unwrap();
        until("the watchdog gone", || !is_watched(&task));
        let whole = journal::orphans_in(&dir, &target.open())
            .unwrap()
            .is_empty();
        let mut writer = wait_for_the_lock(&target, &dir);
        check_sound(&mut target, &mut writer, &step);
        if whole && writer.recovered().is_empty() {
            break;
        }
        deaths += 1;
    }
    assert!((10..60).contains(&deaths), "{deaths}");
}

#[test]
fn a_watchdog_outlives_the_signals_that_end_its_parent() {
    let target = Child::start("variables");
    let root = tempfile::tempdir().unwrap();
    let task = Task::new(&target, root.path());
    let mut parent = Child::start(&task.shape().replace("protocol", "watched"));
    assert_eq!(transient(&target).0, 5);
    let watchdog = i32::try_from(parent.said["watchdog"]).unwrap();
    let session = |pid: i32| {
        // SAFETY: takes no pointer.
        unsafe { libc::getsid(pid) }
    };
    assert_eq!(session(watchdog), watchdog, "a session of its own");
    for signal in [libc::SIGINT, libc::SIGTERM, libc::SIGHUP] {
        // SAFETY: our grandchild, which its parent has not waited for.
        assert_eq!(unsafe { libc::kill(watchdog, signal) }, 0);
    }
    // It has seen them by the time that it has run once more.
    std::thread::sleep(std::time::Duration::from_millis(50));
    assert!(is_watched(&task) && transient(&target).0 == 5);
    assert_eq!(parent.end_by(libc::SIGINT), Some(libc::SIGINT));
    until("put back", || transient(&target).0 == BIG);
    until("the watchdog gone", || !is_watched(&task));
}

#[test]
fn a_parent_that_is_done_sends_its_watchdog_home() {
    let target = Child::start("variables");
    let root = tempfile::tempdir().unwrap();
    let task = Task::new(&target, root.path());
    let mut parent = Child::start(&task.shape().replace("protocol", "watched"));
    assert!(is_watched(&task));
    assert_eq!(parent.wait(), None);
    assert!(!is_watched(&task));
    assert_eq!(transient(&target).0, BIG);
}

/// Whether the watchdog of a task runs: its environment names the task.
fn is_watched(task: &Task) -> bool {
    let shape = task.shape().replace("protocol", "");
    let has_it = |entry: std::fs::DirEntry| {
        let text = |name: &str| {
            let bytes = std::fs::read(entry.path().join(name)).unwrap_or_default();
            String::from_utf8_lossy(&bytes).into_owned()
        };
        text("cmdline").contains("child::watchdog")
            && text("environ")
                .split('\0')
                .any(|entry| entry.ends_with(&shape))
    };
    let mut entries = std::fs::read_dir("/proc").unwrap().flatten();
    entries.any(has_it)
}
