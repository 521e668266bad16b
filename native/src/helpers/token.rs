//! The token that a tool asks for, and what of it the tool can send; `src/helpers/find-token.ts` has the same.

use super::{mapping, places::Place};
use crate::call::get_token;
use authd::{base64, GetToken, Json};

/// A token, and the credential that it is of.
pub struct FoundToken {
    pub credential: String,
    /// The user that `helpers.toml` names with it.
    pub user: Option<String>,
    pub token: Json,
}

/// Gets the token for a URL or a host. Returns `Some(None)` if no credential is for it, and `None` if the Node command
/// should look.
pub fn find(tool: &str, text: &str) -> Option<Option<FoundToken>> {
    let Some(found) = mapping::find(tool, &Place::parse(text)?)? else { return Some(None) };
    let token = get_token(&GetToken::of(&found.credential))?.ok()?;
    Some(Some(FoundToken { credential: found.credential, user: found.user, token }))
}

/// Returns the value of the Authorization header; `None` if the API wants none.
pub fn authorization(token: &Json) -> Option<&str> {
    token.get("headers")?.str("authorization")
}

/// Returns the two parts of a Basic Authorization header; without one, `user` and the token. `None` for a header that
/// is no text.
pub fn user_and_password(token: &Json, user: &str) -> Option<(String, String)> {
    let value = authorization(token).unwrap_or_default();
    let basic =
        value.split_once(char::is_whitespace).filter(|(scheme, _)| scheme.eq_ignore_ascii_case("basic"));
    if let Some((_, encoded)) = basic {
        let decoded = String::from_utf8(base64::decode(encoded)).ok()?;
        let (user, password) = decoded.split_once(':')?;
        return Some((user.to_string(), password.to_string()));
    }
    Some((user.to_string(), token.str("accessToken")?.to_string()))
}
