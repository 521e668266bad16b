//! Notifications of the daemon.

use super::Client;
use crate::json::Json;
use std::fmt;
use std::sync::mpsc::{Receiver, Sender};
use std::time::Duration;

/// What to hear of. `Watch::default()` is what happens to the tokens and the states of all credentials.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Watch {
    /// One credential; `None`: all of them.
    pub credential: Option<String>,
    /// Every event, instead of what concerns tokens and states alone.
    pub events: bool,
    /// Questions to a person, too, those that are open first.
    pub approvals: bool,
}

impl Watch {
    /// One credential alone.
    pub fn of(credential: &str) -> Watch {
        Watch { credential: Some(credential.to_string()), ..Watch::default() }
    }

    pub(crate) fn params(&self) -> Json {
        Json::object()
            .with_some("credential", self.credential.as_deref())
            .with_some("events", self.events.then_some(true))
            .with_some("approvals", self.approvals.then_some(true))
    }
}

/// Something that the daemon tells.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct Notification {
    /// `token/refreshed`, `credential/stateChanged`, `event`, …
    pub name: String,
    /// What the protocol says that it has.
    pub params: Json,
}

/// Notifications in their order, kept until they are taken. Iterate over it; the iteration ends when the client is
/// closed. The connection stays as long as this is there.
pub struct Subscription {
    pub(crate) receiver: Receiver<Notification>,
    /// The connection stays as long as somebody listens.
    pub(crate) _client: Client,
}

impl Subscription {
    /// Waits for the next one at most this long; `None` if there is none by then, or the client was closed.
    pub fn next_within(&self, limit: Duration) -> Option<Notification> {
        self.receiver.recv_timeout(limit).ok()
    }
}

impl Iterator for Subscription {
    type Item = Notification;

    fn next(&mut self) -> Option<Notification> {
        self.receiver.recv().ok()
    }
}

impl fmt::Debug for Subscription {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Subscription").finish_non_exhaustive()
    }
}

/// The other end of a subscription.
pub(crate) struct Listener {
    credential: Option<String>,
    sender: Sender<Notification>,
}

impl Listener {
    pub fn new(watch: &Watch, sender: Sender<Notification>) -> Listener {
        Listener { credential: watch.credential.clone(), sender }
    }

    /// True unless the notification is about another credential.
    pub fn wants(&self, params: &Json) -> bool {
        match (self.credential.as_deref(), params.str("credential")) {
            (Some(watched), Some(about)) => watched == about,
            _ => true,
        }
    }

    /// False once nobody listens any more.
    pub fn tell(&self, notification: Notification) -> bool {
        self.sender.send(notification).is_ok()
    }
}
