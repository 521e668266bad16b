//! `authd get NAME`: prints a token.

use crate::args::{Args, Known};
use crate::call::call;
use crate::report::report;
use authd_client::{GetToken, Json};
use std::io::Write;
use std::time::Duration;

const OPTIONS: &[Known] = &[
    ("format", true),
    ("min-validity", true),
    ("scope", true),
    ("audience", true),
    ("refresh", false),
    ("timeout", true),
];

/// The daemon takes between a millisecond and a day.
const TIMEOUT_SECONDS: std::ops::RangeInclusive<f64> = 0.001..=86_400.0;

/// Returns the exit code, or `None` if the Node command should say what is wrong with the arguments.
pub fn run(words: &[&str]) -> Option<i32> {
    let args = Args::parse(words, OPTIONS)?;
    let [name] = args.positionals[..] else { return None };
    let format = args.get("format").unwrap_or("token");
    if name.is_empty() || !["token", "header", "json"].contains(&format) {
        return None;
    }
    let timeout = args.seconds("timeout").ok()?;
    if timeout.is_some_and(|seconds| !TIMEOUT_SECONDS.contains(&seconds)) {
        return None;
    }
    let request = GetToken {
        min_validity: args.seconds("min-validity").ok()?,
        scope: args.get("scope").map(str::to_string),
        audience: args.get("audience").map(str::to_string),
        force_refresh: args.has("refresh"),
        timeout: timeout.map(Duration::from_secs_f64),
        ..GetToken::of(name)
    };
    Some(match call("getToken", request.params(), request.patience()) {
        Ok(result) => print(&render(&result, format)),
        Err(error) => report(&error),
    })
}

fn render(result: &Json, format: &str) -> String {
    match format {
        "json" => result.pretty(),
        "header" => {
            let headers = result.get("headers").map_or(&[][..], Json::members).iter();
            let lines = headers.map(|(name, value)| {
                format!("{}: {}", capitalized(name), value.as_str().unwrap_or_default())
            });
            lines.collect::<Vec<_>>().join("\n")
        }
        _ => result.str("accessToken").unwrap_or_default().to_string(),
    }
}

/// "x-api-key" as people write it: "X-Api-Key".
fn capitalized(header: &str) -> String {
    let mut after_dash = true;
    let up = |letter: char| {
        let shown = if after_dash { letter.to_ascii_uppercase() } else { letter };
        after_dash = letter == '-';
        shown
    };
    header.chars().map(up).collect()
}

/// The reader of a pipe that has left has what it wanted.
fn print(text: &str) -> i32 {
    let mut out = std::io::stdout().lock();
    match writeln!(out, "{text}").and_then(|()| out.flush()) {
        Ok(()) => 0,
        Err(error) if error.kind() == std::io::ErrorKind::BrokenPipe => 0,
        Err(_) => 1,
    }
}
