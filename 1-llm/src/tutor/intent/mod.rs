//! Which of the offered tools a sentence asks for. Fixed patterns, no guessing: what isn't
//! recognised is a question for the search.

// How its words are looked at.
mod words;

use serde_json::{Map, Value};

use self::words::{after_word, has_word, is_scheme, starts_word, unquoted, without_time};
use crate::{ToolCall, ToolSpec};

/// The request for a tool that a sentence makes, given the tools.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Intent {
    /// It asks for these calls.
    Call(Vec<ToolCall>),
    /// Something is missing in it, and this is the question to ask.
    Ask(&'static str),
    /// It needs a tool that isn't offered: one that does this.
    Missing(&'static str),
}

/// Reads one sentence of the person's.
pub(super) fn detect(sentence: &str, tools: &[ToolSpec]) -> Option<Intent> {
    let sentence = sentence.trim().trim_end_matches(['?', '!', '.']).trim();
    let lower = sentence.to_lowercase();
    detect_named(sentence, tools)
        .or_else(|| detect_resource(sentence, &lower, tools))
        .or_else(|| detect_weather(sentence, &lower, tools))
        .or_else(|| detect_echo(sentence, &lower, tools))
        .or_else(|| detect_models(&lower, tools))
}

/// "call weather-get {"city":"Oslo"}": any tool by its name, with JSON or with plain text.
fn detect_named(sentence: &str, tools: &[ToolSpec]) -> Option<Intent> {
    let (verb, rest) = sentence.split_once(' ')?;
    if !["call", "run", "use"].contains(&verb.to_lowercase().as_str()) {
        return None;
    }
    let rest = rest
        .trim_start()
        .trim_start_matches("the tool ")
        .trim_start();
    let (name, arguments) = rest.split_once(' ').unwrap_or((rest, ""));
    let name = name.trim_matches(['`', '"', '\'']);
    let tool = tools
        .iter()
        .find(|tool| tool.name.eq_ignore_ascii_case(name))?;
    let arguments = arguments.trim_start().trim_start_matches("with ").trim();
    if arguments.is_empty() {
        return Some(one_call(tool, Map::new()));
    }
    match serde_json::from_str::<Value>(arguments) {
        Ok(Value::Object(arguments)) => Some(one_call(tool, arguments)),
        _ => Some(one_call(tool, one_argument(tool, &[], unquoted(arguments)))),
    }
}

/// "read docs://readme", "show the server's configuration".
fn detect_resource(sentence: &str, lower: &str, tools: &[ToolSpec]) -> Option<Intent> {
    let written = sentence
        .split_whitespace()
        .map(|word| word.trim_matches(['`', '"', '\'', '<', '>', '(', ')', ',', '.', '?']))
        .find(|word| {
            word.split_once("://")
                .is_some_and(|(scheme, rest)| is_scheme(scheme) && !rest.is_empty())
        });
    if let Some(uri) = written {
        let reader = tools.iter().find(|tool| has_argument(tool, "uri"))?;
        return Some(one_call(reader, one_argument(reader, &["uri"], uri)));
    }
    let wants = ["show", "read", "what", "print", "see", "display", "get"]
        .iter()
        .any(|verb| starts_word(lower, verb));
    let about = ["configuration", "config", "settings"]
        .iter()
        .any(|noun| has_word(lower, noun));
    let whose =
        has_word(lower, "server") || has_word(lower, "server's") || has_word(lower, "servers");
    if !(wants && about && whose) {
        return None;
    }
    let fits = |tool: &&ToolSpec| {
        tool.name.contains("config")
            || tool.description.contains("config://")
            || has_argument(tool, "uri")
    };
    Some(match tools.iter().find(fits) {
        Some(tool) if has_argument(tool, "uri") => {
            one_call(tool, one_argument(tool, &["uri"], "config://server"))
        }
        Some(tool) => one_call(tool, Map::new()),
        None => Intent::Missing("reads the server's configuration"),
    })
}

/// "what's the weather in Oslo and Bergen?"
fn detect_weather(sentence: &str, lower: &str, tools: &[ToolSpec]) -> Option<Intent> {
    let about = ["weather", "forecast", "temperature"]
        .iter()
        .any(|noun| has_word(lower, noun));
    if !about {
        return None;
    }
    // "What is the weather tool?" is a question about the tool.
    if has_word(lower, "tool") || has_word(lower, "weather-get") {
        return None;
    }
    let place = ["in", "at", "for"]
        .iter()
        .filter_map(|word| after_word(sentence, lower, word))
        .next();
    let asks = [
        "what", "what's", "how", "how's", "is", "get", "check", "show", "tell", "weather",
        "forecast",
    ]
    .iter()
    .any(|verb| starts_word(lower, verb));
    if place.is_none() && !asks {
        return None;
    }
    let Some(tool) = tools.iter().find(|tool| tool.name.contains("weather")) else {
        return Some(Intent::Missing("tells the weather"));
    };
    let Some(place) = place else {
        return Some(Intent::Ask(
            "Which city do you mean? Ask, for instance: what's the weather in Oslo?",
        ));
    };
    let calls: Vec<ToolCall> = place
        .split(',')
        .flat_map(|part| part.split(" and "))
        .map(without_time)
        .filter(|city| !city.is_empty())
        // Three at once is a question; thirty would be a flood.
        .take(3)
        .map(|city| {
            tool_call(
                tool,
                one_argument(tool, &["city", "location", "place"], city),
            )
        })
        .collect();
    (!calls.is_empty()).then_some(Intent::Call(calls))
}

/// "echo hello".
fn detect_echo(sentence: &str, lower: &str, tools: &[ToolSpec]) -> Option<Intent> {
    let text = ["echo ", "repeat after me:", "repeat after me "]
        .iter()
        .find_map(|start| {
            lower
                .starts_with(start)
                .then(|| sentence.get(start.len()..))
                .flatten()
        })?;
    let Some(tool) = tools.iter().find(|tool| tool.name.contains("echo")) else {
        return Some(Intent::Missing("echoes"));
    };
    let text = unquoted(text.trim());
    Some(one_call(
        tool,
        one_argument(tool, &["message", "text"], text),
    ))
}

/// "which models are there?"
fn detect_models(lower: &str, tools: &[ToolSpec]) -> Option<Intent> {
    let asks = ["which", "what", "list", "show", "are there", "do you have"]
        .iter()
        .any(|verb| lower.contains(verb));
    if !(has_word(lower, "models") && asks && lower.split_whitespace().count() <= 9) {
        return None;
    }
    // Questions about what models are go to the search.
    if ["context", "language", "protocol", "mean"]
        .iter()
        .any(|word| has_word(lower, word))
    {
        return None;
    }
    Some(
        match tools.iter().find(|tool| tool.name.contains("models")) {
            Some(tool) => one_call(tool, Map::new()),
            None => Intent::Missing("lists the models"),
        },
    )
}

fn one_call(tool: &ToolSpec, arguments: Map<String, Value>) -> Intent {
    Intent::Call(vec![tool_call(tool, arguments)])
}

/// A call without an id: the tutor numbers them, since only it knows the conversation.
fn tool_call(tool: &ToolSpec, arguments: Map<String, Value>) -> ToolCall {
    ToolCall {
        id: String::new(),
        name: tool.name.clone(),
        arguments,
    }
}

/// Puts a value under the argument that the tool's own schema has for it: a likely name, else
/// the first that is required, else the first there is.
fn one_argument(tool: &ToolSpec, likely: &[&str], value: &str) -> Map<String, Value> {
    let properties = tool.parameters.get("properties").and_then(Value::as_object);
    let known = |name: &&str| properties.is_some_and(|all| all.contains_key(*name));
    let required = || {
        tool.parameters
            .get("required")?
            .as_array()?
            .first()?
            .as_str()
    };
    let first = || properties?.keys().next().map(String::as_str);
    let name = likely
        .iter()
        .copied()
        .find(known)
        .or_else(required)
        .or_else(first);
    let name = name.or(likely.first().copied()).unwrap_or("input");
    Map::from_iter([(name.to_owned(), Value::String(value.to_owned()))])
}

fn has_argument(tool: &ToolSpec, name: &str) -> bool {
    tool.parameters
        .get("properties")
        .and_then(|all| all.get(name))
        .is_some()
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn tool(name: &str, argument: &str) -> ToolSpec {
        let parameters = match argument {
            "" => json!({"type": "object"}),
            name => {
                json!({"type": "object", "properties": {name: {"type": "string"}}, "required": [name]})
            }
        };
        ToolSpec {
            name: name.to_owned(),
            description: String::new(),
            parameters,
        }
    }

    fn offered() -> Vec<ToolSpec> {
        vec![
            tool("echo", "message"),
            tool("ollama-chat", "messages"),
            tool("ollama-list-models", ""),
            tool("weather-get", "city"),
            tool("read-resource", "uri"),
        ]
    }

    /// The calls without their ids.
    fn calls(sentence: &str) -> Vec<(String, Value)> {
        match detect(sentence, &offered()) {
            Some(Intent::Call(calls)) => calls
                .into_iter()
                .map(|c| (c.name, c.arguments.into()))
                .collect(),
            other => panic!("{sentence:?} gave {other:?}"),
        }
    }

    #[test]
    fn the_weather_is_asked_for_by_city() {
        for (sentence, city) in [
            ("what's the weather in Oslo?", "Oslo"),
            ("What’s the weather in Oslo", "Oslo"),
            (
                "What is the weather like in New York right now?",
                "New York",
            ),
            ("weather for São Paulo today", "São Paulo"),
            ("please tell me the temperature in Tromsø.", "Tromsø"),
            ("How's the weather at Kirkenes tomorrow?", "Kirkenes"),
        ] {
            assert_eq!(
                calls(sentence),
                [("weather-get".to_owned(), json!({"city": city}))],
                "{sentence}"
            );
        }
    }

    #[test]
    fn two_cities_are_two_calls() {
        let Some(Intent::Call(calls)) =
            detect("what's the weather in Oslo and Bergen?", &offered())
        else {
            panic!("no calls");
        };
        assert_eq!(calls[0].arguments["city"], "Oslo");
        assert_eq!(calls[1].arguments["city"], "Bergen");
    }

    #[test]
    fn a_missing_city_is_asked_for() {
        assert!(matches!(
            detect("what's the weather?", &offered()),
            Some(Intent::Ask(_))
        ));
    }

    #[test]
    fn a_question_about_the_tool_itself_is_no_call() {
        for sentence in [
            "what is the weather tool?",
            "what does weather-get do for the weather",
            "what is a tool",
        ] {
            assert_eq!(detect(sentence, &offered()), None, "{sentence}");
        }
    }

    #[test]
    fn echo_takes_the_rest_of_the_sentence() {
        assert_eq!(
            calls("echo Hello, World"),
            [("echo".to_owned(), json!({"message": "Hello, World"}))]
        );
        assert_eq!(
            calls("Echo \"hello\""),
            [("echo".to_owned(), json!({"message": "hello"}))]
        );
    }

    #[test]
    fn models_are_listed() {
        for sentence in [
            "which models are there?",
            "List the models",
            "what models do you have",
        ] {
            assert_eq!(
                calls(sentence),
                [("ollama-list-models".to_owned(), json!({}))],
                "{sentence}"
            );
        }
        assert_eq!(detect("what are language models?", &offered()), None);
    }

    #[test]
    fn the_configuration_and_any_written_uri_are_read_as_resources() {
        let read = |uri: &str| [("read-resource".to_owned(), json!({"uri": uri}))];
        assert_eq!(
            calls("show the server's configuration"),
            read("config://server")
        );
        assert_eq!(
            calls("Please show me the server’s config"),
            read("config://server")
        );
        assert_eq!(calls("read docs://readme"), read("docs://readme"));
        assert_eq!(detect("what is a configuration?", &offered()), None);
    }

    #[test]
    fn any_tool_can_be_called_by_name_with_json_or_text() {
        assert_eq!(
            calls(r#"call weather-get {"city":"Oslo"}"#),
            [("weather-get".to_owned(), json!({"city": "Oslo"}))]
        );
        assert_eq!(
            calls("use echo with hi there"),
            [("echo".to_owned(), json!({"message": "hi there"}))]
        );
        assert_eq!(
            calls("run ollama-list-models"),
            [("ollama-list-models".to_owned(), json!({}))]
        );
        assert_eq!(detect("use nothing", &offered()), None);
    }

    #[test]
    fn without_the_tool_the_intent_says_what_is_missing() {
        for (sentence, missing) in [
            ("echo hi", "echoes"),
            ("what's the weather in Oslo?", "tells the weather"),
            ("which models are there?", "lists the models"),
            (
                "show the server's configuration",
                "reads the server's configuration",
            ),
        ] {
            assert_eq!(
                detect(sentence, &[]),
                Some(Intent::Missing(missing)),
                "{sentence}"
            );
        }
    }
}
