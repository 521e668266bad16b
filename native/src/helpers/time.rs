//! Times for people and programs, in UTC.

/// Formats milliseconds since 1970 as RFC 3339 has it, with milliseconds or whole seconds.
pub fn rfc3339(ms: i64, with_ms: bool) -> String {
    let (days, rest) = (ms.div_euclid(86_400_000), ms.rem_euclid(86_400_000));
    let (year, month, day) = date(days);
    let (hours, minutes, seconds) = (rest / 3_600_000, rest / 60_000 % 60, rest / 1_000 % 60);
    let fraction = if with_ms { format!(".{:03}", rest % 1_000) } else { String::new() };
    format!("{year:04}-{month:02}-{day:02}T{hours:02}:{minutes:02}:{seconds:02}{fraction}Z")
}

/// Returns year, month and day of a day since 1970-01-01, counted in years that begin in March.
fn date(days: i64) -> (i64, i64, i64) {
    let day = days + 719_468;
    let (era, of_era) = (day.div_euclid(146_097), day.rem_euclid(146_097));
    let year = (of_era - of_era / 1_460 + of_era / 36_524 - of_era / 146_096) / 365;
    let of_year = of_era - (365 * year + year / 4 - year / 100);
    let month = (5 * of_year + 2) / 153;
    let after_february = if month < 10 { 3 } else { -9 };
    let january = i64::from(month >= 10);
    (year + era * 400 + january, month + after_february, of_year - (153 * month + 2) / 5 + 1)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn knows_leap_years() {
        for (ms, text) in [
            (0, "1970-01-01T00:00:00Z"),
            (951_782_400_000, "2000-02-29T00:00:00Z"),
            (1_798_761_599_999, "2026-12-31T23:59:59Z"),
            (4_107_542_400_000, "2100-03-01T00:00:00Z"),
        ] {
            assert_eq!(rfc3339(ms, false), text);
        }
        assert_eq!(rfc3339(1_798_761_599_042, true), "2026-12-31T23:59:59.042Z");
    }
}
