//! Tokens for mail programs, in the words of `src/helpers/mail.ts`.

use crate::args::{Args, Known};
use crate::call::get_token;
use crate::output::print;
use authd::{base64, GetToken};

const OPTIONS: &[Known] = &[("xoauth2", true), ("oauthbearer", true)];

pub fn run(words: &[&str]) -> Option<i32> {
    let args = Args::parse(words, OPTIONS)?;
    let [name] = args.positionals[..] else { return None };
    if name.is_empty() {
        return None;
    }
    let result = get_token(&GetToken::of(name))?.ok()?;
    let token = result.str("accessToken")?;
    Some(print(&match (args.get("xoauth2"), args.get("oauthbearer")) {
        (Some(user), _) => base64::encode(format!("user={user}\x01auth=Bearer {token}\x01\x01").as_bytes()),
        (None, Some(user)) => {
            // In a SASL name (RFC 5801) "=" and "," are escaped.
            let name = user.replace('=', "=3D").replace(',', "=2C");
            base64::encode(format!("n,a={name},\x01auth=Bearer {token}\x01\x01").as_bytes())
        }
        (None, None) => token.to_string(),
    }))
}
