//! [`Peers`]: goref and viewcore, where they are, and what they say.
//!
//! Looked for in the folder `LETGO_RACE_BIN`, in `PATH`, and among those that an earlier race has
//! built; else built by `go install`. A peer that is not to be had has no row.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result, anyhow, bail};

use super::scratch::Scratch;
use super::stopwatch::{Stopwatch, Took};
use super::tool::{Found, Sum};
use crate::lab::bench::Bench;
use crate::lab::go::cache_dir;

const GOREF: (&str, &str) = ("grf", "github.com/cloudwego/goref/cmd/grf");
const VIEWCORE: (&str, &str) = ("viewcore", "golang.org/x/debug/cmd/viewcore");

/// The peers of this machine.
#[derive(Debug)]
pub(super) struct Peers {
    goref: Result<Peer, String>,
    viewcore: Result<Peer, String>,
}

/// One of them.
#[derive(Debug)]
struct Peer {
    program: PathBuf,
    /// As its build information has it.
    version: String,
}

impl Peers {
    /// Looks for them, and builds what is not there.
    pub(super) fn find(bench: &Bench) -> Peers {
        let find =
            |(name, path)| Peer::find(bench, name, path).map_err(|error| format!("{error:#}"));
        Peers {
            goref: find(GOREF),
            viewcore: find(VIEWCORE),
        }
    }

    /// Which they are, for notes.
    pub(super) fn versions(&self) -> Vec<String> {
        let both = [&self.goref, &self.viewcore].into_iter().flatten();
        both.map(|peer| format!("Raced against {}.", peer.version))
            .collect()
    }

    /// `grf attach`, which writes a profile of all that is reachable.
    ///
    /// # Errors
    /// It is not there, or fails.
    pub(super) fn goref(
        &self,
        bench: &Bench,
        stopwatch: &Stopwatch,
        scratch: &Scratch,
        pid: u32,
    ) -> Result<(Took, Found)> {
        let peer = self.goref.as_ref().map_err(|why| anyhow!("{why}"))?;
        let profile = scratch.file("goref.pb.gz");
        let text = profile.to_string_lossy();
        let arguments = ["attach", &pid.to_string(), "-o", &text];
        let took = stopwatch.run(peer.program.as_os_str(), arguments, &[0])?;
        let mut command = bench.go_command();
        let shown = command
            .args(["tool", "pprof", "-raw"])
            .arg(&profile)
            .output()?;
        scratch.remove(&profile);
        let shown = String::from_utf8_lossy(&shown.stdout);
        let sum = samples(&shown)
            .with_context(|| format!("it wrote no profile: {}", took.last_words()))?;
        Ok((took, Found::counted(sum)))
    }

    /// `gcore`, then `viewcore overview`; what it found is counted by `viewcore histogram`.
    ///
    /// # Errors
    /// One of them is not there, or fails.
    pub(super) fn viewcore(
        &self,
        stopwatch: &Stopwatch,
        scratch: &Scratch,
        pid: u32,
    ) -> Result<(Took, Found)> {
        let peer = self.viewcore.as_ref().map_err(|why| anyhow!("{why}"))?;
        let exe = std::fs::read_link(format!("/proc/{pid}/exe"))?;
        let (prefix, core) = (scratch.file("core"), scratch.file(&format!("core.{pid}")));
        let prefix = prefix.to_string_lossy();
        let dumped = stopwatch.run("gcore".as_ref(), ["-o", &prefix, &pid.to_string()], &[0])?;
        let ask = |what: &str| {
            let (core, exe) = (core.to_string_lossy(), exe.to_string_lossy());
            stopwatch.run(
                peer.program.as_os_str(),
                [&*core, "--exe", &*exe, what],
                &[0],
            )
        };
        let asked = ask("overview").and_then(|view| Ok((view, ask("histogram")?)));
        scratch.remove(&core);
        let (view, types) = asked?;
        let sum = histogram(&types.stdout)
            .with_context(|| format!("it counts nothing: {}", types.last_words()))?;
        Ok((dumped.and(&view), Found::counted(sum)))
    }
}

impl Peer {
    fn find(bench: &Bench, name: &str, path: &str) -> Result<Peer> {
        let built = cache_dir().join("lab/peers");
        let asked = std::env::var_os("LETGO_RACE_BIN").map(PathBuf::from);
        let paths = std::env::var_os("PATH").unwrap_or_default();
        let mut dirs = asked
            .into_iter()
            .chain(std::env::split_paths(&paths))
            .chain([built.clone()]);
        let program = dirs.find_map(|dir| Some(dir.join(name)).filter(|file| file.is_file()));
        let program = match program {
            Some(program) => program,
            None => install(bench, &built, name, path)?,
        };
        let mut command = bench.go_command();
        let shown = command.args(["version", "-m"]).arg(&program).output()?;
        let version =
            module(&String::from_utf8_lossy(&shown.stdout)).unwrap_or_else(|| name.into());
        Ok(Peer { program, version })
    }
}

