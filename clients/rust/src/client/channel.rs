//! One connection to the daemon, which the calls of all threads share.

use super::calls::cancel_line;
use super::cancellation::Cancellation;
use super::outbox::Outbox;
use super::shared::Shared;
use crate::error::{Error, Reason};
use crate::json::Json;
use crate::socket::Stream;
use crate::wire::{request_line, DEFAULT_TIMEOUT, GRACE};
use std::collections::HashMap;
use std::io::{BufRead, BufReader, Write};
use std::net::Shutdown;
use std::sync::mpsc::{channel, Receiver, RecvTimeoutError, Sender};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};
use std::thread;
use std::time::Duration;

type Answer = Result<Json, Error>;

const READ_BYTES: usize = 64 * 1024;

/// Its reader is a thread, and so is the writer of what the socket has no room for at once; they end with the
/// connection. A call waits for neither of them longer than it wants to.
pub(crate) struct Channel {
    stream: Stream,
    outbox: Outbox,
    calls: Mutex<Calls>,
}

struct Calls {
    last_id: u64,
    /// `None` once the connection has ended.
    pending: Option<HashMap<u64, Sender<Answer>>>,
}

impl Channel {
    /// `owner` gets the notifications, and is told of the end.
    pub fn start(stream: Stream, owner: Weak<Shared>) -> Result<Arc<Channel>, Error> {
        // A daemon that reads nothing for so long is none.
        let _ = stream.set_write_timeout(Some(DEFAULT_TIMEOUT + GRACE));
        let calls = Mutex::new(Calls { last_id: 0, pending: Some(HashMap::new()) });
        let channel = Arc::new(Channel { stream, outbox: Outbox::default(), calls });
        let writer = Arc::clone(&channel);
        start(move || writer.write())?;
        let reader = Arc::clone(&channel);
        start(move || {
            reader.read(&owner);
            reader.close(&Error::connection_lost());
            drop(reader);
            Shared::lost(&owner);
        })
        .inspect_err(|error| channel.close(error))?;
        Ok(channel)
    }

    pub fn is_open(&self) -> bool {
        self.calls().pending.is_some()
    }

    /// Calls a method; `limit` is how long its answer may take.
    pub fn request(
        self: &Arc<Channel>,
        method: &str,
        params: &Json,
        limit: Duration,
        cancellation: Option<&Cancellation>,
    ) -> Answer {
        let (id, answer) = self.send(method, params)?;
        let _listening = cancellation.map(|each| {
            let (channel, method) = (Arc::clone(self), method.to_string());
            each.listen(move || {
                channel.give_up(id, Error::new(Reason::Cancelled, format!("{method} was cancelled.")))
            })
        });
        match answer.recv_timeout(limit) {
            Err(RecvTimeoutError::Timeout) => {
                let seconds = limit.as_millis().div_ceil(1000);
                let text = format!("authd has not answered {method} within {seconds} s.");
                self.give_up(id, Error::new(Reason::Timeout, text));
                answer.recv().unwrap_or_else(|_| Err(Error::connection_lost()))
            }
            other => other.unwrap_or_else(|_| Err(Error::connection_lost())),
        }
    }

    /// Sends a request; its answer comes later.
    pub fn send(&self, method: &str, params: &Json) -> Result<(u64, Receiver<Answer>), Error> {
        let (sender, answer) = channel();
        let id = {
            let mut calls = self.calls();
            calls.last_id += 1;
            let id = calls.last_id;
            calls.pending.as_mut().ok_or_else(Error::connection_lost)?.insert(id, sender);
            id
        };
        let line = request_line(id, method, params).inspect_err(|_| drop(self.taken(id)))?;
        self.put(id, line);
        Ok((id, answer))
    }

    /// Ends the connection: what is in flight gets `error`.
    pub fn close(&self, error: &Error) {
        let pending = self.calls().pending.take();
        self.outbox.close();
        let _ = self.stream.shutdown(Shutdown::Both);
        for sender in pending.into_iter().flat_map(HashMap::into_values) {
            let _ = sender.send(Err(error.clone()));
        }
    }

    /// Ends a call that is not answered yet, and takes it back.
    fn give_up(&self, id: u64, error: Error) {
        if let Some(sender) = self.taken(id) {
            let _ = sender.send(Err(error));
            // What was not sent yet needs not be taken back.
            if !self.outbox.withdraw(id) {
                self.put(id, cancel_line(id));
            }
        }
    }

    fn put(&self, id: u64, line: String) {
        if self.outbox.put(&self.stream, id, line).is_err() {
            self.close(&Error::connection_lost());
        }
    }

    fn taken(&self, id: u64) -> Option<Sender<Answer>> {
        self.calls().pending.as_mut()?.remove(&id)
    }

    fn write(&self) {
        while let Some(line) = self.outbox.take() {
            if (&self.stream).write_all(&line).is_err() {
                self.close(&Error::connection_lost());
            }
        }
    }

    fn read(&self, owner: &Weak<Shared>) {
        let mut reader = BufReader::with_capacity(READ_BYTES, &self.stream);
        let mut line = Vec::new();
        while reader.read_until(b'\n', &mut line).is_ok() && line.ends_with(b"\n") {
            if !line.iter().all(u8::is_ascii_whitespace) {
                let Ok(message) = Json::parse(&String::from_utf8_lossy(&line)) else {
                    return;
                };
                self.receive(message, owner);
            }
            line.clear();
        }
    }

    fn receive(&self, message: Json, owner: &Weak<Shared>) {
        if let Some(name) = message.str("method") {
            if let Some(shared) = owner.upgrade() {
                shared.tell(name, message.get("params").unwrap_or(&Json::Null));
            }
            return;
        }
        let error = message.get("error").filter(|error| **error != Json::Null).map(Error::from_json);
        let id = message.get("id").filter(|id| **id != Json::Null);
        match (id.map(Json::as_i64), error) {
            (Some(Some(id)), error) => {
                if let Some(sender) = self.taken(id as u64) {
                    let _ = sender.send(error.map_or_else(|| Ok(result_of(message)), Err));
                }
            }
            // About the connection as a whole, which the daemon closes after it.
            (None, Some(error)) => self.close(&error),
            _ => {}
        }
    }

    fn calls(&self) -> MutexGuard<'_, Calls> {
        self.calls.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Starts a thread.
pub(crate) fn start(work: impl FnOnce() + Send + 'static) -> Result<(), Error> {
    let started = thread::Builder::new().name("authd".to_string()).spawn(work);
    started
        .map(drop)
        .map_err(|error| Error::new(Reason::Internal, format!("no thread can be started: {error}")))
}

fn result_of(message: Json) -> Json {
    let Json::Object(members) = message else {
        return Json::Null;
    };
    members.into_iter().find(|(name, _)| name == "result").map_or(Json::Null, |(_, value)| value)
}
