//! A daemon that says who asks: the token is the number of the connection.

use authd::Json;
use std::env;
use std::fs;
use std::io::{BufRead, BufReader, Write};
use std::net::Shutdown;
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::PathBuf;
use std::process;
use std::sync::mpsc::{channel, Receiver, Sender};
use std::thread;

pub struct Server {
    pub path: PathBuf,
    /// A message for each connection that has ended.
    pub ended: Receiver<()>,
    /// A message for each subscription but one whose connection ends.
    pub subscribed: Receiver<()>,
    /// A message for each call that gets no answer.
    pub silenced: Receiver<()>,
    /// A message for each body that is to come in parts.
    pub opened: Receiver<()>,
    folder: PathBuf,
}

/// Where a server tells what has come.
#[derive(Clone)]
struct Told {
    ended: Sender<()>,
    subscribed: Sender<()>,
    silenced: Sender<()>,
    opened: Sender<()>,
}

impl Server {
    /// Listens in a folder of its own, which is named after the test.
    pub fn start(test: &str) -> Server {
        let folder = env::temp_dir().join(format!("authd-rust-{}-{test}", process::id()));
        fs::create_dir_all(&folder).unwrap();
        let path = folder.join("authd.sock");
        let listener = UnixListener::bind(&path).unwrap();
        let ((end, ended), (silence, silenced)) = (channel(), channel());
        let ((subscribe, subscribed), (open, opened)) = (channel(), channel());
        let told = Told { ended: end, subscribed: subscribe, silenced: silence, opened: open };
        thread::spawn(move || {
            for (number, stream) in (1..).zip(listener.incoming()) {
                let told = told.clone();
                thread::spawn(move || {
                    serve(number, &stream.unwrap(), &told);
                    told.ended.send(())
                });
            }
        });
        Server { path, ended, subscribed, silenced, opened, folder }
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.folder);
    }
}

fn serve(number: u64, stream: &UnixStream, told: &Told) {
    let mut out = stream;
    let mut opened = Json::Null;
    let mut write = |message: Json| drop(writeln!(out, "{message}"));
    for line in BufReader::new(stream).lines().map_while(Result::ok) {
        let message = Json::parse(&line).unwrap();
        let result = match message.str("method").unwrap_or_default() {
            "getToken" => Json::object()
                .with("accessToken", format!("connection {number}"))
                .with("tokenType", "Bearer")
                .with("headers", Json::object()),
            "request/open" => {
                opened = message.get("id").cloned().unwrap();
                let _ = told.opened.send(());
                Json::object().with("upload", "u")
            }
            // An API that answers first, and then reads the body.
            "request/chunk" => {
                let params = message.get("params").unwrap();
                let seq = params.get("seq").and_then(Json::as_i64).unwrap();
                if seq == 0 {
                    write(begun(&opened));
                }
                write(piece(&opened, seq));
                match params.get("last") {
                    Some(_) => ended(seq as u64 + 1),
                    None => Json::object(),
                }
            }
            // An answer that breaks off, unless the credential's name says otherwise.
            "authorizedRequest" => {
                let id = message.get("id").cloned().unwrap();
                let name = message.get("params").and_then(|each| each.str("credential")).unwrap_or_default();
                if name == "silence" {
                    let _ = told.silenced.send(());
                    continue;
                }
                write(begun(&id));
                write(piece(&id, 0));
                if name == "pauses" {
                    continue;
                }
                if name == "whole" {
                    write(Json::object().with("id", id).with("result", ended(1)));
                    continue;
                }
                let data = Json::object().with("reason", "request_failed");
                let error = Json::object().with("message", "broke off").with("data", data);
                write(Json::object().with("id", id).with("error", error));
                continue;
            }
            "notify" => {
                let params = message.get("params").cloned().unwrap();
                write(Json::object().with("method", "token/refreshed").with("params", params));
                Json::object()
            }
            // The first connection ends with its answer.
            "subscribe"
                if number == 1 && message.get("params").unwrap().str("credential") == Some("ends") =>
            {
                let id = message.get("id").cloned().unwrap();
                write(Json::object().with("id", id).with("result", Json::object()));
                let _ = stream.shutdown(Shutdown::Both);
                return;
            }
            "subscribe" => {
                let _ = told.subscribed.send(());
                Json::object()
            }
            "silence" => {
                let _ = told.silenced.send(());
                continue;
            }
            _ => Json::object(),
        };
        let id = message.get("id").cloned().unwrap_or(Json::Null);
        write(Json::object().with("jsonrpc", "2.0").with("id", id).with("result", result));
    }
}

fn begun(id: &Json) -> Json {
    let params = Json::object().with("id", id.clone()).with("status", 200u64);
    Json::object().with("method", "response/head").with("params", params)
}

/// "hi" in base64.
fn piece(id: &Json, seq: i64) -> Json {
    let params = Json::object().with("id", id.clone()).with("seq", seq as u64).with("data", "aGk=");
    Json::object().with("method", "response/chunk").with("params", params)
}

fn ended(chunks: u64) -> Json {
    Json::object().with("status", 200u64).with("chunks", chunks).with("bytes", 2 * chunks)
}
