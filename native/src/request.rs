//! `authd request NAME [METHOD] URL`: sends a request with the token, and writes the answer as it comes.
//!
//! Files, standard input, `-v` and a path alone are the Node command's.

use crate::args::{Args, Known};
use crate::call::{exchange, socket_path};
use crate::origin::other_origin;
use crate::output::write_body;
use crate::report::{exit_code, report, say};
use crate::text::strip_control_chars;
use authd::base64::decode as decode_base64;
use authd::{Error, Json, Reason};
use std::time::Duration;

const OPTIONS: &[Known] = &[
    ("request", true),
    ("header", true),
    ("data", true),
    ("include", false),
    ("silent", false),
    ("show-error", false),
    ("fail", false),
    ("fail-with-body", false),
    ("timeout", true),
];

const SHORT: &[(char, &str)] = &[
    ('X', "request"),
    ('H', "header"),
    ('d', "data"),
    ('i', "include"),
    ('s', "silent"),
    ('S', "show-error"),
    ('f', "fail"),
];

/// The daemon limits how long a request may take, not this command.
const FOR_EVER: Duration = Duration::from_secs(365 * 86_400);

/// Returns the exit code, or `None` if the Node command should do it: nothing was sent then.
pub fn run(words: &[&str]) -> Option<i32> {
    let long = spell_out(words)?;
    let long: Vec<&str> = long.iter().map(String::as_str).collect();
    let args = Args::parse(&long, OPTIONS)?;
    let params = params(&args)?;
    let name = args.positionals[0];
    let is_silent = args.has("silent") && !args.has("show-error");
    let mut answer = Answer::new(name, &args);
    let result = exchange(
        &socket_path()?,
        "authorizedRequest",
        params,
        FOR_EVER,
        !is_silent,
        &mut |method, params| answer.take(method, params),
    );
    Some(match result.and_then(|result| answer.assert_whole(&result).map(|()| result)) {
        Err(error) if is_silent => exit_code(&error),
        Err(error) => report(&error),
        Ok(result) => end(name, &result, &args, is_silent),
    })
}

/// Writes short options as the long ones they stand for; `None` for one that is not known.
fn spell_out(words: &[&str]) -> Option<Vec<String>> {
    let mut all = Vec::new();
    for word in words {
        let Some(letters) = word.strip_prefix('-').filter(|rest| !rest.is_empty() && !rest.starts_with('-'))
        else {
            all.push(word.to_string());
            continue;
        };
        for (at, letter) in letters.char_indices() {
            let (_, name) = SHORT.iter().find(|(each, _)| *each == letter)?;
            let rest = &letters[at + letter.len_utf8()..];
            let takes_value = OPTIONS.contains(&(name, true));
            if takes_value && !rest.is_empty() {
                all.push(format!("--{name}={rest}"));
                break;
            }
            all.push(format!("--{name}"));
        }
    }
    Some(all)
}

fn params(args: &Args) -> Option<Json> {
    let (name, method, url) = match (&args.positionals[..], args.get("request")) {
        ([name, url], method) => (name, method, url),
        ([name, method, url], None) => (name, Some(*method), url),
        _ => return None,
    };
    if name.is_empty() || url.starts_with('/') {
        return None;
    }
    let mut data = args.all("data");
    let body = data.next();
    if data.next().is_some() || body.is_some_and(|text| text.starts_with('@')) {
        return None;
    }
    let mut headers = headers(args)?;
    if let Some(body) = body {
        if !headers.iter().any(|(name, _)| name == "content-type") {
            headers.push(("content-type".to_string(), content_type(body)?.into()));
        }
    }
    let timeout = args.milliseconds("timeout").ok()?;
    let usual = if body.is_some() { "POST" } else { "GET" };
    let params = Json::object()
        .with("credential", *name)
        .with("url", *url)
        .with("method", method.unwrap_or(usual))
        .with("headers", headers)
        .with("stream", true)
        .with_some("timeoutMs", timeout.map(|each| each.as_millis() as u64))
        .with_some("body", body);
    Some(params)
}

/// Returns names in lower case; the values of a name that is given twice are joined.
fn headers(args: &Args) -> Option<Vec<(String, Json)>> {
    let mut headers: Vec<(String, Json)> = Vec::new();
    for line in args.all("header") {
        let (name, value) = line.split_once(':').filter(|(name, _)| !name.is_empty())?;
        let name = name.trim().to_ascii_lowercase();
        if !line.is_ascii() || name == "__proto__" {
            return None;
        }
        match headers.iter_mut().find(|(each, _)| *each == name) {
            Some((_, before)) => *before = format!("{}, {}", before.as_str()?, value.trim()).into(),
            None => headers.push((name, value.trim().into())),
        }
    }
    Some(headers)
}

