//! `authd exec NAME… -- COMMAND`: COMMAND takes this program's place, with tokens in variables and behind file
//! descriptors. Files, which are renewed while it runs, are the Node command's.

use crate::args::{Args, Known};
use crate::call::get_token;
use crate::descriptor::{self, DESCRIPTORS};
use crate::output::name_of_error;
use crate::report::{report, say};
use crate::text::strip_control_chars;
use authd::GetToken;
use std::collections::BTreeMap;
use std::ffi::OsString;
use std::io::{Error, ErrorKind};
use std::os::unix::process::CommandExt;
use std::process::Command;

const OPTIONS: &[Known] = &[("env", true), ("fd", true)];

/// Exit codes of env(1), nohup(1) and shells.
const NOT_FOUND: i32 = 127;
const NOT_EXECUTABLE: i32 = 126;

enum Place<'a> {
    Variable(String),
    Descriptor(&'a str, i32),
}

/// Returns the exit code if COMMAND could not be run, or `None` if the Node command should do it.
#[inline(never)]
pub fn run(words: &[OsString]) -> Option<i32> {
    let at = words.iter().position(|each| each == "--")?;
    let [program, arguments @ ..] = &words[at + 1..] else { return None };
    let before: Vec<&str> = words[..at].iter().map(|each| each.to_str()).collect::<Option<_>>()?;
    let args = Args::parse(&before, OPTIONS)?;
    let places = places(&args)?;
    let tokens = match tokens(&places)? {
        Ok(tokens) => tokens,
        Err(code) => return Some(code),
    };
    let mut command = Command::new(program);
    command.args(arguments);
    let mut in_descriptors = Vec::new();
    for (place, name) in &places {
        let token = &tokens[name];
        match place {
            Place::Variable(variable) => drop(command.env(variable, token)),
            Place::Descriptor(_, number) => in_descriptors.push((*number, token.as_bytes())),
        }
    }
    if let Err(error) = descriptor::put(&in_descriptors) {
        return Some(unable(program, &error));
    }
    Some(unable(program, &command.exec()))
}

/// Returns each place and its credential; `None` if one is no place, or is given twice.
fn places<'a>(args: &Args<'a>) -> Option<Vec<(Place<'a>, &'a str)>> {
    let mut all = Vec::new();
    for text in args.all("env") {
        let (variable, name) = parts(text)?;
        if !is_variable(variable) {
            return None;
        }
        all.push((Place::Variable(variable.to_string()), name));
    }
    for text in args.all("fd") {
        let (digits, name) = parts(text)?;
        let number = digits.parse().ok().filter(|number| DESCRIPTORS.contains(number))?;
        all.push((Place::Descriptor(digits, number), name));
    }
    let mut named: Vec<&str> = Vec::new();
    for name in &args.positionals {
        if !named.contains(name) && !all.iter().any(|(_, each)| each == name) {
            named.push(name);
        }
    }
    let by_name = named.into_iter().map(|name| (Place::Variable(variable_of(name)), name));
    let places: Vec<_> = by_name.chain(all).collect();
    let mut keys: Vec<&str> = places.iter().map(|(place, _)| key(place)).collect();
    keys.sort_unstable();
    let is_twice = keys.windows(2).any(|pair| pair[0] == pair[1]);
    (!places.is_empty() && !is_twice).then_some(places)
}

/// No name of a variable begins with a digit.
fn key<'a>(place: &'a Place<'_>) -> &'a str {
    match place {
        Place::Variable(variable) => variable,
        Place::Descriptor(digits, _) => digits,
    }
}

fn parts(text: &str) -> Option<(&str, &str)> {
    text.rsplit_once('=').filter(|(place, name)| !place.is_empty() && !name.is_empty())
}

fn is_variable(text: &str) -> bool {
    let is_letter = |each: u8| each.is_ascii_alphabetic() || each == b'_';
    text.bytes().next().is_some_and(is_letter)
        && text.bytes().all(|each| is_letter(each) || each.is_ascii_digit())
}

/// Returns the variable of a credential that no option mentions: "my-api" has MY_API_TOKEN.
fn variable_of(name: &str) -> String {
    let up = |each: char| if each.is_ascii_alphanumeric() { each.to_ascii_uppercase() } else { '_' };
    let start = if name.starts_with(|each: char| each.is_ascii_digit()) { "_" } else { "" };
    format!("{start}{}_TOKEN", name.chars().map(up).collect::<String>())
}

/// Gets each token once, in the order of the places. `Err` has the exit code of the first that can't be had.
fn tokens<'a>(places: &[(Place, &'a str)]) -> Option<Result<BTreeMap<&'a str, String>, i32>> {
    let mut tokens = BTreeMap::new();
    for (_, name) in places {
        if tokens.contains_key(name) {
            continue;
        }
        match get_token(&GetToken::of(name))? {
            Err(error) => return Some(Err(report(&error))),
            Ok(result) => {
                let token = result.str("accessToken").unwrap_or_default();
                // The Node command says that no variable can hold a NUL.
                if token.contains('\0') {
                    return None;
                }
                tokens.insert(*name, token.to_string());
            }
        }
    }
    Some(Ok(tokens))
}

fn unable(program: &OsString, error: &Error) -> i32 {
    const E2BIG: i32 = 7;
    let (why, code) = match error.kind() {
        ErrorKind::NotFound => ("there is no such program".to_string(), NOT_FOUND),
        ErrorKind::PermissionDenied => ("it may not be executed".to_string(), NOT_EXECUTABLE),
        _ if error.raw_os_error() == Some(E2BIG) => {
            ("its arguments and variables are too long".to_string(), NOT_EXECUTABLE)
        }
        _ => (name_of_error(error), NOT_EXECUTABLE),
    };
    say(&format!("authd: {} can't be run: {why}\n", strip_control_chars(&program.to_string_lossy())));
    code
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_variables_after_credentials() {
        for (name, variable) in [("my-api.x", "MY_API_X_TOKEN"), ("2nd", "_2ND_TOKEN"), ("a", "A_TOKEN")] {
            assert_eq!(variable_of(name), variable);
        }
    }

    #[test]
    fn refuses_what_is_no_place() {
        for words in [
            &["--env", "A"][..],
            &["--env", "A-B=x"],
            &["--env", "A=x", "--env=A=y"],
            &["a-b", "a.b"],
            &["--fd", "2=x"],
            &["--fd", "256=x"],
            &["--fd", "3=x", "--fd", "3=y"],
            &[],
        ] {
            let args = Args::parse(words, OPTIONS).unwrap();
            assert!(places(&args).is_none(), "{words:?}");
        }
    }
}
