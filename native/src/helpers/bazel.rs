//! Bazel's credential helper protocol, in the words of `src/helpers/bazel.ts`.

use super::{input, time::rfc3339, token};
use crate::output::print;
use authd::Json;

pub fn run(words: &[&str]) -> Option<i32> {
    match words {
        ["get", ..] => input::answer(get),
        _ => None,
    }
}

/// Without headers Bazel sends its request as it is.
fn get(text: &str) -> Option<i32> {
    let asked = Json::parse(text).ok()?;
    let found = token::find("bazel", asked.str("uri")?)?;
    let token = found.map(|found| found.token);
    let headers = token.as_ref().and_then(|token| token.get("headers")).map_or(&[][..], Json::members);
    let lists = headers.iter().map(|(name, value)| (name.clone(), Json::Array(vec![value.clone()])));
    let expires = token.as_ref().and_then(|token| token.get("expiresAt")?.as_i64());
    let answer = Json::object()
        .with("headers", lists.collect::<Vec<_>>())
        .with_some("expires", expires.map(|ms| rfc3339(ms, true)));
    Some(print(&answer.to_string()))
}
