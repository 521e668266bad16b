//! The command line of Python's `keyring`, which pip and uv call, in the words of `src/helpers/pip.ts`. twine's backend
//! runs the same.

use super::token;
use crate::args::{Args, Known};
use crate::output::print;
use authd::Json;

const OPTIONS: &[Known] = &[("mode", true), ("output", true)];
/// The name that package indexes take beside a token.
const TOKEN_USER: &str = "__token__";

pub fn pip(words: &[&str]) -> Option<i32> {
    run("pip", words)
}

pub fn twine(words: &[&str]) -> Option<i32> {
    run("twine", words)
}

fn run(tool: &str, words: &[&str]) -> Option<i32> {
    let args = Args::parse(words, OPTIONS)?;
    let ["get", service, more @ ..] = &args.positionals[..] else { return None };
    let Some(found) = token::find(tool, service)? else { return Some(1) };
    let user = more.first().map(|user| user.to_string()).or(found.user);
    let user = user.as_deref().unwrap_or(TOKEN_USER);
    let (user, password) = token::user_and_password(&found.token, user)?;
    let with_user = args.get("mode") == Some("creds");
    let text = if args.get("output") == Some("json") {
        let user = with_user.then_some(user);
        Json::object().with_some("username", user).with("password", password).to_string()
    } else if with_user {
        format!("{user}\n{password}")
    } else {
        password
    };
    Some(print(&text))
}
