//! The order of credentials: problems first, and by name where they are equal.

use super::rows::{look, Colour};
use authd::Json;
use std::cmp::Ordering;

/// Returns `None` for names that are not of small letters, digits and `.`, `_`, `-`.
pub fn by_problems(credentials: &[Json]) -> Option<Vec<&Json>> {
    let mut ranked = Vec::new();
    for one in credentials {
        let name = one.str("name")?;
        let is_plain =
            |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || b"._-".contains(&byte);
        if !name.bytes().all(is_plain) {
            return None;
        }
        ranked.push((rank(one)?, name, one));
    }
    ranked.sort_by(|one, other| one.0.cmp(&other.0).then_with(|| compare(one.1, other.1)));
    Some(ranked.into_iter().map(|(_, _, one)| one).collect())
}

/// A person must act on the first. A fault makes a credential a problem whatever its state is.
fn rank(one: &Json) -> Option<u8> {
    let state = one.str("state")?;
    let is_red = state != "locked" && look(one)?.colour == Colour::Red;
    Some(match state {
        _ if is_red || one.get("unsaved").is_some_and(|unsaved| *unsaved != Json::Null) => 0,
        "locked" => 1,
        "failing" => 2,
        _ => 3,
    })
}

/// Compares names as people count: `api-2` stands before `api-10`.
fn compare(one: &str, other: &str) -> Ordering {
    let (mut left, mut right) = (one.as_bytes(), other.as_bytes());
    loop {
        match (left.first(), right.first()) {
            (None, None) => return Ordering::Equal,
            (None, _) => return Ordering::Less,
            (_, None) => return Ordering::Greater,
            (Some(a), Some(b)) if a.is_ascii_digit() && b.is_ascii_digit() => {
                let (here, there) = (number(&mut left), number(&mut right));
                let order = here.len().cmp(&there.len()).then_with(|| here.cmp(there));
                if order.is_ne() {
                    return order;
                }
            }
            (Some(a), Some(b)) => {
                if weight(*a) != weight(*b) {
                    return weight(*a).cmp(&weight(*b));
                }
                (left, right) = (&left[1..], &right[1..]);
            }
        }
    }
}

/// Takes the digits at the beginning, without zeros in front.
fn number<'a>(rest: &mut &'a [u8]) -> &'a [u8] {
    let length = rest.iter().take_while(|byte| byte.is_ascii_digit()).count();
    let (digits, after) = rest.split_at(length);
    *rest = after;
    let zeros = digits.iter().take_while(|byte| **byte == b'0').count();
    &digits[zeros..]
}

/// The order of the Unicode Collation Algorithm's default table.
fn weight(byte: u8) -> (u8, u8) {
    match byte {
        b'_' => (0, 0),
        b'-' => (0, 1),
        b'.' => (0, 2),
        digit if digit.is_ascii_digit() => (1, digit),
        letter => (2, letter),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn counts_as_people_do() {
        let sorted = ["a", "a_b", "a-b", "a.b", "a1", "a2", "a10", "aa", "ab", "b"];
        for (at, one) in sorted.iter().enumerate() {
            for (other_at, other) in sorted.iter().enumerate() {
                assert_eq!(compare(one, other), at.cmp(&other_at), "{one} {other}");
            }
        }
        assert_eq!(compare("a01", "a1"), Ordering::Equal);
    }
}
