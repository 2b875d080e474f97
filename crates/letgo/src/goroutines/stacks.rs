//! Goroutines by stack, for other tools: [`folded`] lines and a [`pprof`] profile.

use std::collections::BTreeMap;

use letgo_profile::{Frame, Profile, Sample, ValueType};
use letgo_report::{CallFrame, GoroutineGroup, GoroutinesReport};

/// Stands for calls that a long stack was cut by.
const LEFT_OUT: &str = "...";

/// A line a group: who started it, the calls from the outermost one on, and the number.
pub(crate) fn folded(report: &GoroutinesReport) -> String {
    let mut text = String::new();
    for group in &report.groups {
        let created = group.created_by.iter();
        let created = created.map(|at| format!("created by {}", at.function));
        let calls = calls(group).into_iter().rev();
        let calls =
            calls.map(|call| call.map_or(LEFT_OUT.into(), |call| call.shown().into_owned()));
        let calls: Vec<String> = created.chain(calls).map(|name| plain(&name)).collect();
        text += &format!("{} {}\n", calls.join(";"), group.count);
    }
    text
}

/// A name without what has a meaning in a folded line.
fn plain(name: &str) -> String {
    let plain = |c: char| match c {
        ';' => ':',
        c if c.is_control() => '?',
        c => c,
    };
    name.chars().map(plain).collect()
}

/// A gzip'd profile: number, bytes of stacks, and bytes that are retained, by stack.
pub(crate) fn pprof(report: &GoroutinesReport) -> std::io::Result<Vec<u8>> {
    let types = [
        ("goroutines", "count"),
        ("stack", "bytes"),
        ("retained", "bytes"),
    ];
    let types = types.map(|(kind, unit)| ValueType { kind, unit });
    let mut profile = Profile::new(&types);
    for group in &report.groups {
        samples(group).iter().for_each(|sample| profile.add(sample));
    }
    profile.gzip()
}

/// A call as profiles want it: C code has no lines, and its file is that of its machine code.
fn called(call: Option<&CallFrame>) -> Frame<'_> {
    Frame {
        function: call.map_or(LEFT_OUT, |call| &call.function),
        file: call.map_or("", |call| call.object.as_ref().unwrap_or(&call.file)),
        line: call.map_or(0, |call| call.line),
    }
}

/// The calls, innermost first; nothing stands for those that are not listed or were not found.
fn calls(group: &GoroutineGroup) -> Vec<Option<&CallFrame>> {
    let mut calls = Vec::new();
    let half = group.frames.len() / 2;
    for (number, frame) in group.frames.iter().enumerate() {
        if number == half && group.frames_more > 0 {
            calls.push(None);
        }
        calls.push(Some(frame));
        if frame.gap {
            calls.push(None);
        }
    }
    calls
}

fn frames(group: &GoroutineGroup) -> Vec<Frame<'_>> {
    calls(group).into_iter().map(called).collect()
}

/// A sample for each set of labels that is known, and one for the rest. What the group retains is
/// nobody's of it alone, and is with the rest.
fn samples(group: &GoroutineGroup) -> Vec<Sample<'_>> {
    let mut all = Vec::new();
    let (mut count, mut stacks) = (group.count, group.stack_bytes);
    for set in &group.label_sets {
        count = count.saturating_sub(set.count);
        stacks = stacks.saturating_sub(set.stack_bytes);
        all.push(sample(group, &set.labels, [set.count, set.stack_bytes, 0]));
    }
    let retained = group.retained_bytes.unwrap_or(0);
    if all.is_empty() || count > 0 || retained > 0 {
        all.push(sample(group, &group.labels, [count, stacks, retained]));
    }
    all
}

fn sample<'a>(
    group: &'a GoroutineGroup,
    own: &'a BTreeMap<String, String>,
    values: [u64; 3],
) -> Sample<'a> {
    let mut labels = vec![
        ("verdict", group.verdict.as_str()),
        ("status", group.status.as_str()),
    ];
    if let Some(reason) = &group.wait_reason {
        labels.push(("wait_reason", reason));
    }
    if let Some(at) = &group.created_by {
        labels.push(("created_by", &at.function));
    }
    labels.extend(
        own.iter()
            .map(|(key, value)| (key.as_str(), value.as_str())),
    );
    Sample {
        frames: frames(group),
        values: values.to_vec(),
        labels,
    }
}

#[cfg(test)]
mod tests {
    use std::process::Command;

    use super::*;

    fn report() -> GoroutinesReport {
        let dir = concat!(env!("CARGO_MANIFEST_DIR"), "/../report/samples");
        let json = std::fs::read_to_string(format!("{dir}/goroutines.json")).unwrap();
        serde_json::from_str(&json).unwrap()
    }

    #[test]
    fn a_folded_line_goes_from_the_outermost_call_to_the_innermost() {
        let text = folded(&report());
        assert_eq!(text.lines().count(), report().groups.len());
        let line = text.lines().next().unwrap();
        assert_eq!(
            line,
            "created by example.com/api.(*Server).Handle;\
             example.com/api/internal/queue.(*Worker).loop;\
             example.com/api/internal/queue.(*Worker).next;\
             runtime.chanrecv1;runtime.chanrecv;runtime.gopark 12211"
        );
        assert_eq!(plain("a;b\n"), "a:b?");
    }

    #[test]
    fn functions_of_c_are_told_from_those_of_go() {
        let mut group = report().groups.remove(0);
        let own = [
            CallFrame::of_c("nanosleep", "/lib/libc.so.6", false),
            CallFrame::of_c("libz.so.1+0x12", "/lib/libz.so.1", true),
        ];
        group.frames.splice(.., own);
        group.created_by = None;
        let names: Vec<&str> = frames(&group).iter().map(|frame| frame.function).collect();
        assert_eq!(names, ["nanosleep", "libz.so.1+0x12", "..."]);
        assert_eq!(frames(&group)[0].file, "/lib/libc.so.6");
        let report = GoroutinesReport {
            groups: vec![group],
            ..report()
        };
        let line = "...;C libz.so.1+0x12;C nanosleep (libc.so.6) 12211\n";
        assert_eq!(folded(&report), line);
    }

    /// Go's own tool reads the profile, and finds the figures of the report in it.
    #[test]
    fn the_profile_is_one_that_pprof_reads() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("goroutines.pb.gz");
        std::fs::write(&path, pprof(&report()).unwrap()).unwrap();
        let tool = |args: &[&str]| {
            let output = Command::new("go")
                .args(["tool", "pprof"])
                .args(args)
                .arg(&path)
                .env("PPROF_TMPDIR", dir.path())
                .output();
            output.ok().map(|output| {
                assert!(output.status.success(), "{output:?}");
                String::from_utf8(output.stdout).unwrap()
            })
        };
        let Some(raw) = tool(&["-raw"]) else {
            eprintln!("SKIPPED: no Go toolchain");
            return;
        };
        assert!(
            raw.contains("goroutines/count[dflt] stack/bytes retained/bytes"),
            "{raw}"
        );
        assert!(raw.contains("12211   50016256  265289728"), "{raw}");
        assert!(raw.contains("verdict:[proven]"), "{raw}");
        let top = tool(&["-top", "-sample_index=goroutines"]).unwrap();
        let parked = top.lines().find(|line| line.ends_with("runtime.gopark"));
        assert!(parked.is_some_and(|line| line.contains("12401")), "{top}");
    }
}
