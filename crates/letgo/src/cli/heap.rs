//! Arguments of `letgo heap`.

use clap::{Args, ValueEnum};
use letgo_target::Addr;

use super::target::{HoldArgs, TargetArgs};
use crate::inspect::Wanted;

/// What the verb's own help begins with.
pub(super) const HEAP: &str = "\
What is in the heap of a program, and who holds it.\n\nReachable objects, garbage and free slots \
by size class; then the objects that hold most, with the variable or the goroutine that leads to \
them, and what they hold in turn. What an object retains is what the next GC would free if nothing \
led to that object any more";

/// Arguments of `letgo heap`.
#[derive(Args, Debug)]
#[command(about = "What is in the heap of a program, and who holds it")]
#[command(after_help = "\
Examples:
  letgo heap 4242                       totals, size classes, largest holders
  letgo heap 4242 --top 50 --depth 4    more of them, and further down
  letgo heap core.4242 --exe ./api      a core file
  letgo heap api.snap                   a snapshot of `letgo snap`
  letgo heap 4242 -o html > heap.html   a page with pictures, in one file
  letgo heap 4242 --path 0xc000123440   why that object is alive
  letgo heap 4242 --type main.Session   its objects: the largest, their contents
  letgo heap --sql help                 tables and columns
  letgo heap 4242 --sql 'select class, count(*), sum(slot_bytes)
                         from objects group by 1'
  letgo heap 4242 -o pprof > heap.pb.gz; go tool pprof -http=: heap.pb.gz
  letgo heap 4242 -o json | jq '.holders[] | {root, retained_bytes}'

Exit status:
  0  the report is whole
  1  something could not be read (the report says what)
  2  the command line is wrong, or names more than one process
  3  no report: no such process, not a Go program, not allowed")]
#[command(override_usage = "\
letgo heap [OPTIONS] TARGET
       letgo heap [OPTIONS] --name NAME | --cgroup PATH
       letgo heap [OPTIONS] --pod NS/NAME [--container NAME]")]
// Which tables there are is told of no program.
#[command(mut_arg("target", |target| target.required_unless_present("sql")))]
pub struct HeapArgs {
    /// What is read.
    #[command(flatten)]
    pub target: TargetArgs,
    /// How it is held.
    #[command(flatten)]
    pub hold: HoldArgs,
    /// Holders that are listed
    #[arg(long, value_name = "N", default_value_t = 10)]
    #[arg(value_parser = clap::value_parser!(u32).range(1..=10_000))]
    pub top: u32,
    /// Levels of what they hold that are listed
    #[arg(long, value_name = "N", default_value_t = 2)]
    #[arg(value_parser = clap::value_parser!(u32).range(0..=20))]
    pub depth: u32,
    /// Why an object, or all of a type, is alive: the ways that lead there from roots
    #[arg(long, value_name = "ADDR|TYPE", value_parser = wanted)]
    #[arg(
        long_help = "Why an object is alive: the shortest way from a root to it, and all ways by \
        what they lead through. ADDR is an address anywhere in the object, in hex after 0x; without \
        0x, digits are taken as decimal, as --sql writes addresses as CSV and JSON, where the \
        program has memory there, else as hex. TYPE stands for all objects of that type"
    )]
    #[arg(conflicts_with_all = ["top", "depth"])]
    pub path: Option<Wanted>,
    /// The objects of a type: how many, the largest, what is in them
    #[arg(long = "type", value_name = "TYPE", conflicts_with_all = ["path", "depth"])]
    #[arg(
        long_help = "The objects of a type: how many there are, which of them retain most, and \
        what their first bytes are, read at that moment. Objects whose type is not known are \
        called by the size of their slots, as in '48 B'"
    )]
    pub type_name: Option<String>,
    /// Ask in SQL; without a question: which tables there are
    #[arg(long, value_name = "QUESTION", num_args = 0..=1, default_missing_value = "help")]
    #[arg(
        long_help = "Ask in SQL over the tables objects, edges, types, spans, goroutines and \
        roots. A question is one select; - reads it from standard input, help (or nothing) lists \
        tables and columns. Nothing can be changed, and no file is read"
    )]
    #[arg(conflicts_with_all = ["top", "depth", "path", "type_name"])]
    pub sql: Option<String>,
    /// How to write the report
    #[arg(long, short, value_enum, default_value_t, value_name = "FORMAT")]
    pub output: HeapOutput,
}

/// How a heap is written.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default, ValueEnum)]
pub enum HeapOutput {
    /// For people.
    #[default]
    Text,
    /// For programs: see `letgo schema`.
    Json,
    /// A page with pictures, for a browser; it needs nothing else.
    Html,
    /// For `go tool pprof`: objects and bytes, with holders as stacks.
    Pprof,
    /// For flame graphs: a line a stack, the root first, and bytes.
    Folded,
    /// With --sql: a line a row, with commas.
    Csv,
}

/// An address, or the name of a type. Digits alone are an address, decimal or hex: no type is
/// called so.
fn wanted(text: &str) -> Result<Wanted, String> {
    let digits = text.strip_prefix("0x").unwrap_or(text);
    let is_plain = digits.len() == text.len() && text.bytes().all(|digit| digit.is_ascii_digit());
    match (u64::from_str_radix(digits, 16), text.parse()) {
        (Ok(hex), Ok(decimal)) if is_plain => Ok(Wanted::Digits {
            decimal: Addr(decimal),
            hex: Some(Addr(hex)),
        }),
        (Err(_), Ok(decimal)) if is_plain => Ok(Wanted::Digits {
            decimal: Addr(decimal),
            hex: None,
        }),
        (parsed, _) => address_or_type(text, parsed.ok(), digits.len() < text.len()),
    }
}

fn address_or_type(text: &str, hex: Option<u64>, has_prefix: bool) -> Result<Wanted, String> {
    match hex {
        Some(addr) => Ok(Wanted::Address(Addr(addr))),
        None if has_prefix => Err("it is no address of 64 bits".into()),
        None if text.is_empty() => Err("it is an address such as 0xc000123440, or a type".into()),
        None => Ok(Wanted::Type(text.to_owned())),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hex_is_an_address_and_all_else_a_type() {
        let address = Ok(Wanted::Address(Addr(0xc000_0123_4400)));
        assert_eq!(wanted("0xc00001234400"), address);
        assert_eq!(wanted("c00001234400"), address);
        for name in ["main.T", "[]uint8", "map[string]int", "string"] {
            assert_eq!(wanted(name), Ok(Wanted::Type(name.into())));
        }
        let digits = |decimal, hex| Ok(Wanted::Digits { decimal, hex });
        let hex = Some(Addr(0x2714_5578_7417_6000));
        assert_eq!(
            wanted("2714557874176000"),
            digits(Addr(2_714_557_874_176_000), hex)
        );
        // 20 digits are no hex number of 64 bits.
        let high = "18446744073709551615";
        assert_eq!(wanted(high), digits(Addr(u64::MAX), None));
        assert!(wanted("0xzz").is_err() && wanted("").is_err());
        assert!(wanted("0x11112222333344445").is_err());
    }
}
