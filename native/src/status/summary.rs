//! What is told of the daemon itself, in the words of `src/cli/status/summary.ts`.

use super::rows::STATES;
use crate::text::{duration, strip_control_chars};
use authd::Json;

/// Problems that are listed.
const MAX_PROBLEM_LINES: usize = 20;

pub fn lines(daemon: &Json, now: f64) -> Vec<String> {
    let mut lines = vec![headline(daemon, now), format!("listening on {}", text(daemon, "socket"))];
    let unsaved: Vec<&str> = list(daemon, "unsaved").iter().filter_map(Json::as_str).collect();
    if !unsaved.is_empty() {
        let names = strip_control_chars(&unsaved.join(", "));
        lines.push(format!("✖ in memory only, since the disk does not take it: {names}; see authd doctor"));
    }
    lines.extend(reporting(daemon));
    lines.extend(lock(daemon));
    lines.extend(problems(daemon));
    lines
}

/// Tells how many credentials are in which state; empty without any.
pub fn state_counts(daemon: &Json) -> String {
    let states = daemon.get("states");
    let count = |state: &str| states?.get(state)?.as_i64().filter(|count| *count != 0);
    let counted = STATES.iter().filter_map(|state| Some(format!("{} {}", count(state.name)?, state.words)));
    counted.collect::<Vec<_>>().join(" · ")
}

fn headline(daemon: &Json, now: f64) -> String {
    let number = |name: &str| daemon.get(name).and_then(Json::as_i64).unwrap_or_default();
    let started_at = daemon.get("startedAt").and_then(Json::as_f64).unwrap_or_default();
    let counted = |name: &str, noun: &str| {
        let count = number(name);
        format!("{count} {noun}{}", if count == 1 { "" } else { "s" })
    };
    [
        format!("authd {}", text(daemon, "version")),
        format!("pid {}", number("pid")),
        format!("up {}", duration(now - started_at)),
        counted("credentials", "credential"),
        counted("connections", "connection"),
        format!("key: {}", text(daemon, "vaultKey")),
    ]
    .join(" · ")
}

/// Lists the hook and the metrics that do not work.
fn reporting(daemon: &Json) -> Vec<String> {
    let outlets = ["hook", "metricsFile", "metricsListen"].iter();
    let told = outlets.filter_map(|name| {
        let outlet = daemon.get("reporting")?.get(name)?;
        let error = strip_control_chars(outlet.str("error")?);
        Some(format!("▲ {}: {error}", text(outlet, "to")))
    });
    told.collect()
}

/// Reports that the vault is locked, and why automatic locking does not work.
fn lock(daemon: &Json) -> Vec<String> {
    let Some(lock) = daemon.get("lock").filter(|lock| **lock != Json::Null) else { return Vec::new() };
    let mut lines = Vec::new();
    if lock.get("locked").and_then(Json::as_bool) == Some(true) {
        lines.push(format!("▲ locked: {}", text(lock, "why")));
    }
    let problem = lock.str("problem").filter(|problem| !problem.is_empty());
    let failures = problem.into_iter().chain(list(lock, "on").iter().filter_map(|each| each.str("error")));
    for failure in failures {
        let line = format!("▲ lock_after, lock_on: {}", strip_control_chars(failure));
        if !lines.contains(&line) {
            lines.push(line);
        }
    }
    lines
}

/// Lists what needs a person, each with what helps.
fn problems(daemon: &Json) -> Vec<String> {
    let problems = list(daemon, "problems");
    if problems.is_empty() {
        return Vec::new();
    }
    let mut lines = vec![String::new(), format!("{} to do:", problems.len())];
    lines.extend(problems.iter().take(MAX_PROBLEM_LINES).map(problem));
    if problems.len() > MAX_PROBLEM_LINES {
        lines.push(format!("  … {} more; --json has all", problems.len() - MAX_PROBLEM_LINES));
    }
    lines
}

fn problem(problem: &Json) -> String {
    let reason = problem.str("reason").unwrap_or_default();
    let place = match reason {
        "audit" => "the audit log",
        "hook" => "the hook",
        "socket" => "a socket",
        _ => "the vault",
    };
    let whom = strip_control_chars(problem.str("credential").unwrap_or(place));
    format!("  ✖ {whom} ({reason}): {}", text(problem, "help"))
}

fn text(object: &Json, name: &str) -> String {
    strip_control_chars(object.str(name).unwrap_or_default())
}

fn list<'a>(object: &'a Json, name: &str) -> &'a [Json] {
    object.get(name).and_then(Json::as_array).unwrap_or_default()
}
