//! URLs: whole ones of a path alone, and where an answer redirects to.

use crate::call::call;
use authd::{Error, Json, Reason};
use std::path::Path;
use std::time::Duration;

/// Longer than anything that the daemon does for one call.
const PATIENCE: Duration = Duration::from_secs(150);

/// Returns a whole URL as it is, and a path at the only origin of its credential.
pub fn whole(socket: &Path, credential: &str, given: &str) -> Result<String, Error> {
    if !given.starts_with('/') {
        return Ok(given.to_string());
    }
    let about = call(socket, "credentials/show", Json::object().with("credential", credential), PATIENCE)?;
    let origins = about.get("origins").and_then(Json::as_array).unwrap_or_default();
    let origins: Vec<&str> = origins.iter().filter_map(Json::as_str).collect();
    let why = match origins[..] {
        [origin] => return Ok(format!("{origin}{given}")),
        [] if comes_with_token(&about) => {
            format!("its origin comes with its first token: authd refresh {credential}")
        }
        [] => format!("it has no origins yet: authd set {credential} --set origins=https://…"),
        _ => format!("it has several origins ({}): write the whole URL", origins.join(", ")),
    };
    let text = format!("{credential}: a path alone is not enough, {why}");
    let mut error = Error::new(Reason::InvalidParams, text);
    error.credential = Some(credential.to_string());
    Err(error)
}

fn comes_with_token(about: &Json) -> bool {
    let entries = about.get("settings").and_then(|settings| settings.get("origins"));
    let entries = entries.and_then(Json::as_array).unwrap_or_default();
    entries.iter().any(|entry| entry.as_str().is_some_and(|entry| entry.starts_with("{kept.")))
}

/// Returns a URL, or a path alone, as browsers write it; `None` for one that is not spelled plainly.
pub fn href(url: &str) -> Option<String> {
    if url.starts_with('/') {
        return is_plain(url).then(|| url.to_string());
    }
    let (scheme, own_port, rest) = match url.split_once("://")? {
        ("http", rest) => ("http", ":80", rest),
        ("https", rest) => ("https", ":443", rest),
        _ => return None,
    };
    let at = rest.find(['/', '?']).unwrap_or(rest.len());
    let (authority, after) = rest.split_at(at);
    let (host, port) = authority.split_once(':').unwrap_or((authority, ""));
    let port_is_plain = port.bytes().all(|byte| byte.is_ascii_digit()) && !port.starts_with('0');
    let has_port = authority.len() > host.len();
    if !is_plain_host(host)
        || !port_is_plain
        || (has_port && port.parse::<u16>().is_err())
        || !is_plain(after)
    {
        return None;
    }
    let slash = if after.starts_with('/') { "" } else { "/" };
    Some(format!("{scheme}://{}{slash}{after}", authority.strip_suffix(own_port).unwrap_or(authority)))
}

fn is_plain_host(host: &str) -> bool {
    let is_letter = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || b".-".contains(&byte);
    let last = host.rsplit('.').next().unwrap_or_default();
    let is_number = last.is_empty() || last.starts_with(|first: char| first.is_ascii_digit());
    host.bytes().all(is_letter) && !host.contains("xn--") && (!is_number || host == "127.0.0.1")
}

/// True for a path, and a query, in which nothing is written otherwise.
fn is_plain(after: &str) -> bool {
    let is_letter = |byte: u8| byte.is_ascii_alphanumeric() || b"-._~/!$&()*+,;=:@?".contains(&byte);
    let path = after.split('?').next().unwrap_or_default();
    after.bytes().all(is_letter) && !path.split('/').any(|part| part == "." || part == "..")
}

/// Returns the other origin that an answer redirects to; `None` if it does not.
pub fn other_origin(head: &Json) -> Option<String> {
    let status = head.get("status").and_then(Json::as_i64)?;
    let location = head.get("headers")?.str("location")?.trim();
    let own = origin(head.str("url")?)?;
    if !(300..400).contains(&status) {
        return None;
    }
    let other = match location.strip_prefix("//") {
        Some(_) => origin(&format!("{}:{location}", own.split(':').next()?))?,
        None => origin(location)?,
    };
    (other != own).then_some(other)
}

/// Returns scheme, host and port of an absolute URL, without the scheme's own port; of a scheme that is not HTTP's
/// the scheme. `None` for a relative reference.
fn origin(url: &str) -> Option<String> {
    let (scheme, rest) = url.split_once(':')?;
    let is_letter = |each: u8| each.is_ascii_alphanumeric() || b"+.-".contains(&each);
    if !scheme.starts_with(|each: char| each.is_ascii_alphabetic()) || !scheme.bytes().all(is_letter) {
        return None;
    }
    let scheme = scheme.to_ascii_lowercase();
    let own_port = match scheme.as_str() {
        "http" => ":80",
        "https" => ":443",
        _ => return Some(format!("{scheme}:")),
    };
    let authority = rest.trim_start_matches(['/', '\\']).split(['/', '\\', '?', '#']).next()?;
    let host = authority.rsplit('@').next()?.to_ascii_lowercase();
    Some(format!("{scheme}://{}", host.strip_suffix(own_port).unwrap_or(&host)))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn redirect(location: &str) -> Option<String> {
        let headers = Json::object().with("location", location);
        let head = Json::object().with("status", 302u64).with("headers", headers);
        other_origin(&head.with("url", "https://a.example/x"))
    }

    #[test]
    fn writes_urls_as_browsers_do() {
        for (given, written) in [
            ("https://a.example", Some("https://a.example/")),
            ("https://a.example:443/x?y=1", Some("https://a.example/x?y=1")),
            ("http://127.0.0.1:8080?z", Some("http://127.0.0.1:8080/?z")),
            ("/v2/models?a=b", Some("/v2/models?a=b")),
            ("https://A.example/", None),
            ("https://a.example/../x", None),
            ("https://a.example/ä", None),
            ("https://1.2/", None),
            ("https://a.example:99999/", None),
        ] {
            assert_eq!(href(given).as_deref(), written, "{given}");
        }
    }

    #[test]
    fn tells_other_origins() {
        for (location, other) in [
            ("https://b.example/y", Some("https://b.example")),
            ("//b.example:443/y", Some("https://b.example")),
            ("http://a.example/", Some("http://a.example")),
            ("https://a.example:8443", Some("https://a.example:8443")),
            ("HTTPS://me@A.EXAMPLE:443?q", None),
            ("/y", None),
            ("y?z=https://b.example", None),
            ("mailto:me@b.example", Some("mailto:")),
        ] {
            assert_eq!(redirect(location).as_deref(), other, "{location}");
        }
    }
}
