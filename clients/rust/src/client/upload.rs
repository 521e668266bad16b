//! A body that goes in parts. Threads of its own read and send it, so that it may pause, and go on while its answer is
//! read.

use super::channel::start;
use crate::base64;
use crate::error::{Error, Reason};
use crate::json::Json;
use crate::socket::Stream;
use crate::wire::request_line;
use std::io::{ErrorKind, Read, Write};
use std::net::Shutdown;
use std::sync::mpsc::{sync_channel, Receiver, RecvTimeoutError, SyncSender};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

/// Bytes of a part: smaller ones cost more messages, larger ones hold up other programs.
const CHUNK_BYTES: usize = 128 * 1024;
/// Parts that are sent before the first of them is answered.
const WINDOW: u64 = 8;
/// While a body pauses so long, an empty part says that it goes on, and brings the end of an early answer.
const KEEPALIVE: Duration = Duration::from_secs(1);

/// The next part of a body, empty at its end.
type Part = Result<Vec<u8>, Error>;

/// A body that is under way. Its threads end when this is dropped; the one that reads, once its source has returned.
pub(crate) struct Upload {
    flow: Arc<Flow>,
}

struct Flow {
    stream: Stream,
    name: String,
    /// The id of the first part; the others follow.
    first_id: u64,
    state: Mutex<State>,
    changed: Condvar,
}

#[derive(Default)]
struct State {
    sent: u64,
    answered: u64,
    /// True once no more is to be sent.
    is_over: bool,
    failure: Option<Error>,
}

impl Upload {
    /// Sends the body of the upload `name` over `stream`, in parts whose ids begin with `first_id`.
    pub fn start(
        stream: Stream,
        name: String,
        first_id: u64,
        body: impl Read + Send + 'static,
    ) -> Result<Upload, Error> {
        let (state, changed) = (Mutex::default(), Condvar::new());
        let flow = Arc::new(Flow { stream, name, first_id, state, changed });
        let upload = Upload { flow: Arc::clone(&flow) };
        let (source, parts) = sync_channel(0);
        start(move || read_parts(body, &source))?;
        start(move || {
            if let Err(error) = flow.send_parts(&parts) {
                flow.fail(error);
            }
        })?;
        Ok(upload)
    }

    /// True if it is the answer to this request that comes next.
    pub fn awaits(&self, id: u64) -> bool {
        let state = self.flow.lock();
        state.answered < state.sent && id == self.flow.first_id + state.answered
    }

    /// Takes note of the next answer, which makes room for another part.
    pub fn answered(&self) {
        self.flow.lock().answered += 1;
        self.flow.changed.notify_all();
    }

    /// True while it is the body that keeps everybody waiting.
    pub fn is_paused(&self) -> bool {
        let state = self.flow.lock();
        state.answered == state.sent && !state.is_over
    }

    /// Why the body could not be read.
    pub fn failure(&self) -> Option<Error> {
        self.flow.lock().failure.take()
    }

    /// Sends no more of it.
    pub fn end(&self) {
        self.flow.lock().is_over = true;
        self.flow.changed.notify_all();
    }
}

impl Drop for Upload {
    fn drop(&mut self) {
        self.end();
        let _ = self.flow.stream.shutdown(Shutdown::Both);
    }
}

impl Flow {
    fn send_parts(&self, parts: &Receiver<Part>) -> Result<(), Error> {
        loop {
            let part = match parts.recv_timeout(KEEPALIVE) {
                Err(RecvTimeoutError::Timeout) => None,
                Err(RecvTimeoutError::Disconnected) => {
                    return Err(Error::new(Reason::RequestFailed, "The source of the body has panicked."))
                }
                Ok(part) => Some(part?),
            };
            let is_last = part.as_ref().is_some_and(Vec::is_empty);
            let Some(seq) = self.admitted(is_last) else {
                return Ok(());
            };
            let data = base64::encode(&part.unwrap_or_default());
            let params =
                Json::object().with("upload", self.name.as_str()).with("seq", seq).with("data", data);
            let params = params.with_some("last", is_last.then_some(true));
            let line = request_line(self.first_id + seq, "request/chunk", &params)?;
            // A daemon that has ended the connection may have said why: who reads is told.
            if (&self.stream).write_all(line.as_bytes()).is_err() || is_last {
                return Ok(());
            }
        }
    }

    /// Waits until one more part may be sent, and returns its number; `None` once there is to be none.
    fn admitted(&self, is_last: bool) -> Option<u64> {
        let mut state = self.lock();
        while !state.is_over && state.sent - state.answered >= WINDOW {
            state = self.changed.wait(state).unwrap_or_else(PoisonError::into_inner);
        }
        if state.is_over {
            return None;
        }
        state.is_over = is_last;
        state.sent += 1;
        Some(state.sent - 1)
    }

    fn fail(&self, error: Error) {
        self.lock().failure = Some(error);
        // Who waits for the answer looks then.
        let _ = self.stream.shutdown(Shutdown::Both);
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn read_parts(mut body: impl Read, parts: &SyncSender<Part>) {
    loop {
        let part = read(&mut body);
        let is_over = part.as_ref().map_or(true, Vec::is_empty);
        if parts.send(part).is_err() || is_over {
            return;
        }
    }
}

fn read(body: &mut impl Read) -> Part {
    let mut part = vec![0; CHUNK_BYTES];
    loop {
        match body.read(&mut part) {
            Ok(length) => {
                part.truncate(length);
                return Ok(part);
            }
            Err(error) if error.kind() == ErrorKind::Interrupted => {}
            Err(error) => {
                let text = format!("The body can't be read: {error}.");
                return Err(Error::new(Reason::RequestFailed, text).with_cause(error));
            }
        }
    }
}
