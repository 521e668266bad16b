//! One call on a connection of its own, as every command makes it.

use crate::report::say;
use authd::{answer_to, default_socket_path, Connection, Error, GetToken, Json, Reason};
use std::env;
use std::io::{stderr, IsTerminal};
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

/// A person who watches hears, after this long, that a question waits for an answer.
const TELL_AFTER: Duration = Duration::from_secs(1);

/// Longest path that a Unix socket's address can hold, without the NUL at its end.
const LONGEST_PATH: usize = if cfg!(target_os = "macos") { 103 } else { 107 };

/// Returns where the daemon's socket is; `None` if that takes the account's entry in the system, or can't be a
/// socket's path: the Node command knows the one and explains the other.
pub fn socket_path() -> Option<PathBuf> {
    let is_told = ["AUTHD_SOCKET", "XDG_RUNTIME_DIR", "AUTHD_STATE_DIR", "XDG_STATE_HOME", "HOME"];
    if cfg!(unix) && is_told.iter().all(|name| env::var_os(name).is_none_or(|value| value.is_empty())) {
        return None;
    }
    let path = default_socket_path();
    (cfg!(windows) || path.as_os_str().len() <= LONGEST_PATH).then_some(path)
}

/// Asks for a token. Returns the result of `getToken`, or `None` if the Node command should ask.
pub fn get_token(request: &GetToken) -> Option<Result<Json, Error>> {
    Some(call(&socket_path()?, "getToken", request.params(), request.patience()))
}

/// Calls `method` and returns its result. On a terminal it says whose approval the call waits for.
pub fn call(socket: &Path, method: &str, params: Json, timeout: Duration) -> Result<Json, Error> {
    exchange(socket, method, params, timeout, true, &mut |_, _| Ok(()))
}

/// Calls `method` and returns its result; `notified` gets each notification before it. `tells`: on a terminal it
/// says whose approval the call waits for.
pub fn exchange(
    socket: &Path,
    method: &str,
    params: Json,
    timeout: Duration,
    tells: bool,
    notified: &mut dyn FnMut(&str, &Json) -> Result<(), Error>,
) -> Result<Json, Error> {
    let credential = params.str("credential").map(str::to_string);
    let mut connection = Connection::open(socket)?;
    let deadline = Instant::now() + timeout;
    let id = connection.send(method, &params).map_err(closed)?;
    let mut question = None;
    let is_told = tells && stderr().is_terminal();
    let mut tell_at = is_told.then(|| Instant::now() + TELL_AFTER);
    loop {
        let until = tell_at.map_or(deadline, |at| at.min(deadline));
        let message = match connection.read(until, method) {
            Err(error) if is_timeout(&error) && tell_at.take().is_some() => {
                question = Some(connection.send("approvals/pending", &Json::object()).map_err(closed)?);
                continue;
            }
            Err(error) if is_timeout(&error) => return Err(timed_out(method, timeout)),
            other => other.map_err(closed)?,
        };
        if let Some(answer) = answer_to(id, &message) {
            return answer;
        }
        if let Some(Ok(pending)) = question.and_then(|id| answer_to(id, &message)) {
            tell(&pending, credential.as_deref());
        }
        if let (Some(name), Some(params)) = (message.str("method"), message.get("params")) {
            notified(name, params)?;
        }
    }
}

fn tell(pending: &Json, credential: Option<&str>) {
    let Some(credential) = credential else { return };
    let mut all = pending.get("approvals").and_then(Json::as_array).unwrap_or_default().iter();
    if let Some(approval) = all.find(|each| each.str("credential") == Some(credential)) {
        let command = format!("authd approve {}", approval.str("id").unwrap_or_default());
        let wait = "waiting for a person to approve (in another terminal:";
        say(&format!("authd: {credential}: {wait} {command})\n"));
    }
}

fn timed_out(method: &str, timeout: Duration) -> Error {
    let seconds = timeout.as_millis().div_ceil(1000);
    Error::new(Reason::Timeout, format!("authd has not answered {method} within {seconds} s."))
}

fn is_timeout(error: &Error) -> bool {
    error.reason == Reason::Timeout
}

/// A command says that the connection was lost, rather than trying again.
fn closed(error: Error) -> Error {
    if error.is_connection_lost() {
        return Error::new(Reason::ShuttingDown, error.message);
    }
    error
}
