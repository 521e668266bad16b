//! `authd get NAME`: prints a token.

use crate::args::{Args, Known};
use crate::call::get_token;
use crate::output::print;
use crate::report::{report, say};
use authd::{Error, GetToken, Json, Reason};
use std::time::{SystemTime, UNIX_EPOCH};

const OPTIONS: &[Known] = &[
    ("format", true),
    ("min-validity", true),
    ("scope", true),
    ("audience", true),
    ("refresh", false),
    ("timeout", true),
];

/// Lifetime (s) that a token may lose on its way from the daemon.
const ROUNDING_S: f64 = 1.0;

/// Returns the exit code, or `None` if the Node command should say what is wrong with the arguments.
#[inline(never)]
pub fn run(words: &[&str]) -> Option<i32> {
    let args = Args::parse(words, OPTIONS)?;
    let [name] = args.positionals[..] else { return None };
    let format = args.get("format").unwrap_or("token");
    if name.is_empty() || !["token", "header", "json"].contains(&format) {
        return None;
    }
    let request = GetToken {
        min_validity: args.seconds("min-validity").ok()?,
        scope: args.get("scope").map(str::to_string),
        audience: args.get("audience").map(str::to_string),
        force_refresh: args.has("refresh"),
        timeout: args.milliseconds("timeout").ok()?,
        ..GetToken::of(name)
    };
    let result = get_token(&request)?
        .and_then(|result| render(name, &result, format).map(|text| (text, seconds_left(&result))));
    Some(match result {
        Err(error) => report(&error),
        Ok((text, left)) => {
            let code = print(&text);
            warn_of_short_life(&request, left);
            code
        }
    })
}

fn render(name: &str, result: &Json, format: &str) -> Result<String, Error> {
    match format {
        "json" => Ok(result.pretty()),
        "header" => {
            refuse_other_places(name, result)?;
            let headers = result.get("headers").map_or(&[][..], Json::members).iter();
            let lines = headers.map(|(name, value)| {
                format!("{}: {}", capitalized(name), value.as_str().unwrap_or_default())
            });
            Ok(lines.collect::<Vec<_>>().join("\n"))
        }
        _ => Ok(result.str("accessToken").unwrap_or_default().to_string()),
    }
}

/// Fails if headers alone are not what the API wants.
fn refuse_other_places(name: &str, result: &Json) -> Result<(), Error> {
    let Some((place, values)) = ["query", "body"].iter().find_map(|place| Some((place, result.get(place)?)))
    else {
        return Ok(());
    };
    let names: Vec<&str> = values.members().iter().map(|(name, _)| name.as_str()).collect();
    let what =
        format!("{name}: its API wants {} in the {place}, which headers can't carry", names.join(", "));
    let instead = format!("authd request {name} URL puts it there, and --format json prints it");
    Err(Error::new(Reason::InvalidParams, format!("{what}: {instead}")))
}

/// Formats a header's name as people write it: "X-Api-Key".
fn capitalized(header: &str) -> String {
    let mut after_dash = true;
    let up = |letter: char| {
        let shown = if after_dash { letter.to_ascii_uppercase() } else { letter };
        after_dash = letter == '-';
        shown
    };
    header.chars().map(up).collect()
}

/// Returns for how many seconds the token is still valid; `None` if it is not known to end.
fn seconds_left(result: &Json) -> Option<f64> {
    let expires_at_ms = result.get("expiresAt").and_then(Json::as_f64)?;
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    Some((expires_at_ms - now.as_millis() as f64) / 1000.0)
}

fn warn_of_short_life(request: &GetToken, left: Option<f64>) {
    let (Some(wanted), Some(left)) = (request.min_validity, left) else { return };
    if left < wanted - ROUNDING_S {
        let name = &request.credential;
        let what = format!("this token is good for {} s, not for {wanted} s", left.floor());
        say(&format!("authd: {name}: {what}: its tokens live too short for that\n"));
    }
}
