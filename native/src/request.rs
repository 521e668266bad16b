//! `authd request NAME [METHOD] URL`: sends a request with the token, and writes the answer as it comes.

mod answer;
mod body;
mod source;
mod upload;
mod url;

use crate::args::{Args, Known};
use crate::call::{socket_path, Calls};
use crate::report::{exit_code, report, say};
use crate::text::strip_control_chars;
use answer::{is_failed, Answer, Output};
use authd::{Error, Json};
use body::Body;
use std::path::Path;
use std::time::Duration;
use url::other_origin;

const OPTIONS: &[Known] = &[
    ("request", true),
    ("header", true),
    ("data", true),
    ("upload-file", true),
    ("output", true),
    ("include", false),
    ("verbose", false),
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
    ('T', "upload-file"),
    ('o', "output"),
    ('i', "include"),
    ('v', "verbose"),
    ('s', "silent"),
    ('S', "show-error"),
    ('f', "fail"),
];

/// The daemon limits how long a request may take, not this command.
const FOR_EVER: Duration = Duration::from_secs(365 * 86_400);

/// Returns the exit code, or `None` if the Node command should do it: nothing was sent then, and standard input is as
/// it was.
#[inline(never)]
pub fn run(words: &[&str]) -> Option<i32> {
    let long = spell_out(words)?;
    let long: Vec<&str> = long.iter().map(String::as_str).collect();
    let args = Args::parse(&long, OPTIONS)?;
    let mut request = Request::of(&args)?;
    let output = Output::of(&args)?;
    let socket = socket_path()?;
    if args.has("verbose") && url::href(request.url).is_none() {
        return None;
    }
    let body = body_of(&args)?;
    request.set_type(body.as_ref());
    let is_silent = args.has("silent") && !args.has("show-error");
    Some(match relay(&socket, &request, body, output, is_silent) {
        Err(error) if is_silent => exit_code(&error),
        Err(error) => report(&error),
        Ok(result) => end(request.name, &result, &args, is_silent),
    })
}

fn relay(
    socket: &Path,
    request: &Request,
    body: Option<Body>,
    output: Output,
    is_silent: bool,
) -> Result<Json, Error> {
    let url = url::whole(socket, request.name, request.url)?;
    let params = request.params(&url);
    let mut calls = Calls::open(socket, Some(request.name), !is_silent)?;
    let mut answer = Answer::new(request.name, output);
    answer.tell_request(&params);
    let mut notified = |method: &str, params: &Json| answer.take(method, params);
    let result = match body {
        Some(Body { member: None, mut source, .. }) => {
            upload::upload(&mut calls, params, &mut source, &mut notified)?
        }
        body => {
            let member = body.and_then(|body| body.member);
            let params = member.into_iter().fold(params, |params, (name, text)| params.with(name, text));
            let id = calls.send("authorizedRequest", &params)?;
            calls.answer(id, "authorizedRequest", FOR_EVER, &mut notified)?
        }
    };
    answer.end(&result, &url)?;
    Ok(result)
}

/// Returns `Some(None)` without a body, and `None` for what the Node command should complain of.
fn body_of(args: &Args) -> Option<Option<Body>> {
    match (args.get("upload-file"), args.has("data")) {
        (Some(_), true) => None,
        (Some(path), false) => body::upload(path).map(Some),
        (None, true) => body::data(args.all("data")).map(Some),
        (None, false) => Some(None),
    }
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

/// What is asked for, without a body.
struct Request<'a> {
    name: &'a str,
    method: &'a str,
    /// Or a path alone.
    url: &'a str,
    headers: Vec<(String, Json)>,
    timeout: Option<Duration>,
}

impl<'a> Request<'a> {
    fn of(args: &Args<'a>) -> Option<Request<'a>> {
        let (name, method, url) = match (&args.positionals[..], args.get("request")) {
            ([name, url], method) => (*name, method, *url),
            ([name, method, url], None) => (*name, Some(*method), *url),
            _ => return None,
        };
        let usual = match (args.has("upload-file"), args.has("data")) {
            (true, _) => "PUT",
            (false, true) => "POST",
            (false, false) => "GET",
        };
        let method = method.unwrap_or(usual);
        let timeout = args.milliseconds("timeout").ok()?;
        (!name.is_empty()).then_some(Request { name, method, url, headers: headers(args)?, timeout })
    }

    /// The body's content type, unless one is given.
    fn set_type(&mut self, body: Option<&Body>) {
        let content_type = body.and_then(|body| body.content_type);
        if let Some(content_type) = content_type {
            if !self.headers.iter().any(|(name, _)| name == "content-type") {
                self.headers.push(("content-type".to_string(), content_type.into()));
            }
        }
    }

    fn params(&self, url: &str) -> Json {
        Json::object()
            .with("credential", self.name)
            .with("url", url)
            .with("method", self.method)
            .with("headers", self.headers.clone())
            .with("stream", true)
            .with_some("timeoutMs", self.timeout.map(|each| each.as_millis() as u64))
    }
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
