//! [`nearest`]: which types somebody may have meant who named one that there is none of.
//!
//! By the last element of names, whatever their case: `Session`, `main.session` and
//! `*main.Session` mean `main.Session`. Names that begin so come next.

use super::{Marked, Program};

/// Names that are told.
const MOST: usize = 3;
/// Letters of a name that others are told by that begin with it.
const LEAST: usize = 3;

/// Names of types that are near to what was asked for, the nearest first.
pub(super) fn nearest(program: &Program, marked: &Marked, asked: &str) -> Vec<String> {
    let (tally, _) = marked.typed(program).tally(&marked.reachable);
    let named = |own: &letgo_heap::TypeCount| marked.name_of(program, own.id);
    let names = tally
        .iter()
        .filter_map(|own| Some((named(own)?, own.count.bytes)));
    among(asked, names)
}

/// The words of a complaint: what may have been meant, else nothing.
pub(super) fn advice(near: &[String]) -> Option<String> {
    let (last, others) = near.split_last()?;
    Some(match others {
        [] => format!("There is {last}"),
        _ => format!("There are {} and {last}", others.join(", ")),
    })
}

/// The nearest of some names, each with its bytes: of equal ones those of most.
fn among<'a>(asked: &str, names: impl Iterator<Item = (&'a str, u64)>) -> Vec<String> {
    let wanted = last(asked);
    let mut found: Vec<(u32, u64, &str)> = names
        .filter_map(|(name, bytes)| Some((distance(asked, &wanted, name)?, bytes, name)))
        .collect();
    found.sort_by_key(|(distance, bytes, name)| (*distance, std::cmp::Reverse(*bytes), *name));
    found.dedup_by_key(|(.., name)| *name);
    let names = found
        .into_iter()
        .take(MOST)
        .map(|(.., name)| name.to_owned());
    names.collect()
}

/// How far a name is from what was asked for; nothing where it is another.
fn distance(asked: &str, wanted: &str, name: &str) -> Option<u32> {
    // Parts of maps and closures are not what types are asked for by.
    if wanted.is_empty() || name.contains(' ') {
        return None;
    }
    let own = last(name);
    let is_plain = plain(name).len() == name.len();
    match () {
        () if plain(asked).eq_ignore_ascii_case(name) => Some(0),
        () if own == wanted && is_plain => Some(1),
        () if own == wanted => Some(2),
        () if wanted.len() >= LEAST && own.starts_with(wanted) => Some(3),
        () => None,
    }
}

/// A name without what stands for a pointer or a slice.
fn plain(name: &str) -> &str {
    name.trim_start_matches(['*', '&', '[', ']', ' '])
}

/// The last element of a name, in small letters: of `net/http.Request` and of `http.request`
/// `request`.
fn last(name: &str) -> String {
    let plain = plain(name.trim());
    // What is in brackets are arguments of a generic type, or a key.
    let own = plain.split('[').next().unwrap_or(plain);
    let element = own.rsplit(['.', '/']).next().unwrap_or(own);
    element.to_lowercase()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_type_is_known_by_its_last_element_whatever_the_case() {
        let names = [
            ("main.Session", 100),
            ("[]main.Session", 900),
            ("main.SessionStore", 10),
            ("http.Request", 50),
            ("string", 5000),
            ("map[string]*main.Session", 7000),
            ("map[string]*main.Session groups", 8000),
            ("main.Cache[main.Key,*main.Session]", 70),
        ];
        let near = |asked| among(asked, names.into_iter());
        for asked in [
            "Session",
            "main.session",
            "*main.Session",
            "x/y/main.Session",
        ] {
            assert_eq!(near(asked)[0], "main.Session", "{asked}");
        }
        assert_eq!(
            near("session"),
            ["main.Session", "[]main.Session", "main.SessionStore"]
        );
        assert_eq!(near("net/http.Request"), ["http.Request"]);
        assert_eq!(near("cache"), ["main.Cache[main.Key,*main.Session]"]);
        for asked in ["", "main.", "*", "Absent", "St"] {
            assert_eq!(near(asked), [""; 0], "{asked}");
        }
        assert_eq!(
            advice(&near("session")[..1]).unwrap(),
            "There is main.Session"
        );
        assert_eq!(advice(&[]), None);
    }
}
