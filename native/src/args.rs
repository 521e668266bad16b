//! A command's options and arguments, for the usual cases: what is unusual is the Node command's to explain.

use std::time::Duration;

/// Options as given, in order, and the arguments between them.
pub struct Args<'a> {
    options: Vec<(&'static str, &'a str)>,
    pub positionals: Vec<&'a str>,
}

/// An option: its long name, and whether a value follows.
pub type Known = (&'static str, bool);

impl<'a> Args<'a> {
    /// Returns `None` if an option is not known, lacks its value, or has one that it does not take.
    pub fn parse(words: &[&'a str], known: &[Known]) -> Option<Args<'a>> {
        let mut args = Args { options: Vec::new(), positionals: Vec::new() };
        let mut rest = words.iter();
        while let Some(word) = rest.next() {
            let Some(long) = word.strip_prefix("--") else {
                if word.starts_with('-') && word.len() > 1 {
                    return None;
                }
                args.positionals.push(word);
                continue;
            };
            let (name, given) = match long.split_once('=') {
                Some((name, value)) => (name, Some(value)),
                None => (long, None),
            };
            let (name, takes_value) = known.iter().find(|(each, _)| *each == name)?;
            let value = match (takes_value, given) {
                (true, Some(value)) => value,
                (true, None) => rest.next().filter(|value| **value == "-" || !value.starts_with('-'))?,
                (false, None) => "",
                (false, Some(_)) => return None,
            };
            args.options.push((name, value));
        }
        Some(args)
    }

    /// Returns the last value given for an option.
    pub fn get(&self, name: &str) -> Option<&'a str> {
        self.options.iter().rev().find(|(each, _)| *each == name).map(|(_, value)| *value)
    }

    /// Returns every value given for an option, in order.
    #[cfg(unix)]
    pub fn all(&self, name: &str) -> impl Iterator<Item = &'a str> + '_ {
        let name = name.to_string();
        self.options.iter().filter(move |(each, _)| *each == name).map(|(_, value)| *value)
    }

    pub fn has(&self, name: &str) -> bool {
        self.get(name).is_some()
    }

    /// Returns a number of seconds as people write it: digits, and at most one dot among them. `Err` if it is
    /// something else.
    pub fn seconds(&self, name: &str) -> Result<Option<f64>, ()> {
        let Some(text) = self.get(name) else { return Ok(None) };
        let is_plain = text.len() <= 15 && text.bytes().all(|each| each.is_ascii_digit() || each == b'.');
        match text.parse::<f64>() {
            Ok(number) if is_plain => Ok(Some(number)),
            _ => Err(()),
        }
    }

    /// Returns an option in seconds as whole milliseconds, between 1 and a day; `Err` if it is something else.
    pub fn milliseconds(&self, name: &str) -> Result<Option<Duration>, ()> {
        let Some(seconds) = self.seconds(name)? else { return Ok(None) };
        let ms = (seconds * 1000.0).round();
        if !(1.0..=86_400_000.0).contains(&ms) {
            return Err(());
        }
        Ok(Some(Duration::from_millis(ms as u64)))
    }
}
