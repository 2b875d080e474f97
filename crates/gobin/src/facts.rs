//! [`CachedFacts`]: what an opening found out, for the next one.

use std::fmt::Write;

use serde::{Deserialize, Serialize};

use crate::{Globals, Image, Moduledata};

/// What an opening found out. Link-time addresses, true of every copy of one build, stripped or
/// not. Where to keep it is the caller's affair.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct CachedFacts {
    /// The build that they are true of: see [`CachedFacts::key_of`].
    pub key: String,
    /// The head of the moduledata, which must be found again as it was.
    pub module: Moduledata,
    /// Whether C code is linked in.
    pub cgo: bool,
    /// Where the runtime's variables are.
    pub globals: Globals,
}

impl CachedFacts {
    /// The version of these facts; raised when a rule is repaired or a variable is added, so that
    /// older caches lapse.
    const VERSION: u32 = 3;

    /// What tells a build from every other: its GNU and Go build ids, whichever it has. Absent
    /// where it has neither.
    pub fn key_of(image: &Image) -> Option<String> {
        let (gnu, go) = (image.build_id(), image.go_build_id());
        if gnu.is_none() && go.is_none() {
            return None;
        }
        let mut key = format!("{};", CachedFacts::VERSION);
        for byte in gnu.unwrap_or_default() {
            let _ = write!(key, "{byte:02x}");
        }
        key.push(';');
        key.push_str(&go.unwrap_or_default());
        Some(key)
    }
}
