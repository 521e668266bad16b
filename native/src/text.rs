//! Text of others on a terminal: one line, with nothing in it that could steer the terminal.

/// Removes escape sequences and marks of direction; each run of control characters becomes one blank.
pub fn strip_control_chars(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    let mut in_controls = false;
    let mut rest = text;
    while let Some(character) = rest.chars().next() {
        rest = &rest[character.len_utf8()..];
        match character {
            '\u{1b}' => rest = &rest[escape_length(rest.as_bytes())..],
            '\u{200e}' | '\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}' => {}
            control if control.is_control() || matches!(control, '\u{2028}' | '\u{2029}') => {
                if !in_controls {
                    out.push(' ');
                }
                in_controls = true;
            }
            other => {
                out.push(other);
                in_controls = false;
            }
        }
    }
    out.trim_matches(|each: char| each.is_whitespace() || each == '\u{feff}').to_string()
}

/// Returns the number of bytes after ESC that belong to its sequence: those of a control sequence up to its
/// final byte, of a string up to BEL or ST, of another sequence up to its last byte; none if it is cut off.
fn escape_length(rest: &[u8]) -> usize {
    let run = |from: usize, bytes: std::ops::RangeInclusive<u8>| {
        from + rest[from..].iter().take_while(|each| bytes.contains(each)).count()
    };
    let ends = |at: usize, bytes: std::ops::RangeInclusive<u8>| {
        rest.get(at).is_some_and(|each| bytes.contains(each)).then_some(at + 1)
    };
    match rest.first() {
        Some(b']' | b'P' | b'X' | b'^' | b'_') => {
            let at = rest.iter().position(|each| matches!(each, 7 | 0x1b)).unwrap_or(rest.len());
            match &rest[at..] {
                [7, ..] => at + 1,
                [0x1b, b'\\', ..] => at + 2,
                _ => at,
            }
        }
        Some(b'[') if ends(run(run(1, b'0'..=b'?'), b' '..=b'/'), b'@'..=b'~').is_some() => {
            run(run(1, b'0'..=b'?'), b' '..=b'/') + 1
        }
        _ => ends(run(0, b' '..=b'/'), b'0'..=b'~').unwrap_or(0),
    }
}

/// Formats a duration in one unit: "42 s", "52 min", "99 years".
pub fn duration(ms: f64) -> String {
    const SECOND: f64 = 1_000.0;
    const UNITS: [(f64, f64, &str); 4] = [
        (100.0 * SECOND, SECOND, "s"),
        (6_000.0 * SECOND, 60.0 * SECOND, "min"),
        (172_800.0 * SECOND, 3_600.0 * SECOND, "h"),
        (63_115_200.0 * SECOND, 86_400.0 * SECOND, "days"),
    ];
    let found = UNITS.into_iter().find(|(below, _, _)| ms < *below);
    let (_, unit, name) = found.unwrap_or((0.0, 31_557_600.0 * SECOND, "years"));
    format!("{} {name}", (ms / unit + 0.5).floor().max(0.0))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn leaves_nothing_that_steers_a_terminal() {
        for (given, left) in [
            ("a\x1b[31mb\x1b[0m", "ab"),
            ("a\x1b]0;title\x07b\x1b]8;;x\x1b\\c", "abc"),
            ("a\x1b]0;title\x1b[1mb", "ab"),
            ("a\x1b[31é", "a31é"),
            ("a\x1b  é\x1b", "a  é"),
            ("a \r\n\x1b(B\t b", "a   b"),
            ("\u{feff}\u{202e}x\u{2028}\u{85}", "x"),
        ] {
            assert_eq!(strip_control_chars(given), left, "{given:?}");
        }
    }

    #[test]
    fn tells_durations_in_one_unit() {
        for (ms, text) in [(0.0, "0 s"), (1_500.0, "2 s"), (100_000.0, "2 min"), (1e9, "12 days")] {
            assert_eq!(duration(ms), text);
        }
    }
}
