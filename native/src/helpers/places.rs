//! Places that tools ask credentials for, written `[user@]host[:port][/path]`, or with a scheme in front.

/// A place in plain spelling. Anything else (escapes, other alphabets, numbers as hosts) is the Node command's.
#[derive(Debug, Clone, PartialEq)]
pub struct Place {
    pub scheme: &'static str,
    /// In lower case, with the port unless it is the scheme's own.
    pub host: String,
    /// Without slashes at its ends.
    pub path: String,
    pub user: Option<String>,
}

impl Place {
    /// Returns `None` for what is no place, or not spelled plainly.
    pub fn parse(text: &str) -> Option<Place> {
        let (scheme, rest) = match text.split_once("://") {
            Some(("http", rest)) => ("http", rest),
            Some(("https", rest)) => ("https", rest),
            Some(_) => return None,
            None => ("https", text),
        };
        let (authority, path) = rest.split_once('/').unwrap_or((rest, ""));
        let (user, host) = match authority.split_once('@') {
            Some((user, host)) => (Some(user), host),
            None => (None, authority),
        };
        if user.is_some_and(|user| !is_plain(user, "._-<>")) {
            return None;
        }
        Some(Place {
            scheme,
            host: host_of(scheme, host)?,
            path: path_of(path)?,
            user: user.map(str::to_string),
        })
    }

    pub fn origin(&self) -> String {
        format!("{}://{}", self.scheme, self.host)
    }

    pub fn is_loopback(&self) -> bool {
        let name = self.host.split(':').next().unwrap_or_default();
        name == "localhost" || name == "127.0.0.1"
    }

    /// True if `asked` is at or below this place. A loopback host may be asked for without TLS.
    pub fn covers(&self, asked: &Place) -> bool {
        let is_scheme = self.scheme == asked.scheme || asked.is_loopback();
        let is_user = self.user.is_none() || asked.user.is_none() || self.user == asked.user;
        let below = asked.path.strip_prefix(self.path.as_str());
        let is_path =
            self.path.is_empty() || below.is_some_and(|rest| rest.is_empty() || rest.starts_with('/'));
        is_scheme && self.host == asked.host && is_user && is_path
    }

    /// A longer path, then a user, makes an entry fit better.
    pub fn weight(&self) -> usize {
        self.path.len() * 2 + usize::from(self.user.is_some())
    }
}

fn host_of(scheme: &str, text: &str) -> Option<String> {
    let (name, port) = match text.split_once(':') {
        Some((name, port)) => (name, Some(port)),
        None => (text, None),
    };
    let is_number =
        name.split('.').next_back().is_none_or(|label| label.starts_with(|c: char| c.is_ascii_digit()));
    if !is_plain(name, ".-") || (is_number && name != "127.0.0.1") || name.contains("xn--") {
        return None;
    }
    let own = if scheme == "http" { "80" } else { "443" };
    let name = name.to_ascii_lowercase();
    match port {
        None => Some(name),
        Some(port) if port == own => Some(name),
        Some(port) if is_port(port) => Some(format!("{name}:{port}")),
        Some(_) => None,
    }
}

fn is_port(text: &str) -> bool {
    !text.starts_with('0') && text.bytes().all(|each| each.is_ascii_digit()) && text.parse::<u16>().is_ok()
}

fn path_of(text: &str) -> Option<String> {
    let is_dots = text.split('/').any(|part| part == "." || part == "..");
    let is_fit = text.is_empty() || is_plain(text, "._-/~+");
    (is_fit && !is_dots).then(|| text.trim_matches('/').to_string())
}

/// True for letters, digits and `others` alone, at least one.
fn is_plain(text: &str, others: &str) -> bool {
    !text.is_empty() && text.chars().all(|each| each.is_ascii_alphanumeric() || others.contains(each))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parses_plain_places_alone() {
        let place = Place::parse("me@GitHub.com:443/acme/x.git/").unwrap();
        assert_eq!(place.origin(), "https://github.com");
        assert_eq!((place.path.as_str(), place.user.as_deref()), ("acme/x.git", Some("me")));
        assert_eq!(Place::parse("http://localhost:3000").unwrap().origin(), "http://localhost:3000");
        for text in [
            "",
            "ftp://x",
            "a/../b",
            "a/%2e",
            "127.1",
            "0x7f.1",
            "é.example",
            "a:b@c",
            "x:99999",
            "a?b",
            "[::1]",
        ] {
            assert_eq!(Place::parse(text), None, "{text}");
        }
    }

    #[test]
    fn covers_what_is_below() {
        let covers =
            |place: &str, asked: &str| Place::parse(place).unwrap().covers(&Place::parse(asked).unwrap());
        assert!(covers("git.example/acme", "https://git.example/acme/x.git"));
        assert!(!covers("git.example/acme", "https://git.example/acmes/x.git"));
        assert!(!covers("bot@git.example", "me@git.example"));
        assert!(!covers("git.example", "http://git.example"));
        assert!(covers("localhost:80", "http://localhost:80") == covers("localhost:80", "http://localhost"));
    }
}
