//! authd's command, for what is asked often. Everything else is handed to the Node command.

#![cfg_attr(all(target_os = "linux", target_env = "gnu", not(test)), no_main)]

mod args;
mod call;
#[cfg(target_os = "linux")]
mod descriptor;
#[cfg(target_os = "linux")]
mod exec;
mod get;
mod helpers;
mod names;
mod node;
mod output;
mod report;
#[cfg(unix)]
mod request;
#[cfg(all(target_os = "linux", target_env = "gnu", not(test)))]
mod start;
mod status;
mod text;

use std::env;

#[cfg(not(all(target_os = "linux", target_env = "gnu", not(test))))]
fn main() {
    std::process::exit(command());
}

/// Does what the arguments say. Returns the exit code.
fn command() -> i32 {
    let args = names::words(env::args_os());
    run(&args).unwrap_or_else(|| node::hand_over(&args))
}

/// Returns the exit code, or `None` for what the Node command does.
fn run(args: &[std::ffi::OsString]) -> Option<i32> {
    #[cfg(target_os = "linux")]
    if args.first().is_some_and(|each| each == "exec") {
        // What is run may have arguments that are no text.
        return exec::run(&args[1..]);
    }
    let words: Vec<&str> = args.iter().map(|each| each.to_str()).collect::<Option<_>>()?;
    match words.split_first()? {
        (&"get", rest) => get::run(rest),
        #[cfg(unix)]
        (&"request", rest) => request::run(rest),
        (&"status", rest) => status::run(rest),
        (&"helper", rest) => helpers::run(rest),
        _ => None,
    }
}
