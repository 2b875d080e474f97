//! Figures as a person reads them: bytes, shares, counts and times.
//!
//! Bytes have three significant digits in binary units. Nothing here rounds to zero what is not
//! zero: a share below one percent is `<1 %`.

use std::time::SystemTime;

const KIB: f64 = 1024.0;

/// Bytes with three significant digits: `1.60 GiB`, `412 MiB`, `64.0 KiB`, `512 B`.
pub fn bytes(bytes: u64) -> String {
    let (value, unit) = scaled(bytes);
    if unit == "B" {
        return format!("{bytes} B");
    }
    format!("{} {unit}", digits(value))
}

/// Bytes in five columns or less, for tables: `1.60G`, `412M`, `512B`.
pub fn bytes_short(bytes: u64) -> String {
    let (value, unit) = scaled(bytes);
    let letter = unit.get(..1).unwrap_or_default();
    if unit == "B" {
        return format!("{bytes}B");
    }
    format!("{}{letter}", digits(value))
}

/// `part` of `whole` in the unit of the whole: `2.38 of 3.00 GiB`.
pub fn bytes_of(part: u64, whole: u64) -> String {
    let (value, unit) = scaled(whole);
    if unit == "B" {
        return format!("{part} of {whole} B");
    }
    #[expect(clippy::cast_precision_loss, reason = "three digits are shown")]
    let scale = value / whole.max(1) as f64;
    #[expect(clippy::cast_precision_loss, reason = "three digits are shown")]
    let part = part as f64 * scale;
    let places = places(value);
    format!("{part:.places$} of {} {unit}", digits(value))
}

/// A share in whole percent: `69 %`, `<1 %`, `0 %`.
pub fn percent(part: u64, whole: u64) -> String {
    if part == 0 || whole == 0 {
        return "0 %".into();
    }
    let hundredths = u128::from(part) * 1000 / u128::from(whole);
    match (hundredths + 5) / 10 {
        0 => "<1 %".into(),
        percent => format!("{percent} %"),
    }
}

/// A fraction between 0 and 1 with what precision it deserves: `31 %`, `1.2 %`, `<0.1 %`.
pub fn fraction(fraction: f64) -> String {
    let percent = fraction * 100.0;
    if percent <= 0.0 {
        "0 %".into()
    } else if percent < 0.1 {
        "<0.1 %".into()
    } else if percent < 10.0 {
        format!("{percent:.1} %")
    } else {
        format!("{percent:.0} %")
    }
}

/// A count with commas: `605,440`.
pub fn count(count: u64) -> String {
    let digits = count.to_string();
    let mut out = String::with_capacity(digits.len() + digits.len() / 3);
    for (i, digit) in digits.chars().enumerate() {
        if i > 0 && (digits.len() - i).is_multiple_of(3) {
            out.push(',');
        }
        out.push(digit);
    }
    out
}

/// A count with its noun: `1 goroutine`, `12,404 goroutines`.
pub fn counted(number: u64, noun: &str) -> String {
    let plural = if number == 1 { "" } else { "s" };
    format!("{} {noun}{plural}", count(number))
}

/// An age, as two units: `3d 4h`, `4m 10s`, `12s`.
pub fn age(ns: u64) -> String {
    let seconds = ns / 1_000_000_000;
    let (minutes, hours, days) = (seconds / 60, seconds / 3600, seconds / 86400);
    match (days, hours, minutes) {
        (0, 0, 0) => format!("{seconds}s"),
        (0, 0, _) => format!("{minutes}m {}s", seconds % 60),
        (0, _, _) => format!("{hours}h {}m", minutes % 60),
        _ => format!("{days}d {}h", hours % 24),
    }
}

/// An age in its largest unit, for tables: `3d`, `4h`, `12s`.
pub fn age_short(ns: u64) -> String {
    let age = age(ns);
    age.split(' ').next().unwrap_or_default().to_string()
}

/// A short time with three significant digits at most: `41 ms`, `0.52 s`, `38 us`.
pub fn time(ns: u64) -> String {
    #[expect(clippy::cast_precision_loss, reason = "three digits are shown")]
    let value = ns as f64;
    match ns {
        0..1_000 => format!("{ns} ns"),
        1_000..1_000_000 => format!("{:.0} us", value / 1e3),
        1_000_000..10_000_000 => format!("{:.1} ms", value / 1e6),
        10_000_000..500_000_000 => format!("{:.0} ms", value / 1e6),
        500_000_000..60_000_000_000 => format!("{:.2} s", value / 1e9),
        _ => age(ns),
    }
}

