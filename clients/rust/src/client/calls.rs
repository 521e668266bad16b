//! What is sent beside requests, how long they may take, and which may be sent again.

use crate::base64;
use crate::json::Json;
use crate::wire::DEFAULT_TIMEOUT;
use std::time::Duration;

/// The daemon ends a sign-in after half an hour at the latest.
const LOGIN_TIMEOUT: Duration = Duration::from_secs(31 * 60);

/// Returns the message that takes a request back.
pub fn cancel_line(id: u64) -> String {
    format!("{{\"jsonrpc\":\"2.0\",\"method\":\"$/cancelRequest\",\"params\":{{\"id\":{id}}}}}\n")
}

/// True if a request whose connection ended without an answer may be sent once more.
pub fn may_repeat(method: &str, params: &Json) -> bool {
    const REPEATABLE: &[&str] = &[
        "initialize",
        "getToken",
        "tokenFiles/list",
        "credentials/list",
        "credentials/show",
        "credentials/discover",
        "credentials/introspect",
        "status",
        "events",
        "reload",
        "approvals/pending",
        "audit/head",
        "subscribe",
        "unsubscribe",
        "lock",
        "login/start",
    ];
    // RFC 9110, section 9.2.2, as far as they can be asked for.
    const IDEMPOTENT: [&str; 5] = ["GET", "HEAD", "OPTIONS", "PUT", "DELETE"];
    if method == "authorizedRequest" {
        let verb = params.str("method").unwrap_or("GET");
        return IDEMPOTENT.iter().any(|each| each.eq_ignore_ascii_case(verb));
    }
    REPEATABLE.contains(&method)
}

/// How long the daemon may work on a request.
pub fn timeout_of(method: &str, params: &Json) -> Duration {
    let usual = if method == "login/finish" { LOGIN_TIMEOUT } else { DEFAULT_TIMEOUT };
    let given = params.get("timeoutMs").and_then(Json::as_f64);
    given.map_or(usual, |ms| Duration::from_millis(ms.max(0.0) as u64))
}

/// The member of a request or an answer that carries a body: text as it is, anything else in base64.
pub fn with_body(params: Json, body: &[u8]) -> Json {
    match std::str::from_utf8(body) {
        Ok(text) => params.with("body", text),
        Err(_) => params.with("bodyBase64", base64::encode(body)),
    }
}
