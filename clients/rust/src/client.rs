//! The client for programs with threads, and without.

mod calls;
mod cancellation;
mod channel;
mod exchange;
mod outbox;
mod request;
mod shared;
mod stream;
mod subscription;
mod token;
mod upload;

use crate::error::{Error, Reason};
use crate::get_token::GetToken;
use crate::json::Json;
use crate::socket::default_socket_path;
use crate::wire::GRACE;
use calls::{may_repeat, timeout_of};
pub use cancellation::Cancellation;
use exchange::Exchange;
pub use request::{Request, Response};
use shared::Shared;
use std::fmt;
use std::io::{Cursor, Read};
use std::path::{Path, PathBuf};
use std::sync::mpsc::channel;
use std::sync::Arc;
use std::time::Duration;
pub use stream::Stream;
use subscription::Listener;
pub use subscription::{Notification, Subscription, Watch};
pub use token::Token;

/// Bytes of a body that goes in one message; a longer one goes in parts.
const SHORT_BODY: usize = 1024 * 1024;
/// The longest time to wait for an answer: a year.
const MAX_LIMIT: Duration = Duration::from_secs(365 * 24 * 60 * 60);

/// Connects with the first call, and again with the next one after the connection was lost.
///
/// All threads may use one client, or clones of it, which share the connection. A child process after fork(2) gets a
/// connection of its own. The connection ends with the last clone.
#[derive(Clone)]
pub struct Client {
    shared: Arc<Shared>,
    grace: Duration,
    cancellation: Option<Cancellation>,
}

impl Client {
    /// A client of the daemon at [`default_socket_path`](crate::default_socket_path).
    pub fn new() -> Client {
        Client::at(default_socket_path())
    }

    /// A client of the daemon whose socket is at `path`.
    pub fn at(path: impl Into<PathBuf>) -> Client {
        Client { shared: Shared::new(path.into()), grace: GRACE, cancellation: None }
    }

    /// The same client, whose calls wait this much longer than their timeout: 65 s unless it is told, as a person may
    /// have to say yes first.
    pub fn with_grace(&self, grace: Duration) -> Client {
        Client { grace, ..self.clone() }
    }

    /// The same client, whose calls `cancellation` takes back.
    pub fn with_cancellation(&self, cancellation: &Cancellation) -> Client {
        Client { cancellation: Some(cancellation.clone()), ..self.clone() }
    }

    /// The path of the daemon's socket.
    pub fn path(&self) -> &Path {
        &self.shared.path
    }

    /// Gets a token that is valid, and the headers to send with it: `client.get_token("labelf")`.
    pub fn get_token(&self, request: impl Into<GetToken>) -> Result<Token, Error> {
        self.call("getToken", &request.into().params()).map(|result| Token::from_json(&result))
    }

    /// Has authd send a request, so that this process never sees the token.
    pub fn request(&self, request: &Request) -> Result<Response, Error> {
        let long = request.body.as_ref().filter(|body| body.len() > SHORT_BODY);
        let result = match long {
            None => self.call("authorizedRequest", &request.whole_params())?,
            Some(body) => {
                let params = request.params();
                self.repeated("authorizedRequest", &params, || {
                    let mut exchange = self.exchange(&params)?;
                    exchange.upload(&params, Some(body.len() as u64), Cursor::new(body.clone()))?;
                    exchange.result()
                })?
            }
        };
        Ok(Response::from_json(&result))
    }

    /// Has authd send a request whose answer is read as it comes.
    pub fn stream(&self, request: &Request) -> Result<Stream, Error> {
        match &request.body {
            Some(body) if body.len() > SHORT_BODY => {
                self.streamed(request, Some(body.len() as u64), Cursor::new(body.clone()))
            }
            _ => {
                let params = request.whole_params().with("stream", true);
                let mut exchange = self.exchange(&params)?;
                exchange.send(&params)?;
                Stream::begin(exchange)
            }
        }
    }

