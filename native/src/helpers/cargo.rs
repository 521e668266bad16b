//! cargo's credential provider protocol, version 1, in the words of `src/helpers/cargo.ts`: each message is one line of
//! JSON. What is out of the ordinary is asked of a Node command of its own, line by line.

use super::{mapping, token};
use crate::node;
use crate::output::print;
use authd::Json;
use std::io::{stdin, BufRead};

/// Time (s) before a token's end from which on cargo asks again.
const AHEAD_S: f64 = 10.0;

/// Answers one line after another, until cargo closes standard input.
pub fn run(_: &[&str]) -> Option<i32> {
    mapping::read("cargo")?;
    if print(r#"{"v":[1]}"#) != 0 {
        return Some(1);
    }
    for line in stdin().lock().lines() {
        let Ok(line) = line else { return Some(1) };
        let Some(answer) = answer(&line).map(|answer| answer.to_string()).or_else(|| by_node(&line)) else {
            return Some(1);
        };
        if print(&answer) != 0 {
            return Some(1);
        }
    }
    Some(0)
}

fn answer(line: &str) -> Option<Json> {
    let request = Json::parse(line).ok()?;
    let kind = request.str("kind").unwrap_or_default();
    let is_first_version = request.get("v").and_then(Json::as_f64) == Some(1.0);
    if !is_first_version || !["get", "login", "logout"].contains(&kind) {
        return Some(failed("operation-not-supported"));
    }
    let url = request.get("registry")?.str("index-url")?;
    // "sparse+https://…" and "registry+https://…" name the protocol of the index before its address.
    let index = url.trim_start_matches(|letter: char| letter.is_ascii_lowercase());
    let index = if index.len() < url.len() { index.strip_prefix('+').unwrap_or(url) } else { url };
    let Some(found) = token::find("cargo", index)? else { return Some(failed("url-not-supported")) };
    if kind != "get" {
        let message = format!("authd keeps this token: authd {kind} {}", found.credential);
        let other = Json::object().with("kind", "other").with("message", message);
        return Some(Json::object().with("Err", other.with("caused-by", Vec::<Json>::new())));
    }
    let expires_at_ms = found.token.get("expiresAt").and_then(Json::as_f64);
    let granted = Json::object()
        .with("kind", "get")
        .with("token", token::authorization(&found.token)?)
        .with("cache", if expires_at_ms.is_some() { "expires" } else { "session" })
        .with_some("expiration", expires_at_ms.map(|ms| (ms / 1_000.0).floor() - AHEAD_S))
        .with("operation_independent", true);
    Some(Json::object().with("Ok", granted))
}

fn failed(kind: &str) -> Json {
    Json::object().with("Err", Json::object().with("kind", kind))
}

/// Returns the Node command's answer to one line, which follows its greeting.
fn by_node(line: &str) -> Option<String> {
    let said = node::ask(&["helper", "cargo"], &format!("{line}\n"))?;
    said.lines().nth(1).map(str::to_string)
}
