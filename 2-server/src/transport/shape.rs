//! How much a message would take once it is parsed, counted before anything is.
//!
//! A parsed value takes many times the bytes that it was written in: `{"":0}` is seven bytes on the
//! wire and 700 in memory, and a message is parsed more than once on its way. So what counts is how
//! many values there are and how deep they lie, and one pass over the bytes tells, which needs no
//! memory and can stop at the first byte that is too much.

use crate::interceptor::{Denial, DenialKind};

/// Values in one message. A call has a dozen; a list of ten thousand numbers passes.
const MOST_VALUES: usize = 32 << 10;
/// Lists and objects inside of each other.
const MOST_DEPTH: usize = 64;

/// What has been seen of a message so far.
#[derive(Debug, Default)]
pub(super) struct Shape {
    values: usize,
    depth: usize,
    in_text: bool,
    escaped: bool,
}

impl Shape {
    /// Looks at the next bytes of a message, and tells how many values begin in them. What is no
    /// JSON is counted as if it were: whoever parses it will say so.
    ///
    /// # Errors
    /// 413 as soon as there are too many values, or they lie too deep.
    pub(super) fn read(&mut self, bytes: &[u8]) -> Result<usize, Denial> {
        let before = self.values;
        for byte in bytes {
            if self.in_text {
                let ends = *byte == b'"' && !self.escaped;
                self.escaped = *byte == b'\\' && !self.escaped;
                self.in_text = !ends;
                continue;
            }
            match byte {
                b'"' => self.in_text = true,
                // Each of them comes before a value, and a key counts as one too.
                b',' | b':' => self.values += 1,
                b'[' | b'{' => {
                    self.values += 1;
                    self.depth += 1;
                    if self.depth > MOST_DEPTH {
                        return Err(too_much(format!(
                            "the message is nested more than {MOST_DEPTH} deep: flatten it"
                        )));
                    }
                }
                b']' | b'}' => self.depth = self.depth.saturating_sub(1),
                _ => {}
            }
        }
        if self.values > MOST_VALUES {
            return Err(too_much(format!(
                "the message holds more than {MOST_VALUES} values: send fewer at a time, or put them into one text"
            )));
        }
        Ok(self.values - before)
    }

    /// Looks at a whole message.
    ///
    /// # Errors
    /// 413 when there are too many values in it, or they lie too deep.
    pub(super) fn check(message: &[u8]) -> Result<(), Denial> {
        Self::default().read(message).map(drop)
    }
}

fn too_much(reason: String) -> Denial {
    Denial::new(DenialKind::TooLarge, reason)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use serde_json::{Value, json};

    use super::*;

    #[test]
    fn what_takes_far_more_once_it_is_parsed_is_refused() {
        for unit in ["0", "[]", "{}", "\"\"", "{\"\":0}", "[0]", "null"] {
            let many = |count: usize| format!("[{}]", vec![unit; count].join(","));
            assert!(Shape::check(many(8_000).as_bytes()).is_ok(), "{unit}");
            let refused = Shape::check(many(40_000).as_bytes()).unwrap_err();
            assert_eq!(refused.kind, DenialKind::TooLarge, "{unit}");
            assert!(refused.reason.contains("send fewer"), "{}", refused.reason);
        }
        let deep = |depth: usize| format!("{}{}", "[".repeat(depth), "]".repeat(depth));
        assert!(Shape::check(deep(64).as_bytes()).is_ok());
        assert!(Shape::check(deep(65).as_bytes()).is_err());
        assert!(Shape::check("[".repeat(1 << 20).as_bytes()).is_err());
        assert!(Shape::check("]".repeat(1 << 20).as_bytes()).is_ok());
    }

    #[test]
    fn what_stands_in_a_text_is_no_value() {
        let text = ",:[{\\\"".repeat(100_000);
        assert!(Shape::check(json!({ "text": text }).to_string().as_bytes()).is_ok());
        // A text that ends in a backslash ends all the same.
        let tricky = format!(r#"["\\",{}]"#, vec!["0"; 40_000].join(","));
        assert!(Shape::check(tricky.as_bytes()).is_err());
    }

    fn any_json() -> impl Strategy<Value = Value> {
        let leaf = prop_oneof![
            Just(Value::Null),
            any::<i32>().prop_map(Value::from),
            "[\\[\\]{},:\"\\\\a-c]{0,8}".prop_map(Value::from),
        ];
        leaf.prop_recursive(5, 64, 5, |inner| {
            prop_oneof![
                proptest::collection::vec(inner.clone(), 0..5).prop_map(Value::from),
                proptest::collection::vec(("[{,:\"\\\\]{0,3}", inner), 0..5)
                    .prop_map(|pairs| Value::Object(pairs.into_iter().collect())),
            ]
        })
    }

    /// How many values a parser makes, and a key for each of an object's.
    fn made(value: &Value) -> usize {
        1 + match value {
            Value::Array(inner) => inner.iter().map(made).sum(),
            Value::Object(inner) => inner.values().map(|it| 1 + made(it)).sum(),
            _ => 0,
        }
    }

    proptest! {
        // However the bytes are cut, no value that a parser would make goes uncounted.
        #[test]
        fn nothing_is_made_that_wasnt_counted(value in any_json(), cut in 0_usize..50) {
            let text = value.to_string();
            let (one, other) = text.as_bytes().split_at(cut.min(text.len()));
            let mut shape = Shape::default();
            let seen = shape.read(one).unwrap() + shape.read(other).unwrap();
            prop_assert!(2 * seen + 1 >= made(&value), "{seen} {text}");
            prop_assert!(!shape.in_text && shape.depth == 0, "{text}");
        }
    }
}
