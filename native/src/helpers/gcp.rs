//! Executable-sourced credentials of Google's libraries, in the words of `src/helpers/gcp.ts`.

use crate::call::get_token;
use crate::output::print;
use authd::{GetToken, Json};
use std::env;

const SAML2: &str = "urn:ietf:params:oauth:token-type:saml2";
const JWT: &str = "urn:ietf:params:oauth:token-type:jwt";

pub fn run(words: &[&str]) -> Option<i32> {
    let name = words.first().filter(|name| !name.is_empty())?;
    let asked = env::var_os("GOOGLE_EXTERNAL_ACCOUNT_TOKEN_TYPE").filter(|asked| !asked.is_empty());
    let kind = match &asked {
        Some(asked) => asked.to_str()?,
        None => JWT,
    };
    let token = get_token(&GetToken::of(name))?.ok()?;
    let expires_at_ms = token.get("expiresAt").and_then(Json::as_f64);
    let answer = Json::object()
        .with("version", 1u64)
        .with("success", true)
        .with("token_type", kind)
        .with(if kind == SAML2 { "saml_response" } else { "id_token" }, token.str("accessToken")?)
        .with_some("expiration_time", expires_at_ms.map(|ms| (ms / 1_000.0).floor()));
    Some(print(&answer.to_string()))
}
