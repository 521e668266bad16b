//! The result of `getToken`.

use crate::json::Json;
use std::fmt;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

/// A token, and all that an API wants with it. Names and values are pairs, in the daemon's order.
#[derive(Clone)]
#[non_exhaustive]
pub struct Token {
    /// The token itself.
    pub access_token: String,
    /// `Bearer`, mostly.
    pub token_type: String,
    /// When it ends; `None`: nothing tells a lifetime.
    pub expires_at: Option<SystemTime>,
    /// What it is good for, names with blanks between them, if the issuer said so.
    pub scope: Option<String>,
    /// Every header that the API wants, names in lower case, ready to send.
    pub headers: Vec<(String, String)>,
    /// Parameters that the API wants in the query, not encoded.
    pub query: Vec<(String, String)>,
    /// Members that the API wants in the body.
    pub body: Vec<(String, String)>,
    /// Values of the issuer's answer that the credential keeps and hands out.
    pub extra: Vec<(String, String)>,
}

impl Token {
    pub(crate) fn from_json(result: &Json) -> Token {
        let text = |name: &str| result.str(name).map(str::to_string);
        let pairs = |name: &str| result.get(name).map(pairs_of).unwrap_or_default();
        let expires_at_ms = result.get("expiresAt").and_then(Json::as_f64);
        Token {
            access_token: text("accessToken").unwrap_or_default(),
            token_type: text("tokenType").unwrap_or_default(),
            expires_at: expires_at_ms.map(|ms| UNIX_EPOCH + Duration::from_millis(ms.max(0.0) as u64)),
            scope: text("scope"),
            headers: pairs("headers"),
            query: pairs("query"),
            body: pairs("body"),
            extra: pairs("extra"),
        }
    }
}

/// Shows nothing secret.
impl fmt::Debug for Token {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Token")
            .field("token_type", &self.token_type)
            .field("expires_at", &self.expires_at)
            .field("scope", &self.scope)
            .finish_non_exhaustive()
    }
}

/// The members of an object that are text.
fn pairs_of(object: &Json) -> Vec<(String, String)> {
    let text = |(name, value): &(String, Json)| Some((name.clone(), value.as_str()?.to_string()));
    object.members().iter().filter_map(text).collect()
}
