//! The driver of the Rust client for test/conformance. Each call has a thread of its own.

use authd::base64::{decode, encode};
use authd::{Cancellation, Client, Error, GetToken, Json, Reason, Request, Response, Stream, Token, Watch};
use std::collections::HashMap;
use std::io::{self, stdin, stdout, BufRead, Read, Write};
use std::sync::mpsc::{channel, Receiver, Sender};
use std::thread;
use std::time::{Duration, UNIX_EPOCH};

const FEATURES: [&str; 6] = ["concurrent", "cancel", "stream", "upload", "duplex", "subscribe"];

fn main() {
    let features = FEATURES.map(Json::from).to_vec();
    write(Json::object().with("client", "rust").with("features", features));
    let mut client = None;
    let mut calls: HashMap<i64, (Cancellation, Sender<Vec<u8>>)> = HashMap::new();
    for line in stdin().lock().lines() {
        let command = Json::parse(&line.expect("a line")).expect("JSON");
        let of = command.get("of").and_then(Json::as_i64).unwrap_or_default();
        match command.str("do") {
            Some("part") if command.get("last").is_some() => drop(calls.remove(&of)),
            Some("part") => {
                let _ = calls[&of].1.send(decode(command.str("data").unwrap_or_default()));
            }
            Some("cancel") => {
                if let Some((cancellation, _)) = calls.remove(&of) {
                    cancellation.cancel();
                }
            }
            Some("connect") => connect(&command, &mut client),
            _ => {
                let (cancellation, (sender, parts)) = (Cancellation::new(), channel());
                let client = client.as_ref().expect("a client").with_cancellation(&cancellation);
                calls.insert(number(&command), (cancellation, sender));
                thread::spawn(move || carry_out(&command, &client, parts));
            }
        }
    }
}

fn connect(command: &Json, client: &mut Option<Client>) {
    let next = Client::at(command.str("socket").unwrap_or_default());
    let grace = command.get("graceMs").and_then(Json::as_i64);
    let next = match grace {
        Some(ms) => next.with_grace(Duration::from_millis(ms as u64)),
        None => next,
    };
    if let Some(before) = client.replace(next) {
        before.close();
    }
    write(line(command).with("result", Json::object()));
}

fn carry_out(command: &Json, client: &Client, parts: Receiver<Vec<u8>>) {
    let nothing = Json::object();
    let params = command.get("params").unwrap_or(&nothing);
    let credential = params.str("credential");
    let done = match command.str("do").unwrap_or_default() {
        "getToken" => client.get_token(token_params(params)).map(|token| token_result(&token)),
        "authorizedRequest" => client.request(&request_params(params)).map(|it| response_result(&it)),
        "request" => client.call(command.str("method").unwrap_or_default(), params),
        "stream" => stream(command, client, &request_params(params), parts).map(|()| nothing.clone()),
        "subscribe" => client.subscribe(watch(params)).map(|subscription| {
            thread::spawn(move || {
                for each in subscription {
                    write(Json::object().with("notification", each.name).with("params", each.params));
                }
            });
            nothing.clone()
        }),
        "unsubscribe" => client.unsubscribe(credential).map(|()| nothing.clone()),
        "close" => {
            client.close();
            Ok(nothing.clone())
        }
        other => Err(Error::new(Reason::Internal, format!("no such command: {other}"))),
    };
    write(match done {
        Ok(result) => line(command).with("result", result),
        Err(error) => line(command).with("error", error_result(&error)),
    });
}

fn stream(command: &Json, client: &Client, request: &Request, parts: Receiver<Vec<u8>>) -> Result<(), Error> {
    let is_upload = command.get("upload").and_then(Json::as_bool) == Some(true);
    let mut stream = match is_upload {
        true => client.upload(request, Parts { parts, rest: Vec::new() })?,
        false => client.stream(request)?,
    };
    write(line(command).with("head", head_result(&stream)));
    while let Some(chunk) = stream.chunk()? {
        write(line(command).with("chunk", encode(&chunk)));
    }
    Ok(())
}

/// The source of a body; it ends when its sender is gone.
struct Parts {
    parts: Receiver<Vec<u8>>,
    rest: Vec<u8>,
}

impl Read for Parts {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        if self.rest.is_empty() {
            self.rest = self.parts.recv().unwrap_or_default();
        }
        let length = buffer.len().min(self.rest.len());
        buffer[..length].copy_from_slice(&self.rest[..length]);
        self.rest.drain(..length);
        Ok(length)
    }
}

