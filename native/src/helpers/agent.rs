//! Keys and headers for command lines of agents, in the words of `src/helpers/agent.ts`.

use crate::call::get_token;
use crate::output::print;
use authd::GetToken;

const HEADERS: &str = "--headers";

pub fn run(words: &[&str]) -> Option<i32> {
    let names: Vec<&str> = words.iter().copied().filter(|word| *word != HEADERS).collect();
    let [name] = names[..] else { return None };
    if name.is_empty() {
        return None;
    }
    let token = get_token(&GetToken::of(name))?.ok()?;
    let text = match words.contains(&HEADERS) {
        true => token.get("headers")?.to_string(),
        false => token.str("accessToken")?.to_string(),
    };
    Some(print(&text))
}
