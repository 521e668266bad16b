//! Sends a body in parts (`request/open`, `request/chunk`), while the daemon's messages are read.

use super::source::Source;
use super::FOR_EVER;
use crate::call::{Calls, Notified};
use crate::output::words_of_error;
use authd::{base64, Error, Json, Reason};
use std::collections::VecDeque;
use std::ffi::{c_int, c_short};
use std::io;
use std::os::fd::{AsRawFd, RawFd};
use std::time::{Duration, Instant};

/// Bytes of a part: smaller ones cost more messages, larger ones hold up other programs.
const CHUNK_BYTES: usize = 128 * 1024;
/// Parts that are sent before the first of them is answered.
const WINDOW: usize = 8;
/// While the body pauses so long, an empty part says that it goes on, and brings the end of an early answer.
const KEEPALIVE: Duration = Duration::from_secs(1);

/// Sends the request and its body; returns the result. `params` is without the body.
pub fn upload(
    calls: &mut Calls,
    params: Json,
    source: &mut Source,
    notified: Notified,
) -> Result<Json, Error> {
    let id = calls.send("request/open", &params.with_some("bodyBytes", source.bytes()))?;
    let opened = calls.answer(id, "request/open", FOR_EVER, notified)?;
    let upload = opened.str("upload").unwrap_or_default().to_string();
    let mut parts = Parts { upload, seq: 0, unanswered: VecDeque::new(), is_over: false };
    loop {
        let due = parts.unanswered.front().copied();
        match parts.next(calls, source)? {
            Next::Part => parts.send(calls, source)?,
            Next::Pause => parts.put(calls, &[])?,
            Next::Message => {
                let until = Instant::now() + FOR_EVER;
                let answer = calls.step(due.unwrap_or_default(), "request/chunk", until, notified)?;
                let Some(answer) = answer.transpose()? else { continue };
                if answer.get("status").is_some() {
                    return Ok(answer);
                }
                parts.unanswered.pop_front();
            }
        }
    }
}

/// What is to be done next.
enum Next {
    Message,
    Part,
    Pause,
}

struct Parts {
    upload: String,
    seq: u64,
    unanswered: VecDeque<u64>,
    is_over: bool,
}

impl Parts {
    /// Waits for a message of the daemon or the next part of the body.
    fn next(&self, calls: &mut Calls, source: &Source) -> Result<Next, Error> {
        if self.is_over && self.unanswered.is_empty() {
            return Err(Error::new(Reason::Internal, "authd has not answered the end of the body."));
        }
        if self.is_over || self.unanswered.len() >= WINDOW || calls.connection.is_readable() {
            return Ok(Next::Message);
        }
        let Some(fd) = source.descriptor() else { return Ok(Next::Part) };
        let limit = if self.unanswered.is_empty() { KEEPALIVE.as_millis() as c_int } else { NONE };
        let ready = wait([calls.connection.as_raw_fd(), fd], limit);
        Ok(match ready {
            [true, _] => Next::Message,
            [_, true] => Next::Part,
            _ => Next::Pause,
        })
    }

    /// Sends the next part of the body, or its end.
    fn send(&mut self, calls: &mut Calls, source: &mut Source) -> Result<(), Error> {
        let part = source
            .next(CHUNK_BYTES)
            .map_err(|error| Error::new(Reason::Internal, words_of_error(&error, "read")))?;
        self.is_over = part.is_empty();
        self.put(calls, &part)
    }

    fn put(&mut self, calls: &mut Calls, part: &[u8]) -> Result<(), Error> {
        let params = Json::object()
            .with("upload", self.upload.as_str())
            .with("seq", self.seq)
            .with("data", base64::encode(part))
            .with_some("last", self.is_over.then_some(true));
        self.seq += 1;
        self.unanswered.push_back(calls.send("request/chunk", &params)?);
        Ok(())
    }
}

#[repr(C)]
struct PollFd {
    fd: c_int,
    events: c_short,
    revents: c_short,
}

#[cfg(target_os = "macos")]
type Count = std::ffi::c_uint;
#[cfg(not(target_os = "macos"))]
type Count = std::ffi::c_ulong;

extern "C" {
    fn poll(all: *mut PollFd, count: Count, timeout_ms: c_int) -> c_int;
}

const POLLIN: c_short = 1;
/// No limit of time.
const NONE: c_int = -1;

/// Waits until one of two descriptors can be read, or has ended; says which.
fn wait(descriptors: [RawFd; 2], limit_ms: c_int) -> [bool; 2] {
    let mut all = descriptors.map(|fd| PollFd { fd, events: POLLIN, revents: 0 });
    loop {
        // SAFETY: poll(2) reads and writes the two entries of the array.
        let found = unsafe { poll(all.as_mut_ptr(), 2, limit_ms) };
        if found >= 0 || io::Error::last_os_error().kind() != io::ErrorKind::Interrupted {
            return all.map(|each| each.revents != 0);
        }
    }
}