fn token_params(params: &Json) -> GetToken {
    let text = |name: &str| params.str(name).map(str::to_string);
    let is = |name: &str| params.get(name).and_then(Json::as_bool) == Some(true);
    GetToken {
        min_validity: params.get("minValidity").and_then(Json::as_f64),
        scope: text("scope"),
        audience: text("audience"),
        force_refresh: is("forceRefresh"),
        rejected_token: text("rejectedToken"),
        timeout: timeout(params),
        method: text("method"),
        url: text("url"),
        interactive: is("interactive"),
        ..GetToken::of(params.str("credential").unwrap_or_default())
    }
}

fn request_params(params: &Json) -> Request {
    let text = |name: &str| params.str(name).unwrap_or_default();
    let body = params.str("body").map(|body| body.as_bytes().to_vec());
    let headers = params.get("headers").map_or(&[][..], Json::members).iter();
    Request {
        headers: headers
            .map(|(name, value)| (name.clone(), value.as_str().unwrap_or_default().to_string()))
            .collect(),
        body: body.or_else(|| params.str("bodyBase64").map(decode)),
        timeout: timeout(params),
        max_response_bytes: params.get("maxResponseBytes").and_then(Json::as_i64).map(|each| each as u64),
        ..Request::new(text("credential"), params.str("method").unwrap_or("GET"), text("url"))
    }
}

fn timeout(params: &Json) -> Option<Duration> {
    params.get("timeoutMs").and_then(Json::as_i64).map(|ms| Duration::from_millis(ms as u64))
}

fn watch(params: &Json) -> Watch {
    let is = |name: &str| params.get(name).and_then(Json::as_bool) == Some(true);
    Watch {
        credential: params.str("credential").map(str::to_string),
        events: is("events"),
        approvals: is("approvals"),
    }
}

fn token_result(token: &Token) -> Json {
    let since_epoch = |at: std::time::SystemTime| at.duration_since(UNIX_EPOCH).unwrap_or_default();
    let expires_at = token.expires_at.map(|at| Json::from(since_epoch(at).as_millis() as u64));
    Json::object()
        .with("accessToken", token.access_token.as_str())
        .with("tokenType", token.token_type.as_str())
        .with("expiresAt", expires_at.unwrap_or(Json::Null))
        .with_some("scope", token.scope.as_deref())
        .with("headers", object(&token.headers))
        .with_some("query", (!token.query.is_empty()).then(|| object(&token.query)))
        .with_some("body", (!token.body.is_empty()).then(|| object(&token.body)))
        .with_some("extra", (!token.extra.is_empty()).then(|| object(&token.extra)))
}

fn response_result(response: &Response) -> Json {
    let result = Json::object()
        .with("status", u64::from(response.status))
        .with("statusText", response.status_text.as_str())
        .with("url", response.url.as_str())
        .with("headers", headers(&response.headers))
        .with("refreshed", response.refreshed);
    match std::str::from_utf8(&response.body) {
        Ok(text) => result.with("body", text),
        Err(_) => result.with("bodyBase64", encode(&response.body)),
    }
}

fn head_result(stream: &Stream) -> Json {
    Json::object()
        .with("status", u64::from(stream.status))
        .with("url", stream.url.as_str())
        .with("headers", headers(&stream.headers))
}

fn error_result(error: &Error) -> Json {
    let oauth = error.oauth.as_ref().map(|oauth| {
        Json::object()
            .with_some("error", oauth.error.as_deref())
            .with_some("error_description", oauth.error_description.as_deref())
            .with_some("status", oauth.status.map(u64::from))
    });
    Json::object()
        .with("reason", error.reason.as_str())
        .with("message", error.message.as_str())
        .with_some("credential", error.credential.as_deref())
        .with_some("retryAfterMs", error.retry_after_ms)
        .with_some("oauth", oauth)
}

fn object(pairs: &[(String, String)]) -> Json {
    pairs.iter().fold(Json::object(), |object, (name, value)| object.with(name, value.as_str()))
}

/// As the protocol has them: `set-cookie` is a list.
fn headers(pairs: &[(String, String)]) -> Json {
    let is_cookie = |(name, _): &&(String, String)| name == "set-cookie";
    let cookies: Vec<Json> = pairs.iter().filter(is_cookie).map(|(_, value)| value.as_str().into()).collect();
    let others: Vec<_> = pairs.iter().filter(|pair| !is_cookie(pair)).cloned().collect();
    object(&others).with_some("set-cookie", (!cookies.is_empty()).then_some(cookies))
}

fn number(command: &Json) -> i64 {
    command.get("call").and_then(Json::as_i64).unwrap_or_default()
}

fn line(command: &Json) -> Json {
    Json::object().with("call", number(command) as u64)
}

fn write(line: Json) {
    let mut out = stdout().lock();
    let _ = writeln!(out, "{line}").and_then(|()| out.flush());
}
