//! `helpers.toml`: which credential a tool gets for which host.

use super::places::Place;
use crate::call::{call, socket_path};
use authd::Json;
#[cfg(not(windows))]
use std::env;
use std::path::PathBuf;
use std::time::Duration;

/// The time that the daemon has to list credentials.
const PATIENCE: Duration = Duration::from_secs(150);

/// The credential for a place, and the user that `helpers.toml` names with it.
pub struct Found {
    pub credential: String,
    pub user: Option<String>,
}

/// Returns the credential for `asked`, `Some(None)` if there is none, and `None` if the Node command should look.
pub fn find(tool: &str, asked: &Place) -> Option<Option<Found>> {
    let entries = read(tool)?;
    let found = match entries
        .into_iter()
        .rev()
        .filter(|(place, _)| place.covers(asked))
        .max_by_key(|(place, _)| place.weight())
    {
        Some((place, credential)) => Some(Found { credential, user: place.user }),
        None => by_origin(asked)?,
    };
    // The Node command says that such a place gets no token.
    let is_open = asked.scheme == "http" && !asked.is_loopback();
    (found.is_none() || !is_open).then_some(found)
}

/// The one among whose origins it is; `None` if there are several.
fn by_origin(asked: &Place) -> Option<Option<Found>> {
    let result = call(&socket_path()?, "credentials/list", Json::object(), PATIENCE).ok()?;
    let origin = asked.origin();
    let has_it = |one: &&Json| {
        let origins = one.get("origins").and_then(Json::as_array).unwrap_or_default();
        origins.iter().any(|each| each.as_str() == Some(&origin))
    };
    let mut names =
        result.get("credentials")?.as_array()?.iter().filter(has_it).filter_map(|one| one.str("name"));
    let first = names.next().map(|name| Found { credential: name.to_string(), user: None });
    names.next().is_none().then_some(first)
}

/// Reads a tool's entries; `None` for a file that is not written as `authd helper install` writes it.
pub fn read(tool: &str) -> Option<Vec<(Place, String)>> {
    let path = state_dir()?.join("helpers.toml");
    match path.symlink_metadata() {
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Some(Vec::new()),
        Err(_) => return None,
        Ok(about) if !is_safe(&about) => return None,
        Ok(_) => {}
    }
    parse(&std::fs::read_to_string(path).ok()?, tool)
}

/// True for a file that only this user and root can change.
#[cfg(unix)]
fn is_safe(about: &std::fs::Metadata) -> bool {
    use std::os::unix::fs::MetadataExt;
    extern "C" {
        fn geteuid() -> u32;
    }
    // SAFETY: geteuid(2) takes nothing and always succeeds.
    let own = unsafe { geteuid() };
    about.is_file() && about.mode() & 0o022 == 0 && (about.uid() == 0 || about.uid() == own)
}

#[cfg(not(unix))]
fn is_safe(about: &std::fs::Metadata) -> bool {
    about.is_file()
}

fn parse(text: &str, tool: &str) -> Option<Vec<(Place, String)>> {
    let mut entries = Vec::new();
    let mut tables = Vec::new();
    for line in text.lines().map(str::trim) {
        if line.is_empty() || line.starts_with('#') {
            continue;
        }
        if let Some(name) = line.strip_prefix('[').and_then(|rest| rest.strip_suffix(']')) {
            if !name.bytes().all(|each| each.is_ascii_alphanumeric()) || tables.contains(&name) {
                return None;
            }
            tables.push(name);
            continue;
        }
        let [key, credential] = quoted_pair(line)?;
        if *tables.last()? == tool {
            let place = Place::parse(key)?;
            if entries.iter().any(|(other, _)| *other == place) {
                return None;
            }
            entries.push((place, credential.to_string()));
        }
    }
    Some(entries)
}

/// Parses `"key" = "value"`, without escapes, a comment behind it.
fn quoted_pair(line: &str) -> Option<[&str; 2]> {
    if line.contains('\\') || line.chars().any(char::is_control) {
        return None;
    }
    let parts: Vec<&str> = line.splitn(5, '"').collect();
    let ["", key, between, value, rest] = parts[..] else { return None };
    let rest = rest.trim();
    (between.trim() == "=" && (rest.is_empty() || rest.starts_with('#'))).then_some([key, value])
}

#[cfg(not(windows))]
fn state_dir() -> Option<PathBuf> {
    let variable = |name| env::var_os(name).filter(|value| !value.is_empty()).map(PathBuf::from);
    if let Some(path) = variable("AUTHD_STATE_DIR") {
        return Some(path);
    }
    if let Some(path) = variable("XDG_STATE_HOME").filter(|path| path.is_absolute()) {
        return Some(path.join("authd"));
    }
    let folder =
        if cfg!(target_os = "macos") { "Library/Application Support/authd" } else { ".local/state/authd" };
    Some(variable("HOME")?.join(folder))
}

#[cfg(windows)]
fn state_dir() -> Option<PathBuf> {
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_what_install_writes() {
        let text = "# mine\n[git]\n\"github.com\" = \"github\"\n\"bot@x.example/a\" = \"bot\" # longer\n\n[docker]\n\"ghcr.io\" = \"ghcr\"\n";
        let names =
            |tool| parse(text, tool).map(|all| all.into_iter().map(|(_, name)| name).collect::<Vec<_>>());
        assert_eq!(names("git").unwrap(), ["github", "bot"]);
        assert_eq!(names("docker").unwrap(), ["ghcr"]);
        assert!(names("npm").unwrap().is_empty());
    }

    #[test]
    fn leaves_other_spellings_to_the_node_command() {
        for text in [
            "x = 1\n",
            "[git]\ngithub = \"x\"\n",
            "[git]\n\"a\" = \"b\\u0041\"\n",
            "[git]\n\"a\" = \"b\" x\n",
            "[git]\n\"a\" = \"b\"\n\"a\" = \"c\"\n",
            "[git]\n[git]\n",
            "[a.b]\n",
            "\"a\" = \"b\"\n",
        ] {
            assert!(parse(text, "git").is_none(), "{text}");
        }
    }
}
