//! `letgo schema`: the contract as JSON Schema.

use anyhow::{Context, Result};
use letgo_report::schema::{VERBS, schema_name, schema_of};
use serde_json::{Map, Value};

use crate::cli::{SchemaArgs, SchemaVerb};
use crate::exit::Exit;
use crate::terminal::Terminal;

/// Prints the schema of one verb, or all of them as one object by name.
///
/// # Errors
/// Standard output cannot be written.
pub fn run(args: &SchemaArgs, terminal: &Terminal) -> Result<Exit> {
    let schema = match args.verb {
        Some(verb) => schema_of(name(verb)).context("this verb has no schema")?,
        None => all(),
    };
    terminal.print(&letgo_report::json(&schema)?)?;
    Ok(Exit::Whole)
}

fn name(verb: SchemaVerb) -> &'static str {
    match verb {
        SchemaVerb::Why => "why",
        SchemaVerb::Ps => "ps",
        SchemaVerb::Doctor => "doctor",
        SchemaVerb::Release => "release",
        SchemaVerb::Tune => "tune",
        SchemaVerb::Lab => "lab",
        SchemaVerb::Heap => "heap",
        SchemaVerb::Goroutines => "goroutines",
        SchemaVerb::Path => "path",
        SchemaVerb::Diff => "diff",
        SchemaVerb::Sql => "sql",
        SchemaVerb::Type => "type",
    }
}

fn all() -> Value {
    let named = VERBS.iter().filter_map(|verb| {
        let (name, schema) = (schema_name(verb)?, schema_of(verb)?);
        Some((name.to_string(), schema))
    });
    Value::Object(named.collect::<Map<_, _>>())
}
