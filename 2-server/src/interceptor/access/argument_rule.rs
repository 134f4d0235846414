//! Rules on a call's arguments: a grant may allow a tool for some arguments only.
//!
//! In a keys file: `{ scope = "tools:weather:get", where = { city = { one_of = ["Oslo"] } } }`.
//! An argument that a rule names must be there: a default that the tool would fill in later is not
//! something that the rule has seen.

use std::collections::BTreeMap;

use rmcp::model::JsonObject;
use serde::{Deserialize, Serialize};
use serde_json::Value;

/// What one argument must be. Every part that is given must hold.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ArgumentRule {
    /// The value is one of these.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub one_of: Option<Vec<Value>>,
    /// The text matches this glob: `*` is any run of characters, `?` one character.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub matches: Option<String>,
    /// A number is at most this; a text, list or object has at most this many characters or entries.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub at_most: Option<f64>,
}

/// The rules of one grant, by argument name.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
#[serde(transparent)]
pub struct ArgumentRules(BTreeMap<String, ArgumentRule>);

/// A rule that a call breaks.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Breach {
    /// The argument.
    pub argument: String,
    /// What it must be, in words that may be shown to the caller.
    pub expected: String,
}

impl ArgumentRules {
    /// Checks a call's arguments.
    ///
    /// # Errors
    /// The first rule that is broken.
    pub fn check(&self, arguments: Option<&JsonObject>) -> Result<(), Breach> {
        for (name, rule) in &self.0 {
            let value = arguments.and_then(|arguments| arguments.get(name));
            if let Some(expected) = rule.broken_by(value) {
                return Err(Breach {
                    argument: name.clone(),
                    expected,
                });
            }
        }
        Ok(())
    }
}

impl ArgumentRule {
    fn broken_by(&self, value: Option<&Value>) -> Option<String> {
        let Some(value) = value else {
            return Some("given".to_owned());
        };
        if let Some(allowed) = &self.one_of
            && !allowed.contains(value)
        {
            let list: Vec<_> = allowed.iter().map(Value::to_string).collect();
            return Some(format!("one of {}", list.join(", ")));
        }
        if let Some(pattern) = &self.matches
            && !value.as_str().is_some_and(|text| glob(pattern, text))
        {
            return Some(format!("a text like {pattern}"));
        }
        if let Some(most) = self.at_most
            // Not "more than": nothing is more than NaN, which TOML can write.
            && !size(value).is_some_and(|size| size <= most)
        {
            return Some(format!("at most {most}"));
        }
        None
    }
}

#[expect(
    clippy::cast_precision_loss,
    reason = "a length past 2^53 is refused long before this"
)]
fn size(value: &Value) -> Option<f64> {
    match value {
        Value::Number(number) => number.as_f64(),
        Value::String(text) => Some(text.chars().count() as f64),
        Value::Array(items) => Some(items.len() as f64),
        Value::Object(fields) => Some(fields.len() as f64),
        Value::Null | Value::Bool(_) => None,
    }
}

/// Matches `*` and `?` in linear time: on a mismatch only the last star grows.
fn glob(pattern: &str, text: &str) -> bool {
    let pattern: Vec<char> = pattern.chars().collect();
    let text: Vec<char> = text.chars().collect();
    let (mut p, mut t, mut star) = (0, 0, None);
    while t < text.len() {
        match pattern.get(p) {
            Some('*') => {
                star = Some((p, t));
                p += 1;
            }
            Some(&c) if c == '?' || c == text[t] => {
                p += 1;
                t += 1;
            }
            _ => match star {
                Some((at, from)) => {
                    star = Some((at, from + 1));
                    p = at + 1;
                    t = from + 1;
                }
                None => return false,
            },
        }
    }
    pattern[p..].iter().all(|&c| c == '*')
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn rules(value: Value) -> ArgumentRules {
        serde_json::from_value(value).unwrap()
    }

    fn check(rules: &ArgumentRules, arguments: &Value) -> Result<(), String> {
        rules
            .check(arguments.as_object())
            .map_err(|breach| format!("{} must be {}", breach.argument, breach.expected))
    }

    #[test]
    fn each_rule_allows_and_refuses() {
        let city = rules(json!({"city": {"one_of": ["Oslo", "Paris"]}}));
        assert_eq!(check(&city, &json!({"city": "Oslo"})), Ok(()));
        assert_eq!(
            check(&city, &json!({"city": "Rome"})).unwrap_err(),
            r#"city must be one of "Oslo", "Paris""#
        );

        let nothing = toml::from_str::<ArgumentRules>("n = { at_most = nan }").unwrap();
        assert!(check(&nothing, &json!({"n": 1})).is_err());

        let chat = rules(json!({"model": {"matches": "llama*"}, "messages": {"at_most": 2}}));
        assert_eq!(
            check(&chat, &json!({"model": "llama3.2", "messages": [1, 2]})),
            Ok(())
        );
        assert_eq!(
            check(&chat, &json!({"model": "qwen3", "messages": []})).unwrap_err(),
            "model must be a text like llama*"
        );
        assert_eq!(
            check(&chat, &json!({"model": "llama3", "messages": [1, 2, 3]})).unwrap_err(),
            "messages must be at most 2"
        );
    }

    #[test]
    fn an_argument_that_is_left_out_breaks_its_rule() {
        let city = rules(json!({"city": {"one_of": ["Oslo"]}}));
        assert_eq!(check(&city, &json!({})).unwrap_err(), "city must be given");
        assert_eq!(city.check(None).unwrap_err().argument, "city");
    }

    #[test]
    fn a_glob_is_no_prefix_match() {
        assert!(glob("a*c", "abc") && glob("*", "") && glob("a?c", "aéc"));
        assert!(!glob("a*c", "abcd") && !glob("abc", "abcd") && !glob("?", ""));
        // Exponential in a naive matcher.
        assert!(!glob(&"*a".repeat(50), &"b".repeat(5000)));
    }
}