    /// The same with a body that is sent as it comes from `body`, which a thread of its own reads. It goes on while the
    /// answer is read, and is not read on once that has ended, or was dropped.
    pub fn upload(&self, request: &Request, body: impl Read + Send + 'static) -> Result<Stream, Error> {
        self.streamed(request, request.body_bytes, body)
    }

    /// Calls any method of the protocol, and returns its result as it comes.
    pub fn call(&self, method: &str, params: &Json) -> Result<Json, Error> {
        let limit = self.limit(method, params);
        self.repeated(method, params, || {
            self.shared.connected()?.request(method, params, limit, self.cancellation.as_ref())
        })
    }

    /// Subscribes to notifications. After a restart of the daemon it is subscribed again. Who drops what is returned
    /// hears no more, and the daemon is told by [`Client::unsubscribe`].
    pub fn subscribe(&self, watch: Watch) -> Result<Subscription, Error> {
        let (sender, receiver) = channel();
        let key = self.shared.listen(Listener::new(&watch, sender));
        let params = watch.params();
        let limit = self.limit("subscribe", &params);
        let subscribed = self.repeated("subscribe", &params, || {
            let channel = self.shared.connected()?;
            let result = channel.request("subscribe", &params, limit, self.cancellation.as_ref())?;
            self.shared.watch(&watch, &channel).map(|()| result)
        });
        subscribed.inspect_err(|_| self.shared.unlisten(key))?;
        Ok(Subscription { receiver, _client: self.clone() })
    }

    /// Ends this client's subscriptions for one credential, or without a name all of them.
    pub fn unsubscribe(&self, credential: Option<&str>) -> Result<(), Error> {
        self.shared.forget(credential);
        self.call("unsubscribe", &Json::object().with_some("credential", credential)).map(drop)
    }

    /// Ends the connection, for all clones; what is in flight ends with the reason `Cancelled`, as do later calls.
    pub fn close(&self) {
        self.shared.close();
    }

    fn streamed(
        &self,
        request: &Request,
        bytes: Option<u64>,
        body: impl Read + Send + 'static,
    ) -> Result<Stream, Error> {
        let params = request.params().with("stream", true);
        let mut exchange = self.exchange(&params)?;
        exchange.upload(&params, bytes, body)?;
        Stream::begin(exchange)
    }

    /// How long to wait for the daemon: clocks can't tell times without an end.
    fn limit(&self, method: &str, params: &Json) -> Duration {
        timeout_of(method, params).saturating_add(self.grace).min(MAX_LIMIT)
    }

    fn exchange(&self, params: &Json) -> Result<Exchange, Error> {
        self.assert_wanted()?;
        let limit = self.limit("authorizedRequest", params);
        Exchange::open(
            &self.shared.path,
            limit,
            [self.cancellation.clone(), Some(self.shared.closing())].into_iter().flatten().collect(),
        )
    }

    fn repeated(
        &self,
        method: &str,
        params: &Json,
        send: impl Fn() -> Result<Json, Error>,
    ) -> Result<Json, Error> {
        for _ in 0..=i32::from(may_repeat(method, params)) {
            self.assert_wanted()?;
            match send() {
                Err(error) if error.is_connection_lost() => {}
                other => return other,
            }
        }
        self.assert_wanted()?;
        let text = format!("The connection to authd broke before it answered {method}");
        Err(Error::new(Reason::RequestFailed, format!("{text}: it may have been carried out.")))
    }

    fn assert_wanted(&self) -> Result<(), Error> {
        self.shared.assert_open()?;
        if self.cancellation.as_ref().is_some_and(Cancellation::is_cancelled) {
            return Err(Error::new(Reason::Cancelled, "The call was cancelled."));
        }
        Ok(())
    }
}

impl Default for Client {
    fn default() -> Client {
        Client::new()
    }
}

impl fmt::Debug for Client {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Client").field("path", &self.shared.path).finish_non_exhaustive()
    }
}
