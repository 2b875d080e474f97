use letgo_testkit::{Patient, Recipe};
use std::process::Command;
#[test]
fn explore() {
    let dir = std::path::PathBuf::from("/tmp/cx");
    std::fs::create_dir_all(&dir).unwrap();
    let bin = Recipe::new("graph").build().unwrap();
    println!("{}", bin.display());
    let mut command = Command::new("sh");
    command
        .arg("-c")
        .arg("ulimit -c unlimited && cd \"$1\" && exec \"$2\"")
        .arg("sh")
        .arg(&dir)
        .arg(&bin)
        .env("GOTRACEBACK", "crash");
    let mut patient = Patient::run(command).unwrap();
    println!("{:?}", patient.truth());
    patient.stop().unwrap();
    let out = Command::new("gcore")
        .arg("-o")
        .arg(dir.join("g"))
        .arg(patient.pid().to_string())
        .output()
        .unwrap();
    println!("{}", String::from_utf8_lossy(&out.stdout));
    std::fs::copy(format!("/proc/{}/maps", patient.pid()), dir.join("maps")).ok();
    let o = Command::new("sh").arg("-c").arg(format!("cat /proc/{0}/maps > {1}/maps; for t in /proc/{0}/task/*; do echo $t; cat $t/syscall; done; cat /proc/{0}/coredump_filter", patient.pid(), dir.display())).output().unwrap();
    println!("{}", String::from_utf8_lossy(&o.stdout));
    patient.resume().unwrap();
    Command::new("kill")
        .arg("-ABRT")
        .arg(patient.pid().to_string())
        .status()
        .unwrap();
    println!("{:?}", patient.command("nothing"));
    drop(patient);
}
