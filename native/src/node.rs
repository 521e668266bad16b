//! The Node command, which does what this program does not.

use std::env;
use std::ffi::OsString;
use std::fs;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use crate::report::say;

/// Beside this program: the absolute paths of Node and of the command's main.js, a line each, written
/// when it was installed. Neither PATH nor another variable decides what is run.
const RECORD: &str = "node-command";

const UNKNOWN: &str = "authd: this program does not know where authd's Node command is\n  Next: run `authd service install` with the command that npm installed\n";

/// Runs the Node command in this process's place. Returns an exit code only if that can't be done.
pub fn hand_over(args: &[OsString]) -> i32 {
    let Some((node, main)) = recorded() else {
        say(UNKNOWN);
        return 1;
    };
    let mut command = Command::new(&node);
    command.arg(&main).args(args);
    run(command, &node)
}

/// Runs the Node command with this standard input, and returns what it prints; `None` if that can't be
/// done.
pub fn ask(args: &[&str], input: &str) -> Option<String> {
    let Some((node, main)) = recorded() else {
        say(UNKNOWN);
        return None;
    };
    let mut command = Command::new(node);
    command.arg(main).args(args).stdin(Stdio::piped()).stdout(Stdio::piped());
    let mut child = command.spawn().ok()?;
    child.stdin.take()?.write_all(input.as_bytes()).ok()?;
    let output = child.wait_with_output().ok()?;
    String::from_utf8(output.stdout).ok()
}

fn recorded() -> Option<(PathBuf, PathBuf)> {
    let own = env::current_exe().ok()?.canonicalize().ok()?;
    let record = fs::read_to_string(own.with_file_name(RECORD)).ok()?;
    let mut lines = record.lines().map(PathBuf::from).filter(|path| path.is_absolute());
    Some((lines.next()?, lines.next()?))
}

#[cfg(unix)]
fn run(mut command: Command, node: &Path) -> i32 {
    use std::os::unix::process::CommandExt;
    let error = command.exec();
    unable(node, &error)
}

#[cfg(windows)]
fn run(mut command: Command, node: &Path) -> i32 {
    match command.status() {
        Ok(status) => status.code().unwrap_or(1),
        Err(error) => unable(node, &error),
    }
}

fn unable(node: &Path, error: &std::io::Error) -> i32 {
    say(&format!("authd: {} can't be run: {error}\n", node.display()));
    1
}
