//! Figures as sentences and commands have them.
//!
//! Bytes have three significant digits in binary units, as everywhere in letgo's text; sizes for
//! a command line are whole MiB, in the notation of `GOMEMLIMIT`.

const MIB: u64 = 1 << 20;

/// Bytes with three significant digits: `1.60 GiB`, `412 MiB`, `512 B`.
pub(crate) fn bytes(bytes: u64) -> String {
    if bytes < 1024 {
        return format!("{bytes} B");
    }
    let mut value = float(bytes);
    let mut unit = "B";
    for next in ["KiB", "MiB", "GiB", "TiB", "PiB", "EiB"] {
        // 999.5 would be shown as 1000, so the next unit begins there.
        if value < 999.5 {
            break;
        }
        value /= 1024.0;
        unit = next;
    }
    let places = match value {
        0.0..9.995 => 2,
        9.995..99.95 => 1,
        _ => 0,
    };
    format!("{value:.places$} {unit}")
}

/// A rate in bytes: `41.0 MiB/s`.
pub(crate) fn per_second(bytes_per_s: f64) -> String {
    format!("{}/s", bytes(whole(bytes_per_s)))
}

/// A share of a whole in whole percent, without its sign: `69`; `<1` for what is not zero.
pub(crate) fn percent(part: u64, whole: u64) -> String {
    let tenths = u128::from(part) * 1000 / u128::from(whole.max(1));
    match (tenths + 5) / 10 {
        0 if part > 0 => "<1".into(),
        percent => percent.to_string(),
    }
}

/// A fraction between 0 and 1 in percent: `31 %`, `1.2 %`.
pub(crate) fn fraction(fraction: f64) -> String {
    let percent = fraction * 100.0;
    if percent < 10.0 {
        format!("{percent:.1} %")
    } else {
        format!("{percent:.0} %")
    }
}

/// Words for one or for many: `keeps` of 1, `keep` of others.
pub(crate) fn verb(count: u64, one: &'static str, many: &'static str) -> &'static str {
    if count == 1 { one } else { many }
}

/// A count with commas: `605,440`.
pub(crate) fn count(count: u64) -> String {
    let digits = count.to_string();
    let mut out = String::with_capacity(digits.len() * 4 / 3 + 1);
    for (i, digit) in digits.chars().enumerate() {
        if i > 0 && (digits.len() - i).is_multiple_of(3) {
            out.push(',');
        }
        out.push(digit);
    }
    out
}

/// A count with its noun: `1 span`, `5,150 spans`.
pub(crate) fn counted(number: u64, noun: &str) -> String {
    let plural = if number == 1 { "" } else { "s" };
    format!("{} {noun}{plural}", count(number))
}

/// The slots of a size class: `48 B slots`, `256 B slots, no pointers`.
pub(crate) fn slots(slot_bytes: u64, noscan: bool) -> String {
    let pointers = if noscan { ", no pointers" } else { "" };
    match slot_bytes {
        0 => format!("large objects{pointers}"),
        bytes => format!("{bytes} B slots{pointers}"),
    }
}

/// A time in its largest unit: `9 min`, `3 h`, `12 s`.
pub(crate) fn age(ns: u64) -> String {
    let seconds = ns / 1_000_000_000;
    match seconds {
        0..100 => format!("{seconds} s"),
        100..6000 => format!("{} min", (seconds + 30) / 60),
        6000..172_800 => format!("{} h", (seconds + 1800) / 3600),
        _ => format!("{} days", (seconds + 43_200) / 86_400),
    }
}

/// A short time: `1.2 s`, `40 ms`; from 10 s on as an age.
pub(crate) fn span(ns: u64) -> String {
    match ns {
        0..1_000_000_000 => format!("{} ms", ns / 1_000_000),
        1_000_000_000..10_000_000_000 => format!("{:.1} s", float(ns) / 1e9),
        _ => age(ns),
    }
}

/// A size for a command line: `900MiB`.
pub(crate) fn size_argument(bytes: u64) -> String {
    format!("{}MiB", bytes / MIB)
}

/// A path as a shell takes it.
pub(crate) fn quoted(path: &str) -> String {
    let plain = |c: char| c.is_alphanumeric() || "/._-+:@,=".contains(c);
    match path.chars().all(plain) && !path.is_empty() {
        true => path.to_owned(),
        false => format!("'{}'", path.replace('\'', "'\\''")),
    }
}

/// Adds sizes up, saturating: counters of a target may be nonsense.
pub(crate) fn total(sizes: impl IntoIterator<Item = u64>) -> u64 {
    sizes.into_iter().fold(0, u64::saturating_add)
}

/// Rounds up to a size that is pleasant to type: 10 MiB steps, 50 MiB from 1 GiB on.
pub(crate) fn pleasant_above(bytes: u64) -> u64 {
    let step = step(bytes);
    bytes.div_ceil(step).saturating_mul(step)
}

/// Rounds down likewise; may be 0.
pub(crate) fn pleasant_below(bytes: u64) -> u64 {
    let step = step(bytes);
    bytes / step * step
}

fn step(bytes: u64) -> u64 {
    if bytes < 1024 * MIB {
        10 * MIB
    } else {
        50 * MIB
    }
}

/// A whole number for arithmetic in parts; exact up to 2^53.
#[expect(
    clippy::cast_precision_loss,
    reason = "figures are rounded to three digits"
)]
pub(crate) fn float(number: u64) -> f64 {
    number as f64
}

/// Back to whole bytes: nothing for what is negative or not a number, saturating.
#[expect(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "`as` saturates, and what is negative or NaN becomes 0, which is what is wanted"
)]
pub(crate) fn whole(number: f64) -> u64 {
    number as u64
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn figures_have_three_digits() {
        assert_eq!(bytes(0), "0 B");
        assert_eq!(bytes(1023), "1023 B");
        assert_eq!(bytes(1 << 10), "1.00 KiB");
        assert_eq!(bytes(412 << 20), "412 MiB");
        assert_eq!(bytes(1_717_986_918), "1.60 GiB");
        assert_eq!(bytes(u64::MAX), "16.0 EiB");
        assert_eq!(percent(695, 1000), "70");
        assert_eq!(percent(1, u64::MAX), "<1");
        assert_eq!(percent(0, 0), "0");
        assert_eq!(count(605_440), "605,440");
        assert_eq!(age(540_000_000_000), "9 min");
        assert_eq!(span(1_000_000_000), "1.0 s");
        assert_eq!(span(250_400_000), "250 ms");
    }

    #[test]
    fn arguments_are_whole_steps_and_never_overflow() {
        assert_eq!(size_argument(pleasant_above(892 * MIB)), "900MiB");
        assert_eq!(size_argument(pleasant_below(2764 * MIB)), "2750MiB");
        assert_eq!(pleasant_below(9 * MIB), 0);
        assert!(pleasant_above(u64::MAX) > u64::MAX / 2);
        assert_eq!(whole(f64::NAN), 0);
        assert_eq!(whole(f64::INFINITY), u64::MAX);
    }
}
