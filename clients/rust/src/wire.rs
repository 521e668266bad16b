//! Requests on the socket: lines of JSON.

use crate::error::{Error, Reason};
use crate::json::Json;
use std::time::Duration;

/// Longest message that the daemon accepts.
const MAX_REQUEST_BYTES: usize = 8 * 1024 * 1024;
/// How long the daemon may work on a call that names no time itself.
pub(crate) const DEFAULT_TIMEOUT: Duration = Duration::from_secs(30);
/// How much longer than a call's timeout the daemon may take: a question to a person takes 60 s at most; a little
/// more for the way there and back.
pub(crate) const GRACE: Duration = Duration::from_secs(65);

/// The longest time that a call may name.
const MAX_TIMEOUT: Duration = Duration::from_secs(24 * 60 * 60);

/// Returns a time as the protocol has it: a millisecond at least, a day at most.
pub(crate) fn timeout_ms(timeout: Duration) -> u64 {
    timeout.clamp(Duration::from_millis(1), MAX_TIMEOUT).as_millis() as u64
}

/// Returns a request as it goes over the socket.
pub(crate) fn request_line(id: u64, method: &str, params: &Json) -> Result<String, Error> {
    let method = Json::from(method);
    let line = format!("{{\"jsonrpc\":\"2.0\",\"id\":{id},\"method\":{method},\"params\":{params}}}\n");
    if line.len() > MAX_REQUEST_BYTES {
        let told = format!(
            "The request takes {} bytes; authd accepts {MAX_REQUEST_BYTES} in one message.",
            line.len()
        );
        return Err(Error::new(Reason::RequestTooLarge, told));
    }
    Ok(line)
}
