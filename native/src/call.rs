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
    notified: Notified,
) -> Result<Json, Error> {
    let mut calls = Calls::open(socket, params.str("credential"), tells)?;
    let id = calls.send(method, &params)?;
    calls.answer(id, method, timeout, notified)
}

/// Gets the name and the params of a notification.
pub type Notified<'a> = &'a mut dyn FnMut(&str, &Json) -> Result<(), Error>;

/// A connection, and what a person who waits for it is told.
pub struct Calls {
    pub connection: Connection,
    credential: Option<String>,
    tell_at: Option<Instant>,
    question: Option<u64>,
}

impl Calls {
    pub fn open(socket: &Path, credential: Option<&str>, tells: bool) -> Result<Calls, Error> {
        let connection = Connection::open(socket)?;
        let tell_at = (tells && stderr().is_terminal()).then(|| Instant::now() + TELL_AFTER);
        Ok(Calls { connection, credential: credential.map(str::to_string), tell_at, question: None })
    }

    pub fn send(&mut self, method: &str, params: &Json) -> Result<u64, Error> {
        self.connection.send(method, params).map_err(closed)
    }

    /// Waits for the answer to request `id`.
    pub fn answer(
        &mut self,
        id: u64,
        method: &str,
        timeout: Duration,
        notified: Notified,
    ) -> Result<Json, Error> {
        let deadline = Instant::now() + timeout;
        loop {
            let until = self.tell_at.map_or(deadline, |at| at.min(deadline));
            match self.step(id, method, until, notified) {
                Err(error) if error.reason == Reason::Timeout && self.tell_at.take().is_some() => {
                    self.question = Some(self.send("approvals/pending", &Json::object())?);
                }
                Err(error) if error.reason == Reason::Timeout => return Err(timed_out(method, timeout)),
                Err(error) => return Err(error),
                Ok(Some(answer)) => return answer,
                Ok(None) => {}
            }
        }
    }

    /// Takes one message; returns the answer to request `id` if it is that.
    pub fn step(
        &mut self,
        id: u64,
        method: &str,
        until: Instant,
        notified: Notified,
    ) -> Result<Option<Result<Json, Error>>, Error> {
        let message = self.connection.read(until, method).map_err(closed)?;
        let answer = answer_to(id, &message);
        if answer.is_some() {
            return Ok(answer);
        }
        if let Some(Ok(pending)) = self.question.and_then(|id| answer_to(id, &message)) {
            tell(&pending, self.credential.as_deref());
        }
        if let (Some(name), Some(params)) = (message.str("method"), message.get("params")) {
            notified(name, params)?;
        }
        Ok(None)
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

/// A command says that the connection was lost, rather than trying again.
fn closed(error: Error) -> Error {
    if error.is_connection_lost() {
        return Error::new(Reason::ShuttingDown, error.message);
    }
    error
}
