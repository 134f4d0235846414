//! A key that can be used but not shown.

use std::fmt;

/// Holds an API key. `Debug` never prints it, and there is no `Display`.
#[derive(Clone, PartialEq, Eq)]
pub struct Secret(String);

impl Secret {
    /// Wraps a key, without the line ending that a file or a shell leaves behind.
    /// An empty key is no key: `None` keeps "not set" and "set to nothing" the same thing.
    #[must_use]
    pub fn new(key: &str) -> Option<Self> {
        let key = key.trim();
        (!key.is_empty()).then(|| Self(key.to_owned()))
    }

    /// The one way out, so that a search for `expose` finds every use.
    #[must_use]
    pub fn expose(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Secret(…)")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn debug_never_shows_the_key() {
        let key = Secret::new("hunter2\n").unwrap();
        assert_eq!(key.expose(), "hunter2");
        assert!(!format!("{key:?} {:?}", Some(&key)).contains("hunter2"));
    }

    #[test]
    fn a_blank_key_is_no_key() {
        assert!(Secret::new(" \n").is_none());
    }
}
