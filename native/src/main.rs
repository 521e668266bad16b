//! authd's command, for what is asked often. Everything else is handed to the Node command.

mod args;
mod call;
mod get;
mod node;
mod output;
mod report;
mod text;

use std::env;
use std::process::exit;

fn main() {
    let args: Vec<std::ffi::OsString> = env::args_os().skip(1).collect();
    match run(&args) {
        Some(code) => exit(code),
        None => exit(node::hand_over(&args)),
    }
}

/// Returns the exit code, or `None` for what the Node command does.
fn run(args: &[std::ffi::OsString]) -> Option<i32> {
    let words: Vec<&str> = args.iter().map(|each| each.to_str()).collect::<Option<_>>()?;
    match words.split_first()? {
        (&"get", rest) => get::run(rest),
        _ => None,
    }
}
