//! Text of others on a terminal: one line, with nothing in it that could steer the terminal.

/// Without escape sequences and marks of direction; control characters become one blank.
pub fn strip_control_chars(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    let mut rest = text.chars().peekable();
    while let Some(character) = rest.next() {
        match character {
            '\u{1b}' => skip_escape(&mut rest),
            '\u{200e}' | '\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}' => {}
            '\u{2028}' | '\u{2029}' => blank(&mut out),
            control if control.is_control() => blank(&mut out),
            other => out.push(other),
        }
    }
    out.trim().to_string()
}

fn blank(out: &mut String) {
    if !out.ends_with(' ') {
        out.push(' ');
    }
}

/// Skips what follows ESC: CSI … final byte, or a string that BEL or ST ends, or two characters.
fn skip_escape(rest: &mut std::iter::Peekable<std::str::Chars>) {
    match rest.peek() {
        Some('[') => {
            rest.next();
            while rest.peek().is_some_and(|each| (' '..='?').contains(each)) {
                rest.next();
            }
            rest.next_if(|each| ('@'..='~').contains(each));
        }
        Some(']' | 'P' | 'X' | '^' | '_') => {
            rest.next();
            while rest.peek().is_some_and(|each| !matches!(each, '\u{7}' | '\u{1b}')) {
                rest.next();
            }
            if rest.next_if_eq(&'\u{1b}').is_some() {
                rest.next_if_eq(&'\\');
            } else {
                rest.next_if_eq(&'\u{7}');
            }
        }
        _ => {
            while rest.next_if(|each| (' '..='/').contains(each)).is_some() {}
            rest.next_if(|each| ('0'..='~').contains(each));
        }
    }
}

/// A length of time in one unit: "42 s", "52 min", "99 years".
pub fn duration(ms: u64) -> String {
    const UNITS: [(u64, u64, &str); 4] = [
        (100_000, 1_000, "s"),
        (6_000_000, 60_000, "min"),
        (172_800_000, 3_600_000, "h"),
        (63_115_200_000, 86_400_000, "days"),
    ];
    let (_, unit, name) = UNITS.into_iter().find(|(below, _, _)| ms < *below).unwrap_or((0, 31_557_600_000, "years"));
    format!("{} {name}", (ms + unit / 2) / unit)
}