fn install(bench: &Bench, into: &Path, name: &str, path: &str) -> Result<PathBuf> {
    bench.say(&format!("{name} is not there: go install {path}@latest"));
    let mut command: Command = bench.go_command();
    command
        .args(["install", &format!("{path}@latest")])
        .env("GOBIN", into)
        .env("GOFLAGS", "");
    let output = command.output()?;
    if !output.status.success() {
        let told = String::from_utf8_lossy(&output.stderr);
        let last = told.trim().lines().last().unwrap_or_default();
        bail!(
            "{name} is neither in LETGO_RACE_BIN nor in PATH, and go install {path} says: {last}"
        );
    }
    Ok(into.join(name))
}

/// Module and version of `go version -m`.
fn module(text: &str) -> Option<String> {
    let words = |line: &str| line.split('\t').map(str::to_owned).collect::<Vec<_>>();
    let found = text.lines().map(|line| words(line.trim()));
    let found = found.filter(|words| words.first().is_some_and(|kind| kind == "mod"));
    let found = found.map(|words| words.get(1..3).map(|pair| pair.join(" ").trim().to_owned()));
    found.flatten().next()
}

/// What goref calls an object of which it knows nothing but that it is reachable.
const NO_TYPE: [&str; 2] = ["$sub_objects$", "(*void)"];

/// All samples of `go tool pprof -raw`. A sample is typed as its innermost place is.
fn samples(text: &str) -> Option<Sum> {
    let places = section(text, "Locations").map_while(halves);
    let untyped = places.filter(|(_, what)| NO_TYPE.iter().any(|name| what.contains(name)));
    let untyped: BTreeSet<&str> = untyped.map(|(id, _)| id).collect();
    let mut lines = section(text, "Samples:");
    if !lines.next()?.starts_with("inuse_objects") {
        return None;
    }
    let mut sum = Sum::default();
    for (figures, way) in lines.map_while(halves) {
        let mut figures = figures.split_whitespace().map(str::parse::<u64>);
        let (objects, bytes) = (figures.next()?.ok()?, figures.next()?.ok()?);
        let innermost = way.split_whitespace().next();
        sum.add(
            objects,
            bytes,
            !innermost.is_some_and(|id| untyped.contains(id)),
        );
    }
    Some(sum)
}

/// The lines below a heading.
fn section<'t>(text: &'t str, name: &str) -> impl Iterator<Item = &'t str> {
    text.lines()
        .skip_while(move |line| line.trim() != name)
        .skip(1)
}

/// The sides of the colon of an indented line.
fn halves(line: &str) -> Option<(&str, &str)> {
    let (left, right) = line.split_once(':').filter(|_| line.starts_with(' '))?;
    Some((left.trim(), right.trim()))
}

/// All types of `viewcore histogram`; what it knows nothing of is an `unk` of a size.
fn histogram(text: &str) -> Option<Sum> {
    let mut lines = text
        .lines()
        .skip_while(|line| !line.trim().starts_with("count"));
    lines.next()?;
    let mut sum = Sum::default();
    for line in lines {
        let words: Vec<&str> = line.split_whitespace().collect();
        let number = |at: usize| words.get(at)?.parse::<u64>().ok();
        let unknown = |name: &str| {
            let size = name.strip_prefix("unk");
            size.is_some_and(|size| size.bytes().all(|byte| byte.is_ascii_digit()))
        };
        let typed = !words.get(3).is_some_and(|name| unknown(name));
        sum.add(number(0)?, number(2)?, typed);
    }
    Some(sum)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_profile_is_summed() {
        let text = "PeriodType: \nPeriod: 0\nSamples:\ninuse_objects/count inuse_space/bytes\n          \
                    1         24: 16 25 5 \n         25       1176: 125 115 \nLocations\n    16: 0x0 M=1 x\n   125: 0x0 \
                    $sub_objects$ :0:0 s=0()\n   115: 0x0 main.cache\n";
        let sum = Sum {
            objects: 26,
            bytes: 1200,
            untyped_bytes: 1176,
        };
        assert_eq!(samples(text), Some(sum));
        assert_eq!(samples("grf: no such process\n"), None);
    }

    #[test]
    fn types_are_summed() {
        let text = " count   size    bytes type\n 20000   1792 35840000 unk1792\n     1 540672   540672 \
                    [22528][]*main.Leaf\n";
        let sum = Sum {
            objects: 20_001,
            bytes: 36_380_672,
            untyped_bytes: 35_840_000,
        };
        assert_eq!(histogram(text), Some(sum));
        assert_eq!(histogram("panic: nil\n"), None);
    }

    #[test]
    fn a_version_is_that_of_the_module() {
        let text = "grf: go1.26.8\n\tpath\tgithub.com/x/y/cmd/grf\n\tmod\tgithub.com/x/y\tv1.2.0\th1:a=\n\
                    \tdep\tz\tv1\n";
        assert_eq!(module(text).as_deref(), Some("github.com/x/y v1.2.0"));
        assert_eq!(module("no\n"), None);
    }
}
