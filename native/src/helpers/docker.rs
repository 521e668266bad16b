//! docker's credential helper, in the words of `src/helpers/docker.ts`.

use super::{input, mapping, places::Place};
use crate::call::get_token;
use crate::output::print;
use authd::{GetToken, Json};

const DEFAULT_USER: &str = "oauth2";
const HUB: [&str; 2] = ["https://index.docker.io/v1/", "docker.io"];

pub fn run(words: &[&str]) -> Option<i32> {
    match words {
        ["get"] => input::answer(get),
        ["erase"] => Some(0),
        ["list"] => list(),
        _ => None,
    }
}

fn get(text: &str) -> Option<i32> {
    let asked = text.trim();
    let place = Place::parse(if HUB.contains(&asked) { "docker.io" } else { asked })?;
    let found = mapping::find("docker", &place)??;
    let token = get_token(&GetToken::of(&found.credential))?.ok()?;
    let answer = Json::object()
        .with("ServerURL", asked)
        .with("Username", found.user.as_deref().unwrap_or(DEFAULT_USER))
        .with("Secret", token.str("accessToken")?);
    Some(print(&answer.to_string()))
}

/// Lists the registries of `helpers.toml`: others would have to be guessed.
fn list() -> Option<i32> {
    let mut users: Vec<(String, Json)> = Vec::new();
    for (place, _) in mapping::read("docker")? {
        let user = place.user.as_deref().unwrap_or(DEFAULT_USER).into();
        match users.iter_mut().find(|(host, _)| *host == place.host) {
            Some((_, before)) => *before = user,
            None => users.push((place.host, user)),
        }
    }
    Some(print(&Json::Object(users).to_string()))
}
