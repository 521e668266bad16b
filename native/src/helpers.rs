//! `authd helper TOOL …`: answers tools in their own protocols. Each helper is a file of `helpers/` and a row here.
//!
//! They answer what is asked every day, in the words of `src/helpers`. Everything else (errors, settings that are
//! out of the ordinary) is handed to the Node command, which asks anew.

mod agent;
mod aws;
mod bazel;
mod cargo;
mod docker;
mod gcp;
mod git;
mod input;
mod keyring;
mod kubectl;
mod mail;
mod mapping;
mod places;
mod pnpm;
mod terraform;
mod time;
mod token;
mod yarn;

/// Answers one call of a tool; its words are those after the tool's name. Returns the exit code, or `None` if the
/// Node command should do it: nothing was written then, and what was read is put back.
type Helper = fn(words: &[&str]) -> Option<i32>;

const HELPERS: &[(&str, Helper)] = &[
    ("git", git::run),
    ("docker", docker::run),
    ("kubectl", kubectl::run),
    ("aws", aws::run),
    ("cargo", cargo::run),
    ("pip", keyring::pip),
    ("twine", keyring::twine),
    ("pnpm", pnpm::run),
    ("yarn", yarn::run),
    ("terraform", terraform::run),
    ("bazel", bazel::run),
    ("gcp", gcp::run),
    ("mail", mail::run),
    ("agent", agent::run),
];

/// Returns the exit code, or `None` for what the Node command does.
#[inline(never)]
pub fn run(words: &[&str]) -> Option<i32> {
    let (tool, rest) = words.split_first()?;
    if rest.contains(&"--help") {
        return None;
    }
    let (_, helper) = HELPERS.iter().find(|(each, _)| each == tool)?;
    helper(rest)
}
