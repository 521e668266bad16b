//! A request that authd sends, and the API's answer.

use super::calls::with_body;
use crate::base64;
use crate::json::Json;
use crate::wire::timeout_ms;
use std::borrow::Cow;
use std::fmt;
use std::time::Duration;

/// A request that authd sends with a credential's token.
#[derive(Clone, Default)]
pub struct Request {
    /// The credential's name.
    pub credential: String,
    /// HTTP method: `GET`.
    pub method: String,
    /// URL, whose origin is one of the credential's.
    pub url: String,
    /// Headers; values of a name that is given twice are joined, with `; ` those of `cookie`, with `, ` all others.
    pub headers: Vec<(String, String)>,
    /// A body that is there as a whole. One over 1 MiB goes in parts.
    pub body: Option<Vec<u8>>,
    /// Bytes of a body that is read as it is sent; it is sent in HTTP's chunks where this is not known.
    pub body_bytes: Option<u64>,
    /// How long authd may take; 30 s unless it is told. Of a stream it covers everything up to the head, then each
    /// silence.
    pub timeout: Option<Duration>,
    /// Longest answer that is taken as a whole; 4 MiB unless it is told, 32 MiB at most.
    pub max_response_bytes: Option<u64>,
    /// If a person has to sign in, the daemon opens the browser on its own desktop and waits.
    pub interactive: bool,
}

impl Request {
    /// A request without a body.
    pub fn new(credential: &str, method: &str, url: &str) -> Request {
        let (credential, method, url) = (credential.to_string(), method.to_string(), url.to_string());
        Request { credential, method, url, ..Request::default() }
    }

    /// The request with one more header.
    pub fn header(mut self, name: &str, value: &str) -> Request {
        self.headers.push((name.to_string(), value.to_string()));
        self
    }

    /// The request with this body.
    pub fn body(mut self, body: impl Into<Vec<u8>>) -> Request {
        self.body = Some(body.into());
        self
    }

    /// The request with JSON as its body, and the content type for it.
    pub fn json(self, body: &Json) -> Request {
        self.header("content-type", "application/json").body(body.to_string())
    }

    /// The params of `authorizedRequest`, without the body.
    pub(crate) fn params(&self) -> Json {
        let mut headers: Vec<(String, Json)> = Vec::new();
        for (name, value) in &self.headers {
            match headers.iter_mut().find(|(each, _)| each.eq_ignore_ascii_case(name)) {
                Some((_, before)) => {
                    let between = if name.eq_ignore_ascii_case("cookie") { "; " } else { ", " };
                    *before = format!("{}{between}{value}", before.as_str().unwrap_or_default()).into();
                }
                None => headers.push((name.clone(), value.as_str().into())),
            }
        }
        Json::object()
            .with("credential", self.credential.as_str())
            .with("method", self.method.as_str())
            .with("url", self.url.as_str())
            .with_some("headers", (!headers.is_empty()).then_some(headers))
            .with_some("timeoutMs", self.timeout.map(timeout_ms))
            .with_some("maxResponseBytes", self.max_response_bytes)
            .with_some("interactive", self.interactive.then_some(true))
    }

    /// The params with a body that fits into one message.
    pub(crate) fn whole_params(&self) -> Json {
        let params = self.params();
        match &self.body {
            Some(body) => with_body(params, body),
            None => params,
        }
    }
}

/// Shows neither headers nor body, which may hold what is secret.
impl fmt::Debug for Request {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Request")
            .field("credential", &self.credential)
            .field("method", &self.method)
            .field("url", &self.url)
            .finish_non_exhaustive()
    }
}

/// An API's answer, whole. A status of 400 or more is no error.
#[derive(Clone)]
#[non_exhaustive]
pub struct Response {
    /// HTTP status.
    pub status: u16,
    /// What the API said beside it: `Not Found`.
    pub status_text: String,
    /// After redirects.
    pub url: String,
    /// Names are lower case; `set-cookie` may come several times.
    pub headers: Vec<(String, String)>,
    /// The body, decoded.
    pub body: Vec<u8>,
    /// The token was renewed on the way, after a 401.
    pub refreshed: bool,
}

impl Response {
    pub(crate) fn from_json(result: &Json) -> Response {
        let body = match result.str("body") {
            Some(text) => text.as_bytes().to_vec(),
            None => base64::decode(result.str("bodyBase64").unwrap_or_default()),
        };
        Response {
            status: status_of(result),
            status_text: result.str("statusText").unwrap_or_default().to_string(),
            url: result.str("url").unwrap_or_default().to_string(),
            headers: headers_of(result),
            body,
            refreshed: result.get("refreshed").and_then(Json::as_bool).unwrap_or(false),
        }
    }

    /// The first value of a header, whose name is in lower case.
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.iter().find(|(each, _)| each == name).map(|(_, value)| value.as_str())
    }

    /// The body as text; what is no UTF-8 is replaced.
    pub fn text(&self) -> Cow<'_, str> {
        String::from_utf8_lossy(&self.body)
    }

    /// The body as JSON; the error says where it is none.
    pub fn json(&self) -> Result<Json, String> {
        Json::parse(std::str::from_utf8(&self.body).map_err(|error| error.to_string())?)
    }
}

impl fmt::Debug for Response {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Response")
            .field("status", &self.status)
            .field("url", &self.url)
            .finish_non_exhaustive()
    }
}

/// The HTTP status of an answer or a head.
pub(crate) fn status_of(head: &Json) -> u16 {
    head.get("status").and_then(Json::as_i64).and_then(|status| status.try_into().ok()).unwrap_or(0)
}

/// The headers of an answer or a head, one pair a value.
pub(crate) fn headers_of(head: &Json) -> Vec<(String, String)> {
    let mut all = Vec::new();
    for (name, value) in head.get("headers").map_or(&[][..], Json::members) {
        for each in value.as_array().unwrap_or(std::slice::from_ref(value)) {
            all.push((name.clone(), each.as_str().unwrap_or_default().to_string()));
        }
    }
    all
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_of_one_name_are_joined() {
        let request =
            Request::new("a", "GET", "https://api.example/").header("cookie", "a=1").header("x", "1");
        let params = request.header("Cookie", "b=2").header("X", "2").params();
        let headers = params.get("headers").unwrap();
        assert_eq!(headers.str("cookie"), Some("a=1; b=2"));
        assert_eq!(headers.str("x"), Some("1, 2"));
    }
}
