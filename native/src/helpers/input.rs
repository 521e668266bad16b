//! Standard input of a helper, which the Node command can read again.

#[cfg(not(target_os = "linux"))]
/// Reads nothing: it could not be put back.
pub fn answer(_: impl FnOnce(&str) -> Option<i32>) -> Option<i32> {
    None
}

/// More than any tool asks (bytes).
#[cfg(target_os = "linux")]
const MAX_INPUT: u64 = 64 * 1024;

/// Calls `reply` with all of standard input. If it returns `None`, standard input is what it was before.
#[cfg(target_os = "linux")]
pub fn answer(reply: impl FnOnce(&str) -> Option<i32>) -> Option<i32> {
    use std::io::{stdin, Read};
    let mut text = String::new();
    // What is longer, or no text, can't be put back in the same words; no tool sends it.
    stdin().lock().take(MAX_INPUT).read_to_string(&mut text).ok()?;
    let code = reply(&text);
    if code.is_none() {
        let _ = crate::descriptor::put(&[(0, &text)]);
    }
    code
}
