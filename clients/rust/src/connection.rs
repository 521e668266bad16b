//! One connection to the daemon: JSON-RPC 2.0, one message a line.

use crate::error::{Error, Reason};
use crate::json::Json;
use crate::socket::{self, Stream};
use crate::wire::request_line;
use std::io::{BufRead, BufReader, ErrorKind as IoErrorKind, Write};
use std::path::Path;
use std::time::{Duration, Instant};

/// An open connection for a program that asks once, or whose requests are answered in turn: there is no thread behind
/// it, and whoever reads gets every message.
///
/// ```no_run
/// use authd::{answer_to, default_socket_path, Connection, GetToken};
///
/// let request = GetToken::of("github");
/// let deadline = std::time::Instant::now() + request.patience();
/// let mut connection = Connection::open(&default_socket_path())?;
/// let id = connection.send("getToken", &request.params())?;
/// let token = loop {
///     let message = connection.read(deadline, "getToken")?;
///     if let Some(answer) = answer_to(id, &message) {
///         break answer?;
///     }
/// };
/// println!("{}", token.str("accessToken").unwrap_or_default());
/// # Ok::<(), authd::Error>(())
/// ```
pub struct Connection {
    reader: BufReader<Stream>,
    line: Vec<u8>,
    last_id: u64,
}

impl Connection {
    /// Connects to the socket at `path`; an error with the reason `NoDaemon` says why that can't be done.
    pub fn open(path: &Path) -> Result<Connection, Error> {
        let stream = socket::connect(path)?;
        Ok(Connection { reader: BufReader::new(stream), line: Vec::new(), last_id: 0 })
    }

    /// Sends a request and returns its id; the answer is read by a later call of `read`.
    pub fn send(&mut self, method: &str, params: &Json) -> Result<u64, Error> {
        self.last_id += 1;
        let id = self.last_id;
        let line = request_line(id, method, params)?;
        let stream = self.reader.get_mut();
        match stream.write_all(line.as_bytes()).and_then(|()| stream.flush()) {
            // A daemon that has turned the connection down may have said why: the next `read` tells.
            Err(error) if error.kind() == IoErrorKind::BrokenPipe => Ok(id),
            other => other.map(|()| id).map_err(|_| Error::connection_lost()),
        }
    }

    /// Reads the next message, whatever it is. Without one before `deadline` the error's reason is
    /// `Timeout`; bytes that have come by then are kept, so another call goes on where this one stopped.
    pub fn read(&mut self, deadline: Instant, method: &str) -> Result<Json, Error> {
        loop {
            self.read_line(deadline, method)?;
            if self.line.iter().all(u8::is_ascii_whitespace) {
                self.line.clear();
                continue;
            }
            let line = std::mem::take(&mut self.line);
            return Json::parse(&String::from_utf8_lossy(&line)).map_err(|_| Error::connection_lost());
        }
    }

    /// True if a message, or the end of the connection, can be read without waiting.
    #[cfg(unix)]
    pub fn is_readable(&mut self) -> bool {
        if !self.reader.buffer().is_empty() {
            return true;
        }
        if self.reader.get_ref().set_nonblocking(true).is_err() {
            return false;
        }
        let is_there = self.reader.fill_buf().is_ok();
        let _ = self.reader.get_ref().set_nonblocking(false);
        is_there
    }

    /// Returns the socket once more, for another thread.
    pub(crate) fn socket(&self) -> Result<Stream, Error> {
        self.reader.get_ref().try_clone().map_err(|_| Error::connection_lost())
    }

    /// Limits how long the daemon may read nothing of what is sent.
    pub(crate) fn limit_writing(&self, limit: Duration) {
        let _ = self.reader.get_ref().set_write_timeout(Some(limit.max(Duration::from_millis(1))));
    }

    fn read_line(&mut self, deadline: Instant, method: &str) -> Result<(), Error> {
        loop {
            self.set_timeout(deadline);
            match self.reader.read_until(b'\n', &mut self.line) {
                Ok(0) => return Err(Error::connection_lost()),
                Ok(_) if self.line.ends_with(b"\n") => return Ok(()),
                Ok(_) => {}
                Err(error) if error.kind() == IoErrorKind::Interrupted => {}
                Err(error) if matches!(error.kind(), IoErrorKind::WouldBlock | IoErrorKind::TimedOut) => {
                    if Instant::now() >= deadline {
                        return Err(Error::new(
                            Reason::Timeout,
                            format!("authd has not answered {method} in time"),
                        ));
                    }
                }
                Err(_) => return Err(Error::connection_lost()),
            }
        }
    }

    fn set_timeout(&self, deadline: Instant) {
        let left = deadline.saturating_duration_since(Instant::now()).max(Duration::from_millis(1));
        let _ = self.reader.get_ref().set_read_timeout(Some(left));
    }
}

/// For poll(2), after [`Connection::is_readable`] has said that nothing was read ahead.
#[cfg(unix)]
impl std::os::fd::AsRawFd for Connection {
    fn as_raw_fd(&self) -> std::os::fd::RawFd {
        self.reader.get_ref().as_raw_fd()
    }
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
