//! Errors, by the reason that the daemon names.

use crate::json::Json;
use std::fmt;

/// JSON-RPC 2.0, section 5.1.
const METHOD_NOT_FOUND: i64 = -32601;
/// Said where the daemon does not know what this client asks for.
const OLDER: &str = "The running authd is of an older version than this command: end it (authd stop) and start it again, or authd service install.";

/// An answer that is an error, or a failure to get one.
#[derive(Debug, Clone)]
pub struct Error {
    pub kind: ErrorKind,
    pub message: String,
    /// The credential that it is about.
    pub credential: Option<String>,
    /// Milliseconds after which the next try makes sense.
    pub retry_after_ms: Option<u64>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ErrorKind {
    /// No daemon of this user, of root, or of a trusted place answers on the socket.
    NoDaemon,
    /// The connection ended before an answer came; whether the request was carried out is unknown.
    ConnectionLost,
    /// The daemon's `reason`, as docs/protocol.md lists them: "login_required", "issuer_unavailable", …
    Reason(String),
}

impl Error {
    pub(crate) fn new(kind: ErrorKind, message: impl Into<String>) -> Error {
        Error { kind, message: message.into(), credential: None, retry_after_ms: None }
    }

    /// An error with one of the contract's reasons.
    pub fn reason(reason: &str, message: impl Into<String>) -> Error {
        Error::new(ErrorKind::Reason(reason.to_string()), message)
    }

    /// The error of an answer.
    pub fn from_json(error: &Json) -> Error {
        let data = error.get("data");
        let member = |name: &str| data.and_then(|each| each.get(name));
        let reason = member("reason").and_then(Json::as_str).unwrap_or("internal");
        let mut message = error.str("message").unwrap_or("the daemon gave no reason").to_string();
        if error.get("code").and_then(Json::as_i64) == Some(METHOD_NOT_FOUND) {
            message = format!("{message} {OLDER}");
        }
        Error {
            credential: member("credential").and_then(Json::as_str).map(str::to_string),
            retry_after_ms: member("retryAfterMs").and_then(Json::as_f64).map(|ms| ms.max(0.0) as u64),
            ..Error::reason(reason, message)
        }
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.message)
    }
}

impl std::error::Error for Error {}
