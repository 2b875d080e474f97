//! What the environment asked the runtime for, against what is in force.
//!
//! The runtime reads `GOGC`, `GOMEMLIMIT` and `GODEBUG` once, at the start; a program (or letgo)
//! may have set other values since. Parses as the runtime does.
//!
//! Source: src/runtime/mgcpacer.go, `readGOGC`, `readGOMEMLIMIT`; src/runtime/string.go,
//! `parseByteCount`; src/runtime/runtime1.go, `parsegodebug`; go1.19 to go1.27.

use crate::facts::Facts;
use crate::words;

/// One variable of the environment against the live value.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Setting {
    /// `GOGC`, `GOMEMLIMIT`, or `GODEBUG madvdontneed` and its like.
    pub name: String,
    /// As the environment had it; `None` where it was not set.
    pub environment: Option<String>,
    /// In force, in the same words.
    pub live: String,
    /// The live value is not what the environment, or the runtime's default, asked for.
    pub differs: bool,
}

/// Compares the environment with what is in force. Without a readable environment nothing is
/// said to differ.
pub fn settings(facts: &Facts) -> Vec<Setting> {
    let environment = &facts.environment;
    let mut found = vec![gogc(facts), gomemlimit(facts)];
    let switches = [
        ("madvdontneed", facts.debug.madvdontneed),
        ("disablethp", facts.debug.disablethp),
        ("profstackdepth", facts.debug.profstackdepth),
    ];
    for (name, live) in switches {
        let asked = environment
            .godebug
            .as_deref()
            .and_then(|text| godebug(text, name));
        if let (Some(asked), Some(live)) = (asked, live) {
            found.push(Setting {
                name: format!("GODEBUG {name}"),
                environment: Some(asked.into()),
                live: live.to_string(),
                differs: asked.parse() != Ok(live),
            });
        }
    }
    found
}

/// The value of `key` in a `GODEBUG` string. The last one wins, as in the runtime.
pub(crate) fn godebug<'a>(text: &'a str, key: &str) -> Option<&'a str> {
    text.split(',')
        .rev()
        .filter_map(|part| part.split_once('='))
        .find(|(name, _)| *name == key)
        .map(|(_, value)| value)
}

/// `GOGC` as the runtime reads it: `None` is off; what is malformed is 100.
pub(crate) fn parse_gogc(text: Option<&str>) -> Option<u32> {
    match text {
        Some("off") => None,
        Some(text) => match text.parse::<i32>() {
            Ok(number) => u32::try_from(number).ok(),
            Err(_) => Some(100),
        },
        None => Some(100),
    }
}

/// `GOMEMLIMIT` as the runtime reads it: `None` is no limit. The runtime does not start with a
/// malformed one.
pub(crate) fn parse_limit(text: Option<&str>) -> Option<u64> {
    let text = text.filter(|text| !text.is_empty() && *text != "off")?;
    let units = [
        ("TiB", 40),
        ("GiB", 30),
        ("MiB", 20),
        ("KiB", 10),
        ("B", 0),
        ("", 0),
    ];
    let (digits, shift) = units
        .iter()
        .find_map(|(unit, shift)| Some((text.strip_suffix(unit)?, *shift)))?;
    let number: u64 = digits.parse().ok()?;
    let bytes = number.checked_mul(1 << shift)?;
    i64::try_from(bytes)
        .ok()
        .filter(|bytes| *bytes != i64::MAX)?;
    Some(bytes)
}

/// GOGC in words.
pub(crate) fn gogc_words(percent: Option<u64>) -> String {
    percent.map_or("off".into(), |percent| percent.to_string())
}

fn gogc(facts: &Facts) -> Setting {
    let asked = parse_gogc(facts.environment.gogc.as_deref());
    let live = u32::try_from(facts.stats.gc_percent).ok();
    Setting {
        name: "GOGC".into(),
        environment: facts.environment.gogc.clone(),
        live: gogc_words(live.map(u64::from)),
        differs: facts.environment.known && asked != live,
    }
}

fn gomemlimit(facts: &Facts) -> Setting {
    let asked = parse_limit(facts.environment.gomemlimit.as_deref());
    let live = u64::try_from(facts.stats.memory_limit)
        .ok()
        .filter(|_| facts.stats.memory_limit != i64::MAX);
    Setting {
        name: "GOMEMLIMIT".into(),
        environment: facts.environment.gomemlimit.clone(),
        live: live.map_or("off".into(), words::bytes),
        differs: facts.environment.known && asked != live,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn gogc_is_read_as_the_runtime_reads_it() {
        let cases = [
            (None, Some(100)),
            (Some("off"), None),
            (Some("-7"), None),
            (Some("0"), Some(0)),
            (Some("400"), Some(400)),
            (Some("many"), Some(100)),
            (Some(""), Some(100)),
            (Some("99999999999"), Some(100)),
        ];
        for (text, percent) in cases {
            assert_eq!(parse_gogc(text), percent, "{text:?}");
        }
    }

    #[test]
    fn limits_are_read_as_the_runtime_reads_them() {
        let cases = [
            (None, None),
            (Some("off"), None),
            (Some(""), None),
            (Some("1073741824"), Some(1 << 30)),
            (Some("512B"), Some(512)),
            (Some("900MiB"), Some(900 << 20)),
            (Some("2GiB"), Some(2 << 30)),
            (Some("1TiB"), Some(1 << 40)),
            (Some("9223372036854775807"), None),
            (Some("16777216TiB"), None),
            (Some("1GB"), None),
        ];
        for (text, limit) in cases {
            assert_eq!(parse_limit(text), limit, "{text:?}");
        }
    }

    fn differs(facts: &Facts, name: &str) -> bool {
        let found = settings(facts);
        found
            .iter()
            .any(|setting| setting.name == name && setting.differs)
    }

    #[test]
    fn a_program_that_set_its_own_gogc_is_noticed() {
        let mut facts = Facts::default();
        facts.stats.gc_percent = 400;
        facts.stats.memory_limit = i64::MAX;
        assert!(
            !differs(&facts, "GOGC"),
            "an unknown environment says nothing"
        );
        facts.environment.known = true;
        assert!(differs(&facts, "GOGC"));
        assert!(!differs(&facts, "GOMEMLIMIT"));
        facts.environment.gogc = Some("400".into());
        assert!(!differs(&facts, "GOGC"));
    }

    #[test]
    fn the_last_of_two_godebug_values_wins() {
        let text = "madvdontneed=1,gctrace=1,madvdontneed=0";
        assert_eq!(godebug(text, "madvdontneed"), Some("0"));
        assert_eq!(godebug(text, "disablethp"), None);
    }
}
