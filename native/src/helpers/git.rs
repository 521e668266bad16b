//! git's credential helper, in the words of `src/helpers/git.ts`.

use super::{input, mapping, places::Place};
use crate::call::get_token;
use crate::output::print;
use authd::{base64, GetToken, Json};

const DEFAULT_USER: &str = "oauth2";

pub fn run(words: &[&str]) -> Option<i32> {
    match words {
        ["get"] => input::answer(get),
        ["erase"] => input::answer(erase),
        ["store"] => Some(0),
        _ => None,
    }
}

fn get(text: &str) -> Option<i32> {
    let Some(place) = place_of(text)? else { return Some(0) };
    let Some(found) = mapping::find("git", &place)? else { return Some(0) };
    let token = get_token(&GetToken::of(&found.credential))?.ok()?;
    let user = found.user.or(place.user).unwrap_or(DEFAULT_USER.to_string());
    Some(print(&rendered(&token, &user, text)?))
}

fn erase(text: &str) -> Option<i32> {
    let (Some(place), Some(rejected)) = (place_of(text)?, token_in(text)) else { return Some(0) };
    let Some(found) = mapping::find("git", &place)? else { return Some(0) };
    let request = GetToken { rejected_token: Some(rejected), ..GetToken::of(&found.credential) };
    get_token(&request)?.ok()?;
    Some(0)
}

/// Returns the answer without the newline at its end.
fn rendered(token: &Json, user: &str, asked: &str) -> Option<String> {
    let secret = token.str("accessToken")?;
    let knows_authtype = values(asked, "capability[]").any(|each| each == "authtype");
    let mut lines = if knows_authtype {
        header_of(secret, user, asked)
    } else {
        vec![format!("username={user}"), format!("password={secret}")]
    };
    if let Some(expires_at_ms) = token.get("expiresAt").and_then(Json::as_f64) {
        lines.push(format!("password_expiry_utc={}", (expires_at_ms / 1000.0).floor()));
    }
    Some(lines.join("\n"))
}

fn header_of(token: &str, user: &str, asked: &str) -> Vec<String> {
    let (authtype, credential) = if wants_bearer(asked) {
        ("Bearer", token.to_string())
    } else {
        ("Basic", base64::encode(format!("{user}:{token}").as_bytes()))
    };
    vec![
        "capability[]=authtype".to_string(),
        format!("authtype={authtype}"),
        format!("credential={credential}"),
        "ephemeral=1".to_string(),
    ]
}

/// Returns the token in what git tells: as it is, or behind the user in a Basic header.
fn token_in(asked: &str) -> Option<String> {
    let is_basic = value(asked, "authtype").is_some_and(|each| each.eq_ignore_ascii_case("basic"));
    match value(asked, "credential") {
        Some(credential) if is_basic => {
            let login = String::from_utf8_lossy(&base64::decode(credential)).into_owned();
            Some(login.split_once(':').map_or(login.clone(), |(_, token)| token.to_string()))
        }
        credential => value(asked, "password").or(credential).map(str::to_string),
    }
}

fn wants_bearer(asked: &str) -> bool {
    let offers = |scheme: &str| {
        values(asked, "wwwauth[]").any(|each| {
            let word =
                each.split(|c: char| !c.is_ascii_alphanumeric() && c != '_').next().unwrap_or_default();
            word.eq_ignore_ascii_case(scheme)
        })
    };
    offers("bearer") && !offers("basic")
}

/// Returns `Some(None)` for what is no web address, and `None` for one that is not spelled plainly.
fn place_of(text: &str) -> Option<Option<Place>> {
    let (protocol, host) = (value(text, "protocol"), value(text, "host"));
    let (Some(protocol @ ("https" | "http")), Some(host)) = (protocol, host) else { return Some(None) };
    if host.is_empty() {
        return Some(None);
    }
    if host.contains(['/', '@']) {
        return None;
    }
    let place = Place::parse(&format!("{protocol}://{host}/{}", value(text, "path").unwrap_or_default()))?;
    let user = value(text, "username").filter(|user| !user.is_empty()).map(str::to_string);
    Some(Some(Place { user: user.or(place.user), ..place }))
}

/// The first value of a key.
fn value<'a>(text: &'a str, key: &'a str) -> Option<&'a str> {
    values(text, key).next()
}

fn values<'a>(text: &'a str, key: &'a str) -> impl Iterator<Item = &'a str> + 'a {
    text.split('\n')
        .filter_map(|line| line.split_once('='))
        .filter(move |(name, _)| *name == key)
        .map(|(_, value)| value)
}
