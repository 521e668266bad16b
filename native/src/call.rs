//! One call on a connection of its own, as every command makes it.

use authd_client::{default_socket_path, Connection, Error, ErrorKind, Json};
use std::io::{stderr, IsTerminal, Write};
use std::time::{Duration, Instant};

/// A person who watches hears, after this long, that a question waits for an answer.
const TELL_AFTER: Duration = Duration::from_secs(1);

/// Calls `method` and returns its result. On a terminal it says whose approval the call waits for.
pub fn call(method: &str, params: Json, timeout: Duration) -> Result<Json, Error> {
    let credential = params.str("credential").map(str::to_string);
    let mut connection = Connection::open(&default_socket_path())?;
    let deadline = Instant::now() + timeout;
    let id = connection.send(method, params).map_err(closed)?;
    let mut question = None;
    let mut tell_at = if stderr().is_terminal() { Some(Instant::now() + TELL_AFTER) } else { None };
    loop {
        let until = tell_at.map_or(deadline, |at| at.min(deadline));
        let message = match connection.read(until, method) {
            Err(error) if is_timeout(&error) && tell_at.take().is_some() => {
                question = Some(connection.send("approvals/pending", Json::object()).map_err(closed)?);
                continue;
            }
            other => other.map_err(closed)?,
        };
        let answered = message.get("id").and_then(Json::as_i64);
        if answered == Some(id as i64) || message.get("id") == Some(&Json::Null) {
            return match message.get("error") {
                Some(error) => Err(Error::from_json(error)),
                None => Ok(message.get("result").cloned().unwrap_or(Json::Null)),
            };
        }
        if answered.is_some() && answered == question.map(|each| each as i64) {
            tell(&message, credential.as_deref());
        }
    }
}

fn tell(message: &Json, credential: Option<&str>) {
    let approvals = message.get("result").and_then(|result| result.get("approvals"));
    let mut all = approvals.and_then(Json::as_array).unwrap_or_default().iter();
    let found = all.find(|each| credential.is_some() && each.str("credential") == credential);
    if let (Some(approval), Some(credential)) = (found, credential) {
        let id = approval.str("id").unwrap_or_default();
        let _ = writeln!(
            stderr(),
            "authd: {credential}: waiting for a person to approve (in another terminal: authd approve {id})"
        );
    }
}

fn is_timeout(error: &Error) -> bool {
    error.kind == ErrorKind::Reason("timeout".to_string())
}

/// A command says that the connection was lost, rather than trying again.
fn closed(error: Error) -> Error {
    match error.kind {
        ErrorKind::ConnectionLost => Error::reason("shutting_down", error.message),
        _ => error,
    }
}