/// JSON if it parses as such, otherwise a form; `None` if it looks like JSON all the same.
fn content_type(body: &str) -> Option<&'static str> {
    match Json::parse(body) {
        Ok(_) => Some("application/json"),
        Err(_) if body.trim_start().starts_with(['{', '[']) => None,
        Err(_) => Some("application/x-www-form-urlencoded"),
    }
}

/// An answer that comes in parts.
struct Answer<'a> {
    credential: &'a str,
    tells_head: bool,
    drops_failed: bool,
    is_dropped: bool,
    chunks: u64,
    bytes: u64,
}

impl<'a> Answer<'a> {
    fn new(credential: &'a str, args: &Args) -> Answer<'a> {
        let drops_failed = args.has("fail") && !args.has("fail-with-body");
        let tells_head = args.has("include");
        Answer { credential, tells_head, drops_failed, is_dropped: false, chunks: 0, bytes: 0 }
    }

    fn take(&mut self, method: &str, params: &Json) -> Result<(), Error> {
        match method {
            "response/head" => self.head(params),
            "response/chunk" => return self.chunk(params),
            _ => {}
        }
        Ok(())
    }

    fn head(&mut self, head: &Json) {
        if self.tells_head {
            let status = head.get("status").and_then(Json::as_i64).unwrap_or(0);
            let text = strip_control_chars(head.str("statusText").unwrap_or_default());
            say(&format!("HTTP {status} {text}\n{}\n", header_lines(head)));
        }
        self.is_dropped = self.drops_failed && is_failed(head);
    }

    fn chunk(&mut self, chunk: &Json) -> Result<(), Error> {
        if chunk.get("seq").and_then(Json::as_i64) != Some(self.chunks as i64) {
            return Err(self.incomplete(format!("chunk {} did not come", self.chunks)));
        }
        let data = decode_base64(chunk.str("data").unwrap_or_default());
        self.chunks += 1;
        self.bytes += data.len() as u64;
        if !self.is_dropped {
            write_body(&data);
        }
        Ok(())
    }

    /// Fails if the result counts more or less than came.
    fn assert_whole(&self, result: &Json) -> Result<(), Error> {
        let count = |name| result.get(name).and_then(Json::as_i64).unwrap_or(0) as u64;
        if count("chunks") == self.chunks && count("bytes") == self.bytes {
            return Ok(());
        }
        Err(self.incomplete(format!("{} of {} bytes came", self.bytes, count("bytes"))))
    }

    fn incomplete(&self, what: String) -> Error {
        let text = format!("{}: the answer from authd is not whole: {what}", self.credential);
        Error::new(Reason::RequestFailed, text)
    }
}

fn header_lines(head: &Json) -> String {
    let mut lines = String::new();
    for (name, value) in head.get("headers").map_or(&[][..], Json::members) {
        let one = std::slice::from_ref(value);
        for each in value.as_array().unwrap_or(one) {
            let shown = strip_control_chars(each.as_str().unwrap_or_default());
            lines.push_str(&format!("{name}: {shown}\n"));
        }
    }
    lines
}

/// True for an error, and for a redirect to another origin: what was asked for was not fetched.
fn is_failed(head: &Json) -> bool {
    head.get("status").and_then(Json::as_i64).unwrap_or(0) >= 400 || other_origin(head).is_some()
}

fn end(name: &str, result: &Json, args: &Args, is_silent: bool) -> i32 {
    let status = result.get("status").and_then(Json::as_i64).unwrap_or(0);
    let is_failure = (args.has("fail") || args.has("fail-with-body")) && is_failed(result);
    if !is_silent {
        if let Some(origin) = other_origin(result) {
            let to = strip_control_chars(&origin);
            let what = format!("HTTP {status} redirects to {to}, from where nothing was fetched");
            let instead = format!("To fetch it without the token: authd set {name} --set follow={to}");
            say(&format!("authd: {name}: {what}, as the token may not go there. {instead}\n"));
        } else if is_failure {
            say(&format!("authd: {name}: HTTP {status}\n"));
        }
    }
    i32::from(is_failure)
}
