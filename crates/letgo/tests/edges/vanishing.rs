//! Programs that end, or become another, while letgo reads them.

use std::collections::BTreeMap;
use std::process::Stdio;
use std::time::Duration;

use crate::{flat, letgo, may_read, small};

/// Killed at fifty moments of a reading: whole, or a sentence; never anything else.
#[test]
fn a_program_that_ends_in_the_middle_gives_a_sentence() {
    if !may_read("a_program_that_ends_in_the_middle_gives_a_sentence") {
        return;
    }
    let mut seen: BTreeMap<String, u32> = BTreeMap::new();
    for round in 0..50_u64 {
        let mut patient = small().start().unwrap();
        let pid = patient.pid().to_string();
        let mut args = vec!["why", &pid];
        if round % 2 == 1 {
            args.push("--stop=5000");
        }
        let mut command = letgo(&args);
        command.stdout(Stdio::piped()).stderr(Stdio::piped());
        let tool = command.spawn().unwrap();
        std::thread::sleep(Duration::from_micros(400 * round));
        if round % 3 == 0 {
            // Stays a zombie until the end of the reading.
            patient.become_zombie().unwrap();
        } else {
            drop(patient);
        }
        let output = tool.wait_with_output().unwrap();
        let said = flat(&output.stderr).replace(&pid, "PID");
        match output.status.code() {
            Some(0 | 1) => assert!(!output.stdout.is_empty(), "{output:?}"),
            Some(3) => {
                assert!(output.stdout.is_empty(), "{output:?}");
                let known = ["exited", "no process PID", "zombie"];
                assert!(known.iter().any(|word| said.contains(word)), "{said}");
            }
            _ => panic!("{output:?}"),
        }
        let key = said.split(". ").next().unwrap_or_default().to_owned();
        *seen.entry(key).or_default() += 1;
    }
    eprintln!("{seen:#?}");
    let ended: u32 = seen
        .iter()
        .filter(|(said, _)| !said.is_empty())
        .map(|(_, n)| n)
        .sum();
    assert!(ended > 0, "no reading was interrupted");
}
