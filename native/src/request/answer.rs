//! Writes an answer that comes in parts: the body to stdout or a file, its head to stderr.

use super::url::{href, other_origin};
use crate::args::Args;
use crate::output::{words_of_error, write_body};
use crate::report::say;
use crate::text::strip_control_chars;
use authd::{base64, Error, Json, Reason};
use std::ffi::{c_char, c_int, CString};
use std::fs::{self, File};
use std::io::Write;
use std::os::unix::ffi::OsStrExt;
use std::path::Path;

/// What is written, and where.
pub struct Output<'a> {
    /// `None`: stdout.
    file: Option<&'a str>,
    tells_head: bool,
    tells_all: bool,
    drops_failed: bool,
}

impl<'a> Output<'a> {
    /// Returns `None` for a file that can't be written: the Node command says so.
    pub fn of(args: &Args<'a>) -> Option<Output<'a>> {
        let file = args.get("output").filter(|file| *file != "-");
        let is_fit = file.is_none_or(is_writable);
        is_fit.then_some(Output {
            file,
            tells_head: args.has("include"),
            tells_all: args.has("verbose"),
            drops_failed: args.has("fail") && !args.has("fail-with-body"),
        })
    }
}

fn is_writable(file: &str) -> bool {
    let path = Path::new(file);
    let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
    match fs::metadata(path) {
        Ok(about) => !about.is_dir() && may_write(path),
        Err(_) => !file.ends_with('/') && may_write(folder),
    }
}

fn may_write(path: &Path) -> bool {
    extern "C" {
        fn access(path: *const c_char, mode: c_int) -> c_int;
    }
    const W_OK: c_int = 2;
    // SAFETY: access(2) reads a text that ends with a NUL.
    CString::new(path.as_os_str().as_bytes()).is_ok_and(|path| unsafe { access(path.as_ptr(), W_OK) } == 0)
}

/// An answer, as far as it has come.
pub struct Answer<'a> {
    credential: &'a str,
    output: Output<'a>,
    body: Body,
    chunks: u64,
    bytes: u64,
}

/// Where the body goes.
enum Body {
    Dropped,
    Stdout,
    File(File),
}

impl<'a> Answer<'a> {
    pub fn new(credential: &'a str, output: Output<'a>) -> Answer<'a> {
        Answer { credential, output, body: Body::Dropped, chunks: 0, bytes: 0 }
    }

    /// Tells of the request, but for what authd adds to it.
    pub fn tell_request(&self, params: &Json) {
        if !self.output.tells_all {
            return;
        }
        let url = strip_control_chars(params.str("url").unwrap_or_default());
        let mut lines = vec![format!("{} {url}", params.str("method").unwrap_or_default())];
        lines.extend(header_lines(params));
        lines.push(format!("(and the headers of {}, with its token)", self.credential));
        say(&lines.iter().map(|line| format!("> {line}\n")).collect::<String>());
    }

    pub fn take(&mut self, method: &str, params: &Json) -> Result<(), Error> {
        match method {
            "response/head" => self.head(params),
            "response/chunk" => self.chunk(params),
            _ => Ok(()),
        }
    }

    fn head(&mut self, head: &Json) -> Result<(), Error> {
        let status = head.get("status").and_then(Json::as_i64).unwrap_or(0);
        let text = strip_control_chars(head.str("statusText").unwrap_or_default());
        let mut lines = vec![format!("HTTP {status} {text}")];
        lines.extend(header_lines(head));
        lines.push(String::new());
        if self.output.tells_all {
            let shown = lines.iter().map(|line| format!("{}\n", format!("< {line}").trim_end()));
            say(&shown.collect::<String>());
        } else if self.output.tells_head {
            say(&format!("{}\n", lines.join("\n")));
        }
        if !self.output.drops_failed || !is_failed(head) {
            self.body = self.open()?;
        }
        Ok(())
    }

    fn open(&self) -> Result<Body, Error> {
        let Some(path) = self.output.file else { return Ok(Body::Stdout) };
        let opened = File::create(path);
        opened.map(Body::File).map_err(|error| unwritable(path, &error, &format!("open '{path}'")))
    }

    fn chunk(&mut self, chunk: &Json) -> Result<(), Error> {
        if chunk.get("seq").and_then(Json::as_i64) != Some(self.chunks as i64) {
            return Err(self.incomplete(format!("chunk {} did not come", self.chunks)));
        }
        let data = base64::decode(chunk.str("data").unwrap_or_default());
        self.chunks += 1;
        self.bytes += data.len() as u64;
        match &mut self.body {
            Body::Dropped => {}
            Body::Stdout => write_body(&data),
            Body::File(file) => {
                let path = self.output.file.unwrap_or_default();
                file.write_all(&data).map_err(|error| unwritable(path, &error, "write"))?;
            }
        }
        Ok(())
    }

    /// Tells how it ended. Fails if the result counts more or less than came.
    pub fn end(&self, result: &Json, asked: &str) -> Result<(), Error> {
        self.assert_whole(result)?;
        if self.output.tells_all {
            let url = result.str("url").unwrap_or_default();
            if href(asked).is_some_and(|asked| asked != url) {
                say(&format!("* redirected to {}\n", strip_control_chars(url)));
            }
            if result.get("refreshed").and_then(Json::as_bool) == Some(true) {
                say("* the API refused the token: it was renewed, and the request repeated\n");
            }
        }
        Ok(())
    }

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

fn unwritable(path: &str, error: &std::io::Error, call: &str) -> Error {
    let (path, words) = (strip_control_chars(path), words_of_error(error, call));
    Error::new(Reason::InvalidParams, format!("-o {path}: {words}"))
}

fn header_lines(head: &Json) -> Vec<String> {
    let mut lines = Vec::new();
    for (name, value) in head.get("headers").map_or(&[][..], Json::members) {
        for each in value.as_array().unwrap_or(std::slice::from_ref(value)) {
            let shown = strip_control_chars(each.as_str().unwrap_or_default());
            lines.push(format!("{name}: {shown}"));
        }
    }
    lines
}

/// True for an error, and for a redirect to another origin: what was asked for was not fetched.
pub fn is_failed(head: &Json) -> bool {
    head.get("status").and_then(Json::as_i64).unwrap_or(0) >= 400 || other_origin(head).is_some()
}
