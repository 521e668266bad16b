//! `authd helper TOOL …`: answers tools in their own protocols. Each helper is a file of `helpers/` and a row here.

/// Answers one call of a tool; its words are those after the tool's name. Returns the exit code, or `None`
/// before anything was read or written if the Node command should do it.
type Helper = fn(words: &[&str]) -> Option<i32>;

const HELPERS: &[(&str, Helper)] = &[];

/// Returns the exit code, or `None` for what the Node command does.
pub fn run(words: &[&str]) -> Option<i32> {
    let (tool, rest) = words.split_first()?;
    let (_, helper) = HELPERS.iter().find(|(each, _)| each == tool)?;
    helper(rest)
}
