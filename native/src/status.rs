//! `authd status`: the daemon and its credentials, as a table for a pipe or as JSON. A terminal's is the Node command's.

mod order;
mod rows;
mod summary;

use crate::args::Args;
use crate::call::{call, socket_path};
use crate::output::print;
use crate::report::{is_coloured, report};
use authd::{Error, Json};
use std::io::{stdout, IsTerminal};
use std::path::Path;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

/// Longer than anything that the daemon does for one call.
const TIMEOUT: Duration = Duration::from_secs(150);
/// Credentials of which a person sees at a glance how they are.
const FEW: usize = 4;
/// Next step where there are no credentials.
const NO_CREDENTIALS: &str = "No credentials yet. Next: authd add NAME --preset PRESET";

/// Returns the exit code, or `None` if the Node command should do it: nothing was printed then.
#[inline(never)]
pub fn run(words: &[&str]) -> Option<i32> {
    let args = Args::parse(words, &[("json", false)])?;
    let is_json = args.has("json");
    let is_plain = is_json || !(stdout().is_terminal() || is_coloured(false));
    if !args.positionals.is_empty() || !is_plain {
        return None;
    }
    match both(&socket_path()?) {
        Err(error) => Some(report(&error)),
        // The Node command warns of a daemon of another version.
        Ok((daemon, _)) if daemon.str("version") != Some(env!("CARGO_PKG_VERSION")) => None,
        Ok((daemon, credentials)) if is_json => {
            let whole = Json::object().with("daemon", daemon).with("credentials", credentials);
            Some(print(&whole.pretty()))
        }
        Ok((daemon, credentials)) => Some(print(&text(&daemon, credentials.as_array()?)?)),
    }
}

/// Returns `None` for what takes a look at more than plain letters.
fn text(daemon: &Json, credentials: &[Json]) -> Option<String> {
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default().as_millis() as f64;
    let mut lines = summary::lines(daemon, now);
    lines.push(String::new());
    if credentials.is_empty() {
        lines.push(NO_CREDENTIALS.to_string());
    } else {
        lines.extend(rows::lines(order::by_problems(credentials)?, now)?);
    }
    if credentials.len() > FEW {
        lines.extend([String::new(), summary::state_counts(daemon)]);
    }
    Some(lines.join("\n"))
}

fn both(socket: &Path) -> Result<(Json, Json), Error> {
    let daemon = call(socket, "status", Json::object(), TIMEOUT)?;
    let list = call(socket, "credentials/list", Json::object(), TIMEOUT)?;
    let credentials = list.get("credentials").cloned().unwrap_or(Json::Array(Vec::new()));
    Ok((daemon, credentials))
}
