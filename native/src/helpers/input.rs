//! Standard input of a helper, which the Node command can read again.

#[cfg(not(target_os = "linux"))]
/// Reads nothing: it could not be put back.
pub fn answer(_: impl FnOnce(&str) -> Option<i32>) -> Option<i32> {
    None
}

/// More than any tool asks (bytes); the Node command reads no more either.
#[cfg(target_os = "linux")]
const MAX_INPUT: u64 = 1024 * 1024;

/// Calls `reply` with all of standard input. If it returns `None`, standard input is what it was before.
#[cfg(target_os = "linux")]
pub fn answer(reply: impl FnOnce(&str) -> Option<i32>) -> Option<i32> {
    use std::io::{stdin, Read};
    let mut bytes = Vec::new();
    stdin().lock().take(MAX_INPUT).read_to_end(&mut bytes).ok()?;
    let code = std::str::from_utf8(&bytes).ok().and_then(reply);
    if code.is_none() {
        let _ = crate::descriptor::put(&[(0, &bytes)]);
    }
    code
}
