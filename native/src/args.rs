//! A command's options and arguments, for the usual cases: what is unusual is the Node command's to explain.

/// Options as given, in order, and the arguments between them.
pub struct Args<'a> {
    options: Vec<(&'static str, &'a str)>,
    pub positionals: Vec<&'a str>,
}

/// An option: its long name, and whether a value follows.
pub type Known = (&'static str, bool);

impl<'a> Args<'a> {
    /// `None` if an option is not known, lacks its value, or has one that it does not take.
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
                (true, None) => rest.next().filter(|value| !value.starts_with('-'))?,
                (false, None) => "",
                (false, Some(_)) => return None,
            };
            args.options.push((name, value));
        }
        Some(args)
    }

    /// The last value given for an option.
    pub fn get(&self, name: &str) -> Option<&'a str> {
        self.options.iter().rev().find(|(each, _)| *each == name).map(|(_, value)| *value)
    }

    pub fn has(&self, name: &str) -> bool {
        self.get(name).is_some()
    }

    /// A number of seconds, not negative; `Err` if it is something else.
    pub fn seconds(&self, name: &str) -> Result<Option<f64>, ()> {
        match self.get(name) {
            None => Ok(None),
            Some(text) => match text.trim().parse::<f64>() {
                Ok(number) if number.is_finite() && number >= 0.0 => Ok(Some(number)),
                _ => Err(()),
            },
        }
    }
}
