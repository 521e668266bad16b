//! Says on stderr what went wrong and what to do next.

use crate::text::{duration, strip_control_chars};
use authd::{Error, Reason};
use std::env;
use std::io::{stderr, IsTerminal, Write};

const NO_DAEMON: i32 = 3;

/// Prints the error; returns the exit code.
pub fn report(error: &Error) -> i32 {
    let (red, bold) = if is_coloured(stderr().is_terminal()) {
        (("\x1b[31m", "\x1b[39m"), ("\x1b[1m", "\x1b[22m"))
    } else {
        (("", ""), ("", ""))
    };
    let message = message_of(error);
    let mut text = format!("{}authd:{} {}\n", red.0, red.1, strip_control_chars(&message));
    if let Some(next) = next_step(error, &message) {
        text.push_str(&format!("  {}Next:{} {}\n", bold.0, bold.1, strip_control_chars(&next)));
    }
    say(&text);
    exit_code(error)
}

/// Writes to stderr; who closed it does not want to know.
pub fn say(text: &str) {
    let _ = stderr().write_all(text.as_bytes());
}

fn message_of(error: &Error) -> String {
    match &error.credential {
        Some(name) if !error.message.contains(name.as_str()) => format!("{name}: {}", error.message),
        _ => error.message.clone(),
    }
}

/// Returns the exit code of an error, which people's scripts rely on.
pub fn exit_code(error: &Error) -> i32 {
    use Reason::*;
    match error.reason {
        InvalidParams => 2,
        NoDaemon => NO_DAEMON,
        UnknownCredential => 4,
        LoginRequired | CredentialRejected | CredentialChanged | CredentialDamaged => 5,
        OriginNotAllowed | CallerNotAllowed | TokenNotExposed | VaultLocked => 6,
        IssuerUnavailable | Timeout | TooBusy | ShuttingDown => 7,
        _ => 1,
    }
}

/// Nothing if the message names a command already.
fn next_step(error: &Error, message: &str) -> Option<String> {
    if error.reason == Reason::NoDaemon {
        return Some("authd service install starts it now and at every login".to_string());
    }
    if names_command(message) {
        return wait(error);
    }
    let name = error.credential.as_deref().unwrap_or("NAME");
    let step = match error.reason {
        Reason::UnknownCredential => "authd list shows what there is; authd add makes a new one".to_string(),
        Reason::LoginRequired | Reason::CredentialRejected => format!("authd set {name}"),
        Reason::CredentialChanged => format!("authd trust {name}"),
        Reason::CredentialDamaged => {
            format!("authd edit {name} mends its file; a vault file is put back from a copy, or authd add {name} --replace")
        }
        Reason::VaultLocked => "authd unlock; authd doctor says more".to_string(),
        Reason::OriginNotAllowed => format!("authd show {name} lists the origins that are allowed"),
        Reason::TokenNotExposed => format!("authd request {name} sends requests without showing the token"),
        Reason::Timeout => "try again; --timeout gives it longer".to_string(),
        Reason::TooBusy => "try again in a moment".to_string(),
        Reason::ShuttingDown => "try again once the daemon is back".to_string(),
        Reason::Internal => "authd doctor; the daemon's log says more".to_string(),
        _ => return wait(error),
    };
    Some(step)
}

fn wait(error: &Error) -> Option<String> {
    error.retry_after_ms.map(|ms| format!("try again in {}", duration(ms as f64)))
}

/// "authd " and a small letter after it, at the beginning of a word.
fn names_command(message: &str) -> bool {
    message.match_indices("authd ").any(|(at, found)| {
        let before = message[..at].chars().next_back();
        let after = message[at + found.len()..].chars().next();
        !before.is_some_and(|each| each.is_ascii_alphanumeric() || each == '_')
            && after.is_some_and(|each| each.is_ascii_lowercase())
    })
}

/// True if what is written is painted: on a terminal, unless FORCE_COLOR or NO_COLOR decides.
pub fn is_coloured(is_terminal: bool) -> bool {
    if let Ok(forced) = env::var("FORCE_COLOR") {
        return forced != "0" && forced != "false";
    }
    if env::var("NO_COLOR").is_ok_and(|value| !value.is_empty()) {
        return false;
    }
    is_terminal && env::var("TERM").map_or(true, |term| term != "dumb")
}
