//! The params of `getToken`.

use crate::json::Json;
use crate::wire::{timeout_ms, DEFAULT_TIMEOUT, GRACE};
use std::fmt;
use std::time::Duration;

/// What to ask a token for; `GetToken::of(name)` asks for the credential's own. A name alone will do where one is
/// taken.
#[derive(Clone, Default)]
pub struct GetToken {
    /// The credential's name.
    pub credential: String,
    /// Seconds for which the token must still be valid.
    pub min_validity: Option<f64>,
    /// Another scope than the credential's own, names with blanks between them.
    pub scope: Option<String>,
    /// For whom the token is meant.
    pub audience: Option<String>,
    /// Has the token renewed now.
    pub force_refresh: bool,
    /// A token that an API answered 401 to: a newer one is fetched only if this is still the current one.
    pub rejected_token: Option<String>,
    /// How long the daemon may take; 30 s unless it is told.
    pub timeout: Option<Duration>,
    /// HTTP method of the request that the token is for (DPoP); goes with `url`.
    pub method: Option<String>,
    /// URL of the request that the token is for (DPoP); goes with `method`.
    pub url: Option<String>,
    /// If a person has to sign in, the daemon opens the browser on its own desktop and waits.
    pub interactive: bool,
}

impl GetToken {
    /// Asks for a credential's own token.
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
            .with_some("timeoutMs", self.timeout.map(timeout_ms))
            .with_some("method", self.method.as_deref())
            .with_some("url", self.url.as_deref())
            .with_some("interactive", self.interactive.then_some(true))
    }

    /// How long to wait for the daemon's answer, a person's included.
    pub fn patience(&self) -> Duration {
        self.timeout.map_or(DEFAULT_TIMEOUT, |each| Duration::from_millis(timeout_ms(each))) + GRACE
    }
}

/// Shows the token that was rejected only as there or not.
impl fmt::Debug for GetToken {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("GetToken")
            .field("credential", &self.credential)
            .field("min_validity", &self.min_validity)
            .field("scope", &self.scope)
            .field("audience", &self.audience)
            .field("force_refresh", &self.force_refresh)
            .field("rejected_token", &self.rejected_token.as_ref().map(|_| "…"))
            .field("timeout", &self.timeout)
            .field("method", &self.method)
            .field("url", &self.url)
            .field("interactive", &self.interactive)
            .finish()
    }
}

impl From<&str> for GetToken {
    fn from(credential: &str) -> GetToken {
        GetToken::of(credential)
    }
}
