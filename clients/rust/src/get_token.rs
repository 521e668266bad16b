//! The params of `getToken`.

use crate::json::Json;
use std::time::Duration;

/// The daemon's own limit for a token or a request, unless one is given.
const DEFAULT_TIMEOUT: Duration = Duration::from_secs(30);
/// A question to a person takes 60 s at most; a little more for the way there and back.
const PERSON_AND_SLACK: Duration = Duration::from_secs(65);

/// What to ask a token for; `GetToken::of(name)` asks for the credential's own.
#[derive(Debug, Clone, Default)]
pub struct GetToken {
    pub credential: String,
    /// Seconds for which the token must still be valid.
    pub min_validity: Option<f64>,
    pub scope: Option<String>,
    pub audience: Option<String>,
    pub force_refresh: bool,
    /// A token that an API answered 401 to: a newer one is fetched only if this is still the current one.
    pub rejected_token: Option<String>,
    pub timeout: Option<Duration>,
}

impl GetToken {
    pub fn of(credential: &str) -> GetToken {
        GetToken { credential: credential.to_string(), ..GetToken::default() }
    }

    /// The params of `getToken`.
    pub fn params(&self) -> Json {
        Json::object()
            .with("credential", self.credential.as_str())
            .with_some("minValidity", self.min_validity)
            .with_some("scope", self.scope.as_deref())
            .with_some("audience", self.audience.as_deref())
            .with_some("forceRefresh", self.force_refresh.then_some(true))
            .with_some("rejectedToken", self.rejected_token.as_deref())
            .with_some("timeoutMs", self.timeout.map(|each| each.as_millis() as u64))
    }

    /// How long to wait for the daemon's answer, a person's included.
    pub fn patience(&self) -> Duration {
        self.timeout.unwrap_or(DEFAULT_TIMEOUT) + PERSON_AND_SLACK
    }
}
