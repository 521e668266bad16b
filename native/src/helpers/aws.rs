//! AWS' `credential_process`, in the words of `src/helpers/aws.ts`.

use super::time::rfc3339;
use crate::call::get_token;
use crate::output::print;
use authd::{GetToken, Json};

/// The SDKs ask anew from 15 minutes before the end on.
const MIN_VALIDITY_S: f64 = 15.0 * 60.0;

pub fn run(words: &[&str]) -> Option<i32> {
    let [name] = words else { return None };
    if name.starts_with('-') {
        return None;
    }
    let request = GetToken { min_validity: Some(MIN_VALIDITY_S), ..GetToken::of(name) };
    let token = get_token(&request)?.ok()?;
    let kept = |name: &str| token.get("extra").and_then(|extra| extra.str(name));
    let access_token = token.str("accessToken")?;
    let secret = kept("secret_access_key").unwrap_or(access_token);
    let session = kept("session_token").or((secret != access_token).then_some(access_token));
    let expires = token.get("expiresAt").and_then(Json::as_i64).map(|ms| rfc3339(ms, true));
    let answer = Json::object()
        .with("Version", 1u64)
        .with("AccessKeyId", kept("access_key_id")?)
        .with("SecretAccessKey", secret)
        .with_some("Expiration", expires)
        .with_some("SessionToken", session);
    Some(print(&answer.to_string()))
}
