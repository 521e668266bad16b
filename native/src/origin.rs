//! Where an answer redirects to.

use authd::Json;

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
