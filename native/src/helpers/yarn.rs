//! The program of Yarn's plugin, in the words of `src/helpers/yarn.ts`.

use super::token;
use crate::output::print;

pub fn run(words: &[&str]) -> Option<i32> {
    match token::find("yarn", words.first()?)? {
        None => Some(0),
        Some(found) => Some(print(token::authorization(&found.token)?)),
    }
}
