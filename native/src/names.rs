//! Names of links to this program, and the words that each stands for. `src/cli/names.ts` has the same.

use std::ffi::OsString;
use std::path::Path;

const NAMES: &[(&str, [&str; 2])] = &[
    ("git-credential-authd", ["helper", "git"]),
    ("docker-credential-authd", ["helper", "docker"]),
    ("authd-kubectl", ["helper", "kubectl"]),
    ("authd-aws", ["helper", "aws"]),
    ("cargo-credential-authd", ["helper", "cargo"]),
    ("terraform-credentials-authd", ["helper", "terraform"]),
    ("bazel-credential-helper", ["helper", "bazel"]),
    ("keyring", ["helper", "pip"]),
];

/// Returns the command's words: those that the program's name stands for, then its arguments.
pub fn words(mut argv: impl Iterator<Item = OsString>) -> Vec<OsString> {
    let program = argv.next().unwrap_or_default();
    let name = Path::new(&program).file_name().unwrap_or_default().to_string_lossy();
    let name = name.strip_suffix(std::env::consts::EXE_SUFFIX).unwrap_or(&name);
    let stands_for = NAMES.iter().find(|(each, _)| *each == name).map_or(&[][..], |(_, words)| words);
    stands_for.iter().map(OsString::from).chain(argv).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn knows_what_its_names_stand_for() {
        for (argv, expected) in [
            (&["/usr/bin/git-credential-authd", "get"][..], &["helper", "git", "get"][..]),
            (&["authd-kubectl"], &["helper", "kubectl"]),
            (&["authd", "get", "x"], &["get", "x"]),
            (&["/x/anything", "y"], &["y"]),
            (&[], &[]),
        ] {
            assert_eq!(words(argv.iter().map(OsString::from)), expected);
        }
    }
}
