//! The credentials helper protocol of Terraform and OpenTofu, in the words of `src/helpers/terraform.ts`.

use super::token;
use crate::output::print;
use authd::Json;

pub fn run(words: &[&str]) -> Option<i32> {
    let ["get", host, ..] = words else { return None };
    let found = token::find("terraform", host)?;
    let token = found.as_ref().map(|found| found.token.str("accessToken").unwrap_or_default());
    Some(print(&Json::object().with_some("token", token).to_string()))
}
