//! [`Runtime`]: the runtime's own counters and settings, by the names of `runtime.MemStats`.
//!
//! Every counter may be absent: an unknown release is read as far as its shape is recognised, and
//! what was not read is not zero.

use schemars::JsonSchema;
use serde::{Deserialize, Deserializer, Serialize};

/// The runtime's counters and settings. Bytes unless said otherwise.
#[derive(Clone, PartialEq, Debug, Default, Serialize, Deserialize, JsonSchema)]
#[serde(default)]
pub struct Runtime {
    /// `HeapAlloc`: allocated objects, dead ones that are not swept yet included.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub heap_alloc: Option<u64>,
    /// The pacer's count: marked by the last GC, and allocated since.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub heap_live: Option<u64>,
    /// Marked by the last GC; absent before the first.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub heap_marked: Option<u64>,
    /// `HeapInuse`: heap spans in use.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub heap_inuse: Option<u64>,
    /// `HeapIdle`: free spans, returned or not.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub heap_idle: Option<u64>,
    /// `HeapReleased`: free spans that were returned to the OS.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub heap_released: Option<u64>,
    /// `HeapSys`
    #[serde(skip_serializing_if = "Option::is_none")]
    pub heap_sys: Option<u64>,
    /// `StackInuse`
    #[serde(skip_serializing_if = "Option::is_none")]
    pub stack_inuse: Option<u64>,
    /// `StackSys`
    #[serde(skip_serializing_if = "Option::is_none")]
    pub stack_sys: Option<u64>,
    /// `MSpanSys`
    #[serde(skip_serializing_if = "Option::is_none")]
    pub mspan_sys: Option<u64>,
    /// `MCacheSys`
    #[serde(skip_serializing_if = "Option::is_none")]
    pub mcache_sys: Option<u64>,
    /// `BuckHashSys`
    #[serde(skip_serializing_if = "Option::is_none")]
    pub buck_hash_sys: Option<u64>,
    /// `GCSys`
    #[serde(skip_serializing_if = "Option::is_none")]
    pub gc_sys: Option<u64>,
    /// `OtherSys`
    #[serde(skip_serializing_if = "Option::is_none")]
    pub other_sys: Option<u64>,
    /// `NextGC`: the heap size at which the next cycle ends.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub next_gc: Option<u64>,
    /// `NumGC`: completed cycles.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub num_gc: Option<u64>,
    /// GOGC in force, in percent; null is off.
    #[serde(skip_serializing_if = "Option::is_none", deserialize_with = "present")]
    pub gc_percent: Option<Option<u32>>,
    /// GOMEMLIMIT in force; null is none.
    #[serde(skip_serializing_if = "Option::is_none", deserialize_with = "present")]
    pub memory_limit: Option<Option<u64>>,
    /// Goroutines, as `runtime.NumGoroutine` counts them.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub goroutines: Option<u64>,
    /// Threads that the scheduler knows (`runtime.m`).
    #[serde(skip_serializing_if = "Option::is_none")]
    pub threads: Option<u64>,
    /// GOMAXPROCS.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub gomaxprocs: Option<u64>,
    /// `LastGC`: when the last cycle ended, nanoseconds since 1970; absent before the first.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub last_gc_ns: Option<u64>,
    /// How long ago that was when the reading began, in nanoseconds.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub last_gc_age_ns: Option<u64>,
    /// GC's recent share of the CPU, from two readings.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub gc_cpu_recent: Option<GcCpu>,
    /// The heap's recent rate of allocation, bytes a second, from the same two readings.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub alloc_rate_recent: Option<u64>,
}

impl Runtime {
    /// GOGC as a person writes it; nothing where it is unknown.
    pub fn gogc(&self) -> Option<String> {
        self.gc_percent
            .map(|percent| percent.map_or("off".into(), |percent| percent.to_string()))
    }
}

/// GC's share of the CPU time that GOMAXPROCS allowed, over a recent window.
#[derive(Clone, PartialEq, Debug, Default, Serialize, Deserialize, JsonSchema)]
pub struct GcCpu {
    /// Between 0 and 1.
    pub fraction: f64,
    /// Length of the window, in nanoseconds.
    pub window_ns: u64,
}

/// Tells a null from an absent field: a field that is there is `Some`.
pub(crate) fn present<'de, T, D>(deserializer: D) -> Result<Option<T>, D::Error>
where
    T: Deserialize<'de>,
    D: Deserializer<'de>,
{
    T::deserialize(deserializer).map(Some)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn off_is_null_and_unknown_is_absent() {
        let off = Runtime {
            gc_percent: Some(None),
            ..Runtime::default()
        };
        let json = serde_json::to_string(&off).unwrap();
        assert_eq!(json, r#"{"gc_percent":null}"#);
        assert_eq!(serde_json::from_str::<Runtime>(&json).unwrap(), off);
        let unknown: Runtime = serde_json::from_str("{}").unwrap();
        assert_eq!(unknown.gc_percent, None);
        assert_eq!(unknown.gogc(), None);
        assert_eq!(off.gogc().as_deref(), Some("off"));
    }
}
