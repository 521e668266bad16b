//! pnpm's `tokenHelper`, in the words of `src/helpers/pnpm.ts`.

use super::token;
use crate::output::print;

pub fn run(words: &[&str]) -> Option<i32> {
    let found = token::find("pnpm", words.first()?)??;
    Some(print(token::authorization(&found.token)?))
}
