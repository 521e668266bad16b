//! A request whose body or answer does not fit into one message, on a connection of its own. The caller's own thread
//! reads, so that a body that is read slowly holds up nothing else.

use super::cancellation::{Cancellation, Listening};
use crate::base64;
use crate::connection::Connection;
use crate::error::{Error, Reason};
use crate::json::Json;
use std::collections::VecDeque;
use std::io::{ErrorKind, Read};
use std::path::Path;
use std::time::{Duration, Instant};

/// Bytes of a part: smaller ones cost more messages, larger ones hold up other programs.
const CHUNK_BYTES: usize = 128 * 1024;
/// Parts that are sent before the first of them is answered.
const WINDOW: usize = 8;
/// Bytes of an answer that are kept until the body is sent.
const MAX_EARLY_BYTES: u64 = 32 * 1024 * 1024;

/// One request and its answer.
pub(crate) struct Exchange {
    connection: Connection,
    limit: Duration,
    /// What takes it back: the caller's, and the end of the client.
    cancellations: Vec<Cancellation>,
    _listening: Vec<Listening>,
    /// Requests whose error is the answer: the one that began it, and the part that waits for its answer.
    opened: u64,
    waiting: VecDeque<u64>,
    pub head: Option<Json>,
    /// What came of the answer before its body was sent, and its bytes.
    early: VecDeque<Vec<u8>>,
    early_bytes: u64,
    result: Option<Json>,
    chunks: u64,
    bytes: u64,
}

/// What a message was.
pub(crate) enum Came {
    Head,
    Chunk(Vec<u8>),
    /// The end of the answer.
    Result,
    Other,
}

impl Exchange {
    /// `limit` is how long the daemon may say nothing.
    pub fn open(path: &Path, limit: Duration, cancellations: Vec<Cancellation>) -> Result<Exchange, Error> {
        let connection = Connection::open(path)?;
        connection.limit_writing(limit);
        let listen = |each: &Cancellation| Ok(each.listen(connection.interrupter()?));
        let listening = cancellations.iter().map(listen).collect::<Result<_, Error>>()?;
        Ok(Exchange {
            connection,
            limit,
            cancellations,
            _listening: listening,
            opened: 0,
            waiting: VecDeque::new(),
            head: None,
            early: VecDeque::new(),
            early_bytes: 0,
            result: None,
            chunks: 0,
            bytes: 0,
        })
    }

    /// Sends a request with its whole body.
    pub fn send(&mut self, params: &Json) -> Result<(), Error> {
        self.opened = self.put("authorizedRequest", params)?;
        Ok(())
    }

    /// Sends a request and its body in parts, until all of it was taken, or the answer has ended: an API may begin to
    /// answer before it has read all. `bytes` is the body's length, if that is known.
    pub fn upload(&mut self, params: &Json, bytes: Option<u64>, body: &mut dyn Read) -> Result<(), Error> {
        self.opened = self.put("request/open", &params.clone().with_some("bodyBytes", bytes))?;
        let upload = self.opened_as()?;
        let mut part = vec![0; CHUNK_BYTES];
        for seq in 0u64.. {
            let length = read(body, &mut part)?;
            self.assert_wanted()?;
            let params = Json::object().with("upload", upload.as_str()).with("seq", seq);
            let params = params.with("data", base64::encode(&part[..length]));
            let id = self.put("request/chunk", &params.with_some("last", (length == 0).then_some(true)))?;
            self.waiting.push_back(id);
            let is_last = length == 0;
            while self.waiting.len() >= WINDOW || is_last || self.connection.is_readable() {
                if is_last && self.head.is_some() {
                    return Ok(());
                }
                self.step_early()?;
                if self.result.is_some() {
                    return Ok(());
                }
            }
        }
        Ok(())
    }

    /// Takes one message while the body is under way, and keeps what it has of the answer.
    fn step_early(&mut self) -> Result<(), Error> {
        if let Came::Chunk(data) = self.step()? {
            self.early_bytes += data.len() as u64;
            if self.early_bytes > MAX_EARLY_BYTES {
                let text = format!(
                    "The API has answered more than {MAX_EARLY_BYTES} bytes before it has read the body."
                );
                return Err(Error::new(Reason::ResponseTooLarge, text));
            }
            self.early.push_back(data);
        }
        Ok(())
    }

