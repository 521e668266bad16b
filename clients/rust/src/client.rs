//! Tokens and authorized requests, over a connection that is made again when it is lost.

use crate::connection::{connection_lost, Connection};
use crate::error::{Error, ErrorKind};
use crate::json::Json;
use crate::socket::default_socket_path;
use std::path::PathBuf;
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

/// An access token. Its text is never printed by `{:?}`.
#[derive(Clone)]
pub struct Token {
    pub access_token: String,
    pub token_type: String,
    /// Milliseconds since the epoch; `None`: it is not known to end.
    pub expires_at_ms: Option<i64>,
    pub scope: Option<String>,
    /// Every header that the API wants, names in lower case.
    pub headers: Vec<(String, String)>,
}

impl std::fmt::Debug for Token {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Token")
            .field("token_type", &self.token_type)
            .field("expires_at_ms", &self.expires_at_ms)
            .finish_non_exhaustive()
    }
}

impl Token {
    pub(crate) fn from_json(result: &Json) -> Token {
        let text = |name: &str| result.str(name).unwrap_or_default().to_string();
        let headers = result.get("headers").map_or(&[][..], Json::members);
        Token {
            access_token: text("accessToken"),
            token_type: text("tokenType"),
            expires_at_ms: result.get("expiresAt").and_then(Json::as_i64),
            scope: result.str("scope").map(str::to_string),
            headers: headers
                .iter()
                .map(|(name, value)| (name.clone(), value.as_str().unwrap_or_default().to_string()))
                .collect(),
        }
    }
}

/// A request that the daemon sends with the credential's token.
#[derive(Debug, Clone, Default)]
pub struct Request {
    pub credential: String,
    pub url: String,
    /// GET if empty.
    pub method: String,
    pub headers: Vec<(String, String)>,
    pub body: Option<Vec<u8>>,
    pub timeout: Option<Duration>,
}

impl Request {
    pub fn get(credential: &str, url: &str) -> Request {
        Request { credential: credential.to_string(), url: url.to_string(), ..Request::default() }
    }

    /// The params of `authorizedRequest`.
    pub fn params(&self) -> Json {
        let headers = self.headers.iter().map(|(name, value)| (name.clone(), Json::from(value.as_str())));
        let params = Json::object()
            .with("credential", self.credential.as_str())
            .with("url", self.url.as_str())
            .with("method", if self.method.is_empty() { "GET" } else { self.method.as_str() })
            .with("headers", headers.collect::<Vec<_>>())
            .with_some("timeoutMs", self.timeout.map(|each| each.as_millis() as u64));
        match &self.body {
            None => params,
            Some(body) => match std::str::from_utf8(body) {
                Ok(text) => params.with("body", text),
                Err(_) => params.with("bodyBase64", crate::base64::encode(body)),
            },
        }
    }

    pub fn patience(&self) -> Duration {
        self.timeout.unwrap_or(DEFAULT_TIMEOUT) + PERSON_AND_SLACK
    }
}

/// An API's response. `body` is whole; `headers` may name `set-cookie` several times.
#[derive(Debug, Clone)]
pub struct Response {
    pub status: u16,
    pub url: String,
    pub headers: Vec<(String, String)>,
    pub body: Vec<u8>,
}

/// The daemon, as a program uses it.
pub struct Client {
    path: PathBuf,
    connection: Option<Connection>,
}

impl Default for Client {
    fn default() -> Client {
        Client::new()
    }
}

impl Client {
    /// For the socket of this user's daemon; nothing is connected before the first call.
    pub fn new() -> Client {
        Client::at(default_socket_path())
    }

    pub fn at(path: impl Into<PathBuf>) -> Client {
        Client { path: path.into(), connection: None }
    }

    /// Returns a token, from the daemon's cache or from the issuer.
    pub fn get_token(&mut self, request: &GetToken) -> Result<Token, Error> {
        self.call("getToken", request.params(), request.patience(), true)
            .map(|result| Token::from_json(&result))
    }

    /// Sends a request with the credential's token and returns the API's whole response.
    pub fn request(&mut self, request: &Request) -> Result<Response, Error> {
        let repeatable = matches!(request.method.as_str(), "" | "GET" | "HEAD");
        let result = self.call("authorizedRequest", request.params(), request.patience(), repeatable)?;
        let body = match (result.str("body"), result.str("bodyBase64")) {
            (Some(text), _) => text.as_bytes().to_vec(),
            (None, Some(text)) => crate::base64::decode(text).ok_or_else(connection_lost)?,
            (None, None) => Vec::new(),
        };
        Ok(Response {
            status: result.get("status").and_then(Json::as_i64).unwrap_or_default() as u16,
            url: result.str("url").unwrap_or_default().to_string(),
            headers: headers_of(result.get("headers")),
            body,
        })
    }

    /// Calls any method. With `repeatable` a call whose connection was lost is made once more on a new one.
    pub fn call(
        &mut self,
        method: &str,
        params: Json,
        timeout: Duration,
        repeatable: bool,
    ) -> Result<Json, Error> {
        let was_open = self.connection.is_some();
        match self.call_once(method, params.clone(), timeout) {
            Err(error) if error.kind == ErrorKind::ConnectionLost && was_open && repeatable => {
                self.call_once(method, params, timeout)
            }
            other => other,
        }
    }

    fn call_once(&mut self, method: &str, params: Json, timeout: Duration) -> Result<Json, Error> {
        let mut connection = match self.connection.take() {
            Some(connection) => connection,
            None => Connection::open(&self.path)?,
        };
        let result = connection.call(method, params, timeout);
        let is_over = match &result {
            Err(error) => error.kind == ErrorKind::ConnectionLost || is_reason(error, "timeout"),
            Ok(_) => false,
        };
        if !is_over {
            self.connection = Some(connection);
        }
        result
    }
}

fn is_reason(error: &Error, reason: &str) -> bool {
    matches!(&error.kind, ErrorKind::Reason(each) if each == reason)
}

/// `set-cookie` comes as a list.
pub(crate) fn headers_of(headers: Option<&Json>) -> Vec<(String, String)> {
    let members = headers.map_or(&[][..], Json::members);
    members
        .iter()
        .flat_map(|(name, value)| match value {
            Json::Array(values) => values.iter().map(|each| (name.clone(), text(each))).collect(),
            one => vec![(name.clone(), text(one))],
        })
        .collect()
}

fn text(value: &Json) -> String {
    value.as_str().unwrap_or_default().to_string()
}
