//! One connection to the daemon: JSON-RPC 2.0, one message a line.

use crate::error::{Error, ErrorKind};
use crate::json::Json;
use crate::socket::{self, Stream};
use std::io::{BufRead, BufReader, ErrorKind as IoErrorKind, Write};
use std::path::Path;
#[cfg(unix)]
use std::time::Duration;
use std::time::Instant;

/// Longest message that the daemon accepts.
const MAX_REQUEST_BYTES: usize = 8 * 1024 * 1024;

/// An open connection. Calls are made one after the other.
pub struct Connection {
    reader: BufReader<Stream>,
    line: Vec<u8>,
    last_id: u64,
}

impl Connection {
    /// Connects to the socket at `path`; an error of kind `NoDaemon` says why that can't be done.
    pub fn open(path: &Path) -> Result<Connection, Error> {
        let stream = socket::connect(path)?;
        Ok(Connection { reader: BufReader::new(stream), line: Vec::new(), last_id: 0 })
    }

    /// Sends a request and returns its id; the answer is read by a later call of `read`.
    pub fn send(&mut self, method: &str, params: Json) -> Result<u64, Error> {
        self.last_id += 1;
        let id = self.last_id;
        let message = Json::object()
            .with("jsonrpc", "2.0")
            .with("id", id)
            .with("method", method)
            .with("params", params);
        let line = format!("{message}\n");
        if line.len() > MAX_REQUEST_BYTES {
            let told = format!(
                "The request takes {} bytes; authd accepts {MAX_REQUEST_BYTES} in one message.",
                line.len()
            );
            return Err(Error::reason("request_too_large", told));
        }
        let stream = self.reader.get_mut();
        match stream.write_all(line.as_bytes()).and_then(|()| stream.flush()) {
            // A daemon that has turned the connection down may have said why: the next `read` tells.
            Err(error) if error.kind() == IoErrorKind::BrokenPipe => Ok(id),
            other => other.map(|()| id).map_err(|_| connection_lost()),
        }
    }

    /// Reads the next message, whatever it is. Without one before `deadline` the error's reason is
    /// "timeout"; bytes that have come by then are kept, so another call goes on where this one stopped.
    pub fn read(&mut self, deadline: Instant, method: &str) -> Result<Json, Error> {
        loop {
            self.read_line(deadline, method)?;
            if self.line.iter().all(u8::is_ascii_whitespace) {
                self.line.clear();
                continue;
            }
            let line = std::mem::take(&mut self.line);
            return Json::parse(&String::from_utf8_lossy(&line)).map_err(|_| connection_lost());
        }
    }

    fn read_line(&mut self, deadline: Instant, method: &str) -> Result<(), Error> {
        loop {
            self.set_timeout(deadline);
            match self.reader.read_until(b'\n', &mut self.line) {
                Ok(0) => return Err(connection_lost()),
                Ok(_) if self.line.ends_with(b"\n") => return Ok(()),
                Ok(_) => {}
                Err(error) if error.kind() == IoErrorKind::Interrupted => {}
                Err(error) if matches!(error.kind(), IoErrorKind::WouldBlock | IoErrorKind::TimedOut) => {
                    if Instant::now() >= deadline {
                        return Err(Error::reason(
                            "timeout",
                            format!("authd has not answered {method} in time"),
                        ));
                    }
                }
                Err(_) => return Err(connection_lost()),
            }
        }
    }

    #[cfg(unix)]
    fn set_timeout(&self, deadline: Instant) {
        let left = deadline.saturating_duration_since(Instant::now()).max(Duration::from_millis(1));
        let _ = self.reader.get_ref().set_read_timeout(Some(left));
    }

    /// A named pipe that is opened as a file has no time limit of its own: the daemon's limits hold.
    #[cfg(windows)]
    fn set_timeout(&self, _deadline: Instant) {}
}

/// Returns the result or the error of request `id` if `message` is its answer, or an error about the connection
/// as a whole, which has the id null.
pub fn answer_to(id: u64, message: &Json) -> Option<Result<Json, Error>> {
    let error = message.get("error").filter(|error| **error != Json::Null);
    let answered = message.get("id")?;
    if answered.as_i64() != Some(id as i64) && (*answered != Json::Null || error.is_none()) {
        return None;
    }
    Some(match error {
        Some(error) => Err(Error::from_json(error)),
        None => Ok(message.get("result").cloned().unwrap_or(Json::Null)),
    })
}

pub(crate) fn connection_lost() -> Error {
    Error::new(ErrorKind::ConnectionLost, "the daemon closed the connection before it answered")
}
