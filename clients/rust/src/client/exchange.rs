//! A request whose body or answer does not fit into one message, on a connection of its own. The caller's own thread
//! reads, so that an answer that is read slowly holds up nothing else.

use super::cancellation::{Cancellation, Listening};
use super::upload::Upload;
use crate::base64;
use crate::connection::Connection;
use crate::error::{Error, Reason};
use crate::json::Json;
use std::io::Read;
use std::net::Shutdown;
use std::path::Path;
use std::time::{Duration, Instant};

/// One request and its answer.
pub(crate) struct Exchange {
    connection: Connection,
    limit: Duration,
    /// What takes it back: the caller's, and the end of the client.
    cancellations: Vec<Cancellation>,
    _listening: Vec<Listening>,
    /// The request that began it.
    opened: u64,
    upload: Option<Upload>,
    pub head: Option<Json>,
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
        let listen = |each: &Cancellation| {
            let socket = connection.socket()?;
            Ok(each.listen(move || drop(socket.shutdown(Shutdown::Both))))
        };
        let listening = cancellations.iter().map(listen).collect::<Result<_, Error>>()?;
        Ok(Exchange {
            connection,
            limit,
            cancellations,
            _listening: listening,
            opened: 0,
            upload: None,
            head: None,
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

    /// Sends a request whose body follows in parts, while the answer is read. `bytes` is the body's length, if that is
    /// known.
    pub fn upload(
        &mut self,
        params: &Json,
        bytes: Option<u64>,
        body: impl Read + Send + 'static,
    ) -> Result<(), Error> {
        self.opened = self.put("request/open", &params.clone().with_some("bodyBytes", bytes))?;
        let name = self.opened_as()?;
        self.upload = Some(Upload::start(self.connection.socket()?, name, self.opened + 1, body)?);
        Ok(())
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

    /// Takes one message of the answer.
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
        let next = self.upload.as_ref().filter(|upload| id.is_some_and(|id| upload.awaits(id)));
        if let Some(error) = message.get("error").filter(|error| **error != Json::Null) {
            let is_ours = given.is_none() || next.is_some() || id == Some(self.opened);
            return if is_ours { Err(Error::from_json(error)) } else { Ok(Came::Other) };
        }
        if let Some(result) = message.get("result").filter(|result| result.get("status").is_some()) {
            if result.get("chunks").is_some() {
                self.assert_whole(result)?;
            }
            if let Some(upload) = &self.upload {
                upload.end();
            }
            self.result = Some(result.clone());
            return Ok(Came::Result);
        }
        if let Some(upload) = next {
            upload.answered();
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
        loop {
            let read = self.connection.read(Instant::now() + self.limit, "the request");
            let is_paused = || self.upload.as_ref().is_some_and(Upload::is_paused);
            match self.told(read) {
                Err(error) if error.reason == Reason::Timeout && is_paused() => {}
                other => return other,
            }
        }
    }

    /// A connection that was ended to take the request back, or as its body has failed, is no lost one.
    fn told<T>(&self, outcome: Result<T, Error>) -> Result<T, Error> {
        match outcome {
            Err(error) if error.is_connection_lost() => {
                let failure = self.upload.as_ref().and_then(Upload::failure);
                self.assert_wanted().and(Err(failure.unwrap_or(error)))
            }
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

fn not_whole(what: String) -> Error {
    Error::new(Reason::RequestFailed, format!("The answer is not whole: {what}."))
}
