//! `authd status --json`: the daemon and its credentials, for programs. The table for people is the Node command's.

use crate::args::Args;
use crate::call::{call, socket_path};
use crate::output::print;
use crate::report::report;
use authd::{Error, Json};
use std::path::Path;
use std::time::Duration;

/// Longer than anything that the daemon does for one call.
const TIMEOUT: Duration = Duration::from_secs(150);

/// Returns the exit code, or `None` if the Node command should do it: nothing was printed then.
pub fn run(words: &[&str]) -> Option<i32> {
    let args = Args::parse(words, &[("json", false)])?;
    if !args.has("json") || !args.positionals.is_empty() {
        return None;
    }
    match both(&socket_path()?) {
        Err(error) => Some(report(&error)),
        // The Node command warns of a daemon of another version.
        Ok((daemon, _)) if daemon.str("version") != Some(env!("CARGO_PKG_VERSION")) => None,
        Ok((daemon, credentials)) => {
            let whole = Json::object().with("daemon", daemon).with("credentials", credentials);
            Some(print(&whole.pretty()))
        }
    }
}

fn both(socket: &Path) -> Result<(Json, Json), Error> {
    let daemon = call(socket, "status", Json::object(), TIMEOUT)?;
    let list = call(socket, "credentials/list", Json::object(), TIMEOUT)?;
    let credentials = list.get("credentials").cloned().unwrap_or(Json::Array(Vec::new()));
    Ok((daemon, credentials))
}