/// A moment by RFC 3339 in UTC, in whole seconds: `2026-11-24T09:14:02Z`.
///
/// A moment before 1970 is shown as 1970.
pub fn rfc3339(at: SystemTime) -> String {
    let since = at
        .duration_since(SystemTime::UNIX_EPOCH)
        .unwrap_or_default();
    let (days, second) = (since.as_secs() / 86_400, since.as_secs() % 86_400);
    let (year, month, day) = civil(days);
    let (hour, minute, second) = (second / 3600, second / 60 % 60, second % 60);
    format!("{year:04}-{month:02}-{day:02}T{hour:02}:{minute:02}:{second:02}Z")
}

/// Year, month and day of a number of days since 1970, by the Gregorian calendar.
///
/// Counts from 1 March, so that the leap day is the last of its year.
fn civil(days: u64) -> (u64, u64, u64) {
    let days = days + 719_468;
    let (era, day_of_era) = (days / 146_097, days % 146_097);
    let leaps = day_of_era / 1460 + day_of_era / 146_096;
    let year_of_era = (day_of_era + day_of_era / 36_524 - leaps) / 365;
    let day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let from_march = (5 * day_of_year + 2) / 153;
    let day = day_of_year - (153 * from_march + 2) / 5 + 1;
    let month = if from_march < 10 {
        from_march + 3
    } else {
        from_march - 9
    };
    (year_of_era + era * 400 + u64::from(month <= 2), month, day)
}

fn scaled(bytes: u64) -> (f64, &'static str) {
    #[expect(clippy::cast_precision_loss, reason = "three digits are shown")]
    let mut value = bytes as f64;
    let mut unit = "B";
    for next in ["KiB", "MiB", "GiB", "TiB", "PiB", "EiB"] {
        // 999.5 would be shown as 1000, so the next unit begins there.
        if value < 999.5 || (unit == "B" && bytes < 1024) {
            break;
        }
        value /= KIB;
        unit = next;
    }
    (value, unit)
}

fn places(value: f64) -> usize {
    if value < 9.995 {
        2
    } else if value < 99.95 {
        1
    } else {
        0
    }
}

fn digits(value: f64) -> String {
    format!("{value:.*}", places(value))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bytes_have_three_digits_in_every_unit() {
        for (given, long, short) in [
            (0, "0 B", "0B"),
            (1023, "1023 B", "1023B"),
            (1024, "1.00 KiB", "1.00K"),
            (64 << 20, "64.0 MiB", "64.0M"),
            (412 << 20, "412 MiB", "412M"),
            (1003 << 20, "0.98 GiB", "0.98G"),
            (1_717_986_918, "1.60 GiB", "1.60G"),
            (u64::MAX, "16.0 EiB", "16.0E"),
        ] {
            assert_eq!(bytes(given), long);
            assert_eq!(bytes_short(given), short);
        }
    }

    #[test]
    fn a_part_has_the_unit_of_its_whole() {
        assert_eq!(bytes_of(256 << 20, 3 << 30), "0.25 of 3.00 GiB");
        assert_eq!(bytes_of(5 << 30, 3 << 30), "5.00 of 3.00 GiB");
        assert_eq!(bytes_of(0, 0), "0 of 0 B");
    }

    #[test]
    fn a_share_that_is_not_zero_is_not_shown_as_zero() {
        assert_eq!(percent(0, 100), "0 %");
        assert_eq!(percent(1, 1_000_000), "<1 %");
        assert_eq!(percent(695, 1000), "70 %");
        assert_eq!(percent(u64::MAX, u64::MAX), "100 %");
        assert_eq!(fraction(0.000_01), "<0.1 %");
        assert_eq!(fraction(0.0123), "1.2 %");
    }

    #[test]
    fn counts_and_times_read_well() {
        assert_eq!(count(605_440), "605,440");
        assert_eq!(count(12), "12");
        assert_eq!(counted(1, "goroutine"), "1 goroutine");
        assert_eq!(age(273_600_000_000_000), "3d 4h");
        assert_eq!(age_short(273_600_000_000_000), "3d");
        assert_eq!(time(41_000_000), "41 ms");
        assert_eq!(time(950), "950 ns");
    }

    #[test]
    fn moments_are_those_that_date_prints() {
        // Each by `date -u -d @SECONDS +%FT%TZ`.
        for (seconds, text) in [
            (0, "1970-01-01T00:00:00Z"),
            (951_782_400, "2000-02-29T00:00:00Z"),
            (951_868_800, "2000-03-01T00:00:00Z"),
            (1_735_689_599, "2024-12-31T23:59:59Z"),
            (1_795_511_642, "2026-11-24T09:14:02Z"),
            (4_107_542_400, "2100-03-01T00:00:00Z"),
        ] {
            let at = SystemTime::UNIX_EPOCH + std::time::Duration::from_secs(seconds);
            assert_eq!(rfc3339(at), text);
        }
    }
}
