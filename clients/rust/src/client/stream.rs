//! An API's answer whose body is read as it comes.

use super::exchange::{Came, Exchange};
use super::request::{headers_of, status_of};
use crate::error::{Error, Reason};
use crate::json::Json;
use std::fmt;
use std::io::{self, Read};

/// An answer whose body is read as it comes, by [`Stream::chunk`] or as any `Read`. Who drops it before its end has
/// authd end the request.
pub struct Stream {
    /// HTTP status.
    pub status: u16,
    /// What the API said beside it: `Not Found`.
    pub status_text: String,
    /// After redirects.
    pub url: String,
    /// Names are lower case; `set-cookie` may come several times.
    pub headers: Vec<(String, String)>,
    /// `None` after the end.
    exchange: Option<Exchange>,
    /// Why the body is not whole: each later read tells it again.
    failure: Option<Error>,
    rest: Vec<u8>,
    taken: usize,
}

impl Stream {
    /// Waits for the head of the answer.
    pub(crate) fn begin(mut exchange: Exchange) -> Result<Stream, Error> {
        while exchange.head.is_none() {
            if matches!(exchange.step().map_err(whole)?, Came::Result) && exchange.head.is_none() {
                return Err(Error::new(Reason::RequestFailed, "The answer has no head."));
            }
        }
        let head = exchange.head.take().unwrap_or(Json::Null);
        Ok(Stream {
            status: status_of(&head),
            status_text: head.str("statusText").unwrap_or_default().to_string(),
            url: head.str("url").unwrap_or_default().to_string(),
            headers: headers_of(&head),
            exchange: Some(exchange),
            failure: None,
            rest: Vec::new(),
            taken: 0,
        })
    }

    /// The first value of a header, whose name is in lower case.
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.iter().find(|(each, _)| each == name).map(|(_, value)| value.as_str())
    }

    /// The next piece of the body; `None` at its end, if nothing of it is missing.
    pub fn chunk(&mut self) -> Result<Option<Vec<u8>>, Error> {
        if self.taken < self.rest.len() {
            let rest = self.rest.split_off(self.taken);
            self.forget();
            return Ok(Some(rest));
        }
        while let Some(exchange) = &mut self.exchange {
            match exchange.step() {
                Ok(Came::Chunk(data)) if !data.is_empty() => return Ok(Some(data)),
                Ok(Came::Result) => self.exchange = None,
                Ok(_) => {}
                Err(error) => {
                    self.exchange = None;
                    self.failure = Some(whole(error));
                }
            }
        }
        self.failure.clone().map_or(Ok(None), Err)
    }

    fn forget(&mut self) {
        self.rest.clear();
        self.taken = 0;
    }
}

/// Errors have an [`Error`] inside.
impl Read for Stream {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        if self.taken == self.rest.len() {
            self.rest = self.chunk().map_err(io::Error::other)?.unwrap_or_default();
            self.taken = 0;
        }
        let length = buffer.len().min(self.rest.len() - self.taken);
        buffer[..length].copy_from_slice(&self.rest[self.taken..self.taken + length]);
        self.taken += length;
        Ok(length)
    }
}

impl fmt::Debug for Stream {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Stream").field("status", &self.status).field("url", &self.url).finish_non_exhaustive()
    }
}

fn whole(error: Error) -> Error {
    if !error.is_connection_lost() {
        return error;
    }
    Error::new(Reason::RequestFailed, "The connection to authd broke before the answer was whole.")
}
