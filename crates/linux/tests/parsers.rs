//! No text of the kernel, however broken, makes a parser panic; what it gives keeps its promises.

use letgo_linux::cgroup::{
    PressureScope, container_of, container_of_path, find, parse_membership, parse_mounts,
    parse_pressure,
};
use letgo_linux::process::{
    Auxv, Limits, Stat, Statm, Status, parse_maps, parse_rollup, parse_smaps, parse_timens_offsets,
};
use letgo_linux::system::{Kernel, parse_chosen, parse_meminfo};
use letgo_target::Mapping;
use proptest::prelude::*;

fn sorted_and_disjoint<'a>(mappings: impl Iterator<Item = &'a Mapping>) -> bool {
    let mappings: Vec<&Mapping> = mappings.collect();
    mappings
        .windows(2)
        .all(|pair| pair[0].range.end() <= pair[1].range.start())
        && mappings.iter().all(|mapping| !mapping.range.is_empty())
}

/// Lines that look nearly right.
fn nearly() -> impl Strategy<Value = String> {
    let word = prop_oneof![
        "[0-9a-f]{1,18}-[0-9a-f]{1,18}",
        "[rwxps-]{0,5}",
        "[0-9]{1,22}",
        "(Rss|Pss|Swap|VmFlags|Uid|Name|some|full|total_cache|monotonic|MemTotal):?",
        "avg10=[0-9.]{0,6}",
        "(kB|max|-|:|0::/|cgroup2?|memory|/docker/[0-9a-f]{64}|kubepods-pod[0-9a-f_]{32,36}.slice)",
        "\\PC{0,8}",
    ];
    prop::collection::vec((word, "[ :/\n\t()]{0,2}"), 0..60).prop_map(|words| {
        words
            .iter()
            .map(|(word, blank)| format!("{word}{blank}"))
            .collect()
    })
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2000))]

    #[test]
    fn broken_text_is_survived(text in prop_oneof![nearly(), any::<String>()]) {
        if let Ok(maps) = parse_maps(&text) {
            prop_assert!(sorted_and_disjoint(maps.iter()));
        }
        if let Ok(smaps) = parse_smaps(&text) {
            prop_assert!(sorted_and_disjoint(smaps.mappings.iter().map(|entry| &entry.mapping)));
        }
        let _ = (Stat::parse(&text), Statm::parse(&text), Status::parse(&text));
        let _ = (parse_rollup(&text), Limits::parse(&text), parse_timens_offsets(&text));
        let _ = (Kernel::parse(&text), parse_chosen(&text), parse_meminfo(&text));
        let members = parse_membership(&text);
        for place in find(&members, &parse_mounts(&text)) {
            prop_assert!(place.below.iter().all(|part| part != ".." && !part.is_empty()));
        }
        if let Some(container) = container_of_path(&text) {
            prop_assert!(container.id.len() >= 34);
        }
        let _ = container_of(&members, &text);
        if let Some(pressure) = parse_pressure(&text, PressureScope::Host) {
            prop_assert!((0.0..=1.0).contains(&pressure.some.avg10));
        }
    }

    #[test]
    fn disordered_mappings_become_a_list_in_order(
        ranges in prop::collection::vec((0_u64..64, 0_u64..64), 0..40),
    ) {
        let text: String = ranges
            .iter()
            .map(|(start, len)| {
                let (start, end) = (start * 4096, (start + len) * 4096);
                format!("{start:x}-{end:x} rw-p 0 00:00 0\nRss: 4 kB\n")
            })
            .collect();
        let smaps = parse_smaps(&text).unwrap();
        prop_assert!(sorted_and_disjoint(smaps.mappings.iter().map(|entry| &entry.mapping)));
        prop_assert_eq!(smaps.total.rss, 4096 * smaps.mappings.len() as u64);
    }

    #[test]
    fn any_bytes_are_an_auxiliary_vector(bytes in prop::collection::vec(any::<u8>(), 0..400)) {
        let auxv = Auxv::parse(&bytes);
        let _ = (auxv.entry(), auxv.page_size(), auxv.is_secure());
    }
}
