//! Kubernetes' credential plugin, in the words of `src/helpers/kubectl.ts`.

use super::time::rfc3339;
use crate::call::get_token;
use crate::output::print;
use authd::{GetToken, Json};
use std::env;

const VERSIONS: [&str; 2] = ["client.authentication.k8s.io/v1", "client.authentication.k8s.io/v1beta1"];
/// The type of a token that is none for a client to send (RFC 8693 section 2.2.1).
const NO_TOKEN: &str = "N_A";

/// Where a person has to sign in, the Node command asks again, and has them asked.
pub fn run(words: &[&str]) -> Option<i32> {
    let [name] = words else { return None };
    let version = version()?;
    let token = get_token(&GetToken::of(name))?.ok()?;
    let kept = |name: &str| token.get("extra").and_then(|extra| extra.str(name));
    let mut status = Json::object();
    if let Some(ms) = token.get("expiresAt").and_then(Json::as_i64) {
        status = status.with("expirationTimestamp", rfc3339(ms, false));
    }
    if let (Some(certificate), Some(key)) = (kept("client_certificate"), kept("client_key")) {
        status = status.with("clientCertificateData", certificate).with("clientKeyData", key);
    }
    if token.str("tokenType") != Some(NO_TOKEN) {
        status = status.with("token", token.str("accessToken")?);
    }
    let answer =
        Json::object().with("apiVersion", version).with("kind", "ExecCredential").with("status", status);
    Some(print(&answer.to_string()))
}

/// Returns the version that is asked for; `None` for one that is not known.
fn version() -> Option<&'static str> {
    match env::var("KUBERNETES_EXEC_INFO") {
        Ok(text) if !text.is_empty() => {
            let info = Json::parse(&text).ok()?;
            let asked = info.str("apiVersion")?;
            VERSIONS.into_iter().find(|each| *each == asked)
        }
        _ => Some(VERSIONS[0]),
    }
}
