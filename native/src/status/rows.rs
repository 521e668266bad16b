//! Credentials as rows of a table, in the words of `src/cli/status/credential-rows.ts`.

use crate::text::{duration, strip_control_chars};
use authd::Json;

/// How a state is shown.
#[derive(Clone, Copy)]
pub struct Look {
    /// The state's name in the protocol.
    pub name: &'static str,
    sign: &'static str,
    pub colour: Colour,
    pub words: &'static str,
}

/// What counts of a colour: whether a person must act.
#[derive(Clone, Copy, PartialEq)]
pub enum Colour {
    Red,
    Other,
}

const fn state(name: &'static str, sign: &'static str, colour: Colour, words: &'static str) -> Look {
    Look { name, sign, colour, words }
}

pub const STATES: [Look; 9] = [
    state("idle", "○", Colour::Other, "idle"),
    state("ready", "●", Colour::Other, "ready"),
    state("refreshing", "◌", Colour::Other, "refreshing"),
    state("failing", "▲", Colour::Other, "failing"),
    state("login_required", "✖", Colour::Red, "login required"),
    state("rejected", "✖", Colour::Red, "rejected"),
    state("changed", "✖", Colour::Red, "changed"),
    state("damaged", "✖", Colour::Red, "damaged"),
    state("locked", "✖", Colour::Red, "locked"),
];

const HEADINGS: [&str; 6] = ["NAME", "API", "STATE", "EXPIRES", "LAST USE", "NEXT REFRESH"];

/// Returns how a credential looks; `None` where that takes a calendar, or the state is not known.
pub fn look(one: &Json) -> Option<Look> {
    let own = *STATES.iter().find(|each| Some(each.name) == one.str("state"))?;
    if own.colour == Colour::Red {
        return Some(own);
    }
    if one.get("secretExpires").is_some() {
        return None;
    }
    let trouble = list(one, "troubles").first().map(|each| each.str("reason").unwrap_or_default());
    Some(match trouble {
        None if one.get("untested").and_then(Json::as_bool) == Some(true) => {
            Look { sign: "○", words: "untested", ..own }
        }
        None => own,
        // The token works, perhaps not for as long as it seems.
        Some("lifetime") => Look { sign: "▲", ..own },
        Some(reason) => {
            let words = match reason {
                "wrong_address" => "wrong address",
                "blocked" => "blocked",
                "test_failed" => "refused",
                _ => own.words,
            };
            Look { sign: "✖", colour: Colour::Red, words, ..own }
        }
    })
}

/// Returns the table's lines; `None` for cells that are not of plain letters.
pub fn lines(credentials: Vec<&Json>, now: f64) -> Option<Vec<String>> {
    let rows: Vec<[String; 6]> = credentials.iter().map(|one| row(one, now)).collect::<Option<_>>()?;
    let mut widths = HEADINGS.map(str::len);
    for cells in &rows {
        for (width, cell) in widths.iter_mut().zip(cells) {
            *width = (*width).max(cell.chars().count());
        }
    }
    let line = |cells: &[String; 6]| {
        let padded = cells.iter().zip(widths).map(|(cell, width)| format!("{cell:width$}"));
        padded.collect::<Vec<_>>().join("  ").trim_end().to_string()
    };
    let mut lines = vec![line(&HEADINGS.map(str::to_string))];
    for (one, cells) in credentials.iter().zip(&rows) {
        lines.push(line(cells));
        lines.extend(trouble(one));
    }
    Some(lines)
}

fn row(one: &Json, now: f64) -> Option<[String; 6]> {
    let look = look(one)?;
    let at = |name: &str| one.get(name).and_then(Json::as_f64);
    let expires = match at("expiresAt") {
        None => "–".to_string(),
        Some(at) if at <= now => "over".to_string(),
        Some(at) => from_now(at, now),
    };
    let used = at("lastAskedAt").map_or("never".to_string(), |at| from_now(at, now));
    let next = match at("retryAt").or(at("refreshAt")) {
        None => "–".to_string(),
        Some(at) if at <= now => "now".to_string(),
        Some(at) => format!("in {}", duration(at - now)),
    };
    let state = format!("{} {}", look.sign, look.words);
    Some([one.str("name")?.to_string(), api(one)?, state, expires, used, next])
}

/// Returns the host of the first origin; without one the preset, or the grant. `None` for one in unusual letters.
fn api(one: &Json) -> Option<String> {
    let origin = list(one, "origins").first().and_then(Json::as_str).unwrap_or_default();
    if origin.is_empty() {
        let kind = one.str("preset").or(one.str("grant"))?;
        return kind.bytes().all(|byte| byte.is_ascii_graphic()).then(|| kind.to_string());
    }
    let host = origin.strip_prefix("https://").or(origin.strip_prefix("http://"))?;
    let is_plain = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || b".-:*".contains(&byte);
    host.bytes().all(is_plain).then(|| host.to_string())
}

/// Tells what the disk does not take, a fault or a note beside a token, or the last error of a credential that is not
/// well.
fn trouble(one: &Json) -> Option<String> {
    let message = |object: &Json| strip_control_chars(object.str("message").unwrap_or_default());
    if let Some(unsaved) = one.get("unsaved").filter(|unsaved| **unsaved != Json::Null) {
        return Some(format!("  └ not on disk: {}", message(unsaved)));
    }
    let state = one.str("state");
    let note = list(one, "troubles").iter().chain(list(one, "notes")).next();
    match (state, note) {
        (Some("ready"), Some(note)) => Some(format!("  └ {}", message(note))),
        (Some("ready" | "locked"), _) => None,
        _ => one.get("lastError").map(|error| format!("  └ {}", message(error))),
    }
}

fn from_now(at: f64, now: f64) -> String {
    if at >= now {
        format!("in {}", duration(at - now))
    } else {
        format!("{} ago", duration(now - at))
    }
}

fn list<'a>(object: &'a Json, name: &str) -> &'a [Json] {
    object.get(name).and_then(Json::as_array).unwrap_or_default()
}
