//! [`Profile`]: values by stack, in the making.

use std::collections::HashMap;
use std::io::{self, Write};

use flate2::Compression;
use flate2::write::GzEncoder;
use prost::Message;

use crate::message;

/// What a value counts.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct ValueType<'a> {
    /// Of what: `goroutines`.
    pub kind: &'a str,
    /// In what: `count`, `bytes`, `nanoseconds`.
    pub unit: &'a str,
}

/// A call.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub struct Frame<'a> {
    /// The function's full name.
    pub function: &'a str,
    /// Its file; empty where it is not known.
    pub file: &'a str,
    /// The line; 0 where it is not known.
    pub line: u32,
}

/// Values of one stack.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Sample<'a> {
    /// The calls, innermost first.
    pub frames: Vec<Frame<'a>>,
    /// A value for each type, in their order.
    pub values: Vec<u64>,
    /// Whatever tells it from others of the same stack.
    pub labels: Vec<(&'a str, &'a str)>,
}

/// Values by stack, in the making.
#[derive(Clone, Debug, Default)]
pub struct Profile {
    message: message::Profile,
    strings: HashMap<String, i64>,
    /// By name and file.
    functions: HashMap<(i64, i64), u64>,
    /// By function and line.
    locations: HashMap<(u64, i64), u64>,
}

impl Profile {
    /// A profile without samples. The first type is the one that is shown where none is asked for.
    pub fn new(types: &[ValueType<'_>]) -> Profile {
        let mut profile = Profile::default();
        profile.string("");
        for each in types {
            let (kind, unit) = (profile.string(each.kind), profile.string(each.unit));
            let value_type = message::ValueType { kind, unit };
            profile.message.sample_type.push(value_type);
        }
        let first = profile.message.sample_type.first();
        profile.message.default_sample_type = first.map_or(0, |first| first.kind);
        profile
    }

    /// When it was taken, in nanoseconds since 1970.
    pub fn taken_at(&mut self, ns: i64) {
        self.message.time_nanos = ns;
    }

    /// Adds the values of a stack.
    pub fn add(&mut self, sample: &Sample<'_>) {
        let locations = sample.frames.iter();
        let location_id = locations.map(|frame| self.location(frame)).collect();
        let labels = sample.labels.iter();
        let label = labels
            .map(|(key, value)| message::Label {
                key: self.string(key),
                str: self.string(value),
            })
            .collect();
        let values = sample.values.iter();
        let value = values.map(|value| i64::try_from(*value).unwrap_or(i64::MAX));
        self.message.sample.push(message::Sample {
            location_id,
            value: value.collect(),
            label,
        });
    }

    /// The profile as a file holds it.
    ///
    /// # Errors
    /// None of memory; those of [`Write`].
    pub fn gzip(&self) -> io::Result<Vec<u8>> {
        let mut out = GzEncoder::new(Vec::new(), Compression::default());
        out.write_all(&self.message.encode_to_vec())?;
        out.finish()
    }

    fn location(&mut self, frame: &Frame<'_>) -> u64 {
        let function_id = self.function(frame);
        let line = i64::from(frame.line);
        let next = self.message.location.len() as u64 + 1;
        let id = *self.locations.entry((function_id, line)).or_insert(next);
        if id == next {
            let line = vec![message::Line { function_id, line }];
            self.message.location.push(message::Location { id, line });
        }
        id
    }

    fn function(&mut self, frame: &Frame<'_>) -> u64 {
        let (name, filename) = (self.string(frame.function), self.string(frame.file));
        let next = self.message.function.len() as u64 + 1;
        let id = *self.functions.entry((name, filename)).or_insert(next);
        if id == next {
            self.message.function.push(message::Function {
                id,
                name,
                system_name: name,
                filename,
            });
        }
        id
    }

    /// A string's number.
    fn string(&mut self, text: &str) -> i64 {
        if let Some(known) = self.strings.get(text) {
            return *known;
        }
        let number = i64::try_from(self.message.string_table.len()).unwrap_or(i64::MAX);
        self.message.string_table.push(text.to_owned());
        self.strings.insert(text.to_owned(), number);
        number
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn strings_functions_and_places_are_written_once() {
        let types = [("goroutines", "count"), ("stack", "bytes")];
        let mut profile = Profile::new(&types.map(|(kind, unit)| ValueType { kind, unit }));
        let frame = |function, line| Frame {
            function,
            file: "/src/main.go",
            line,
        };
        for (line, values) in [(7, [3, 4096]), (9, [1, u64::MAX])] {
            profile.add(&Sample {
                frames: vec![frame("main.inner", line), frame("main.main", 20)],
                values: values.to_vec(),
                labels: vec![("verdict", "none")],
            });
        }
        let message = &profile.message;
        assert_eq!(message.string_table[0], "");
        assert_eq!(message.function.len(), 2);
        let places: Vec<&[u64]> = message.sample.iter().map(|one| &*one.location_id).collect();
        assert_eq!(places, [[1, 2], [3, 2]]);
        assert_eq!(message.sample[1].value, [1, i64::MAX]);
        let ids = message.location.iter().map(|location| location.id);
        assert!(ids.eq(1..=3), "as many as places, from 1 on");
        let packed = profile.gzip().unwrap();
        assert_eq!(packed.get(..2), Some(&[0x1f, 0x8b][..]));
    }
}