    /// Takes the next thing of a streamed answer.
    pub fn answer(&mut self) -> Result<Came, Error> {
        match self.early.pop_front() {
            Some(data) => Ok(Came::Chunk(data)),
            None if self.result.is_some() => Ok(Came::Result),
            None => self.step(),
        }
    }

    /// Waits for the end of an answer that comes as a whole.
    pub fn result(&mut self) -> Result<Json, Error> {
        loop {
            if let Some(result) = self.result.take() {
                return Ok(result);
            }
            self.step()?;
        }
    }

    /// Takes one message.
    pub fn step(&mut self) -> Result<Came, Error> {
        let message = self.next()?;
        let params = message.get("params").unwrap_or(&Json::Null);
        match message.str("method") {
            Some("response/head") => {
                self.head = Some(params.clone());
                Ok(Came::Head)
            }
            Some("response/chunk") => self.take(params).map(Came::Chunk),
            Some(_) => Ok(Came::Other),
            None => self.answered(&message),
        }
    }

    fn answered(&mut self, message: &Json) -> Result<Came, Error> {
        let given = message.get("id").filter(|id| **id != Json::Null);
        let id = given.and_then(Json::as_i64).map(|id| id as u64);
        let is_next = id.is_some() && id == self.waiting.front().copied();
        if let Some(error) = message.get("error").filter(|error| **error != Json::Null) {
            let is_ours = given.is_none() || is_next || id == Some(self.opened);
            return if is_ours { Err(Error::from_json(error)) } else { Ok(Came::Other) };
        }
        if let Some(result) = message.get("result").filter(|result| result.get("status").is_some()) {
            if result.get("chunks").is_some() {
                self.assert_whole(result)?;
            }
            self.result = Some(result.clone());
            return Ok(Came::Result);
        }
        if is_next {
            self.waiting.pop_front();
        }
        Ok(Came::Other)
    }

    fn take(&mut self, params: &Json) -> Result<Vec<u8>, Error> {
        if params.get("seq").and_then(Json::as_i64) != Some(self.chunks as i64) {
            return Err(not_whole(format!("chunk {} did not come", self.chunks)));
        }
        let data = base64::decode(params.str("data").unwrap_or_default());
        self.chunks += 1;
        self.bytes += data.len() as u64;
        Ok(data)
    }

    /// Fails if the result counts more or less than came.
    fn assert_whole(&self, result: &Json) -> Result<(), Error> {
        let count = |name| result.get(name).and_then(Json::as_i64).unwrap_or(0) as u64;
        if count("chunks") == self.chunks && count("bytes") == self.bytes {
            return Ok(());
        }
        Err(not_whole(format!("{} of {} bytes came", self.bytes, count("bytes"))))
    }

    fn opened_as(&mut self) -> Result<String, Error> {
        loop {
            let message = self.next()?;
            if let Some(answer) = crate::connection::answer_to(self.opened, &message) {
                return Ok(answer?.str("upload").unwrap_or_default().to_string());
            }
        }
    }

    fn put(&mut self, method: &str, params: &Json) -> Result<u64, Error> {
        let sent = self.connection.send(method, params);
        self.told(sent)
    }

    fn next(&mut self) -> Result<Json, Error> {
        let read = self.connection.read(Instant::now() + self.limit, "the request");
        self.told(read)
    }

    /// A connection that was ended to take the request back is no lost one.
    fn told<T>(&self, outcome: Result<T, Error>) -> Result<T, Error> {
        match outcome {
            Err(error) if error.is_connection_lost() => self.assert_wanted().and(Err(error)),
            other => other,
        }
    }

    fn assert_wanted(&self) -> Result<(), Error> {
        if self.cancellations.iter().any(Cancellation::is_cancelled) {
            return Err(Error::new(Reason::Cancelled, "The request was cancelled."));
        }
        Ok(())
    }
}

fn read(body: &mut dyn Read, part: &mut [u8]) -> Result<usize, Error> {
    loop {
        match body.read(part) {
            Err(error) if error.kind() == ErrorKind::Interrupted => {}
            other => {
                return other.map_err(|error| {
                    let text = format!("The body can't be read: {error}.");
                    Error::new(Reason::RequestFailed, text).with_cause(error)
                })
            }
        }
    }
}

fn not_whole(what: String) -> Error {
    Error::new(Reason::RequestFailed, format!("The answer is not whole: {what}."))
}
