//! Puts an entry into a host's configuration, or takes it out, and leaves every other character as
//! it is: comments, order, indentation and line ends. Text in, text out; no file is touched here.

use jsonc_parser::{
    ParseOptions,
    cst::{CstInputValue, CstObject, CstRootNode},
};

/// What launches the server.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Entry {
    /// A field that marks the kind of entry, where the host wants one.
    pub(super) marker: Option<(&'static str, &'static str)>,
    /// The program, as an absolute path.
    pub(super) command: String,
    /// Its arguments. No shell reads them.
    pub(super) arguments: Vec<String>,
    /// What goes into its environment.
    pub(super) environment: Vec<(String, String)>,
}

impl Entry {
    fn value(&self) -> CstInputValue {
        let text = |text: &str| CstInputValue::String(text.to_owned());
        let mut fields = Vec::new();
        if let Some((name, value)) = self.marker {
            fields.push((name.to_owned(), text(value)));
        }
        fields.push(("command".to_owned(), text(&self.command)));
        let arguments = self.arguments.iter().map(|argument| text(argument));
        fields.push(("args".to_owned(), CstInputValue::Array(arguments.collect())));
        let environment = self.environment.iter();
        let environment = environment.map(|(name, value)| (name.clone(), text(value)));
        fields.push((
            "env".to_owned(),
            CstInputValue::Object(environment.collect()),
        ));
        CstInputValue::Object(fields)
    }

    /// The entry as it will stand in the file, for people: what is secret is left out.
    pub(super) fn shown(&self, name: &str) -> String {
        let mut shown = self.clone();
        for (_, value) in &mut shown.environment {
            "(not shown)".clone_into(value);
        }
        // An empty text always parses, and gives an object to write into.
        CstRootNode::parse("", &ParseOptions::default()).map_or_else(
            |error| error.to_string(),
            |root| {
                let object = root.object_value_or_set();
                object.append(name, shown.value());
                object.ensure_multiline();
                root.to_string()
            },
        )
    }
}

/// Windows' Notepad begins a file with it. It isn't JSON, and stays where it is.
const BOM: &str = "\u{feff}";
/// Stands for an entry's own text while the tree is written out. No host's file holds it.
const PLACEHOLDER: &str = "mcp-server: the entry that was here before";

/// The entry of that name, as it is written; `None` when there is none.
///
/// # Errors
/// Why the text can't be edited.
pub(super) fn find(text: &str, key: &str, name: &str) -> Result<Option<String>, String> {
    let (_root, object) = open(without_bom(text), key, name)?;
    let servers = object.object_value(key);
    let value = servers.and_then(|servers| servers.get(name)?.value());
    Ok(value.map(|value| value.to_string()))
}

/// Puts the entry under `key`, in place of one with the same name.
///
/// # Errors
/// Why the text can't be edited; nothing is lost then.
pub(super) fn put(text: &str, key: &str, name: &str, entry: &Entry) -> Result<String, String> {
    set(text, key, name, entry.value())
}

/// Puts back an entry as it was written.
///
/// # Errors
/// Why the text can't be edited.
pub(super) fn put_back(text: &str, key: &str, name: &str, was: &str) -> Result<String, String> {
    let value = CstInputValue::String(PLACEHOLDER.to_owned());
    let text = set(text, key, name, value)?;
    Ok(text.replacen(&format!("\"{PLACEHOLDER}\""), was, 1))
}

fn set(text: &str, key: &str, name: &str, value: CstInputValue) -> Result<String, String> {
    let (root, object) = open(without_bom(text), key, name)?;
    let servers = object
        .object_value_or_create(key)
        .ok_or_else(|| format!("\"{key}\" in it is no object"))?;
    match servers.get(name) {
        Some(property) => property.set_value(value),
        None => {
            servers.append(name, value);
        }
    }
    servers.ensure_multiline();
    object.ensure_multiline();
    Ok(with_bom_of(text, root.to_string()))
}

/// Takes the entry out; `None` when it isn't there.
///
/// # Errors
/// Why the text can't be edited.
pub(super) fn take(text: &str, key: &str, name: &str) -> Result<Option<String>, String> {
    let (root, object) = open(without_bom(text), key, name)?;
    let Some(servers) = object.object_value(key) else {
        return Ok(None);
    };
    let Some(property) = servers.get(name) else {
        return Ok(None);
    };
    property.remove();
    // An empty list of servers means nothing to any host, and is probably ours.
    if servers.properties().is_empty()
        && servers.children().iter().all(|child| !child.is_comment())
        && let Some(property) = object.get(key)
    {
        property.remove();
    }
    Ok(Some(with_bom_of(text, root.to_string())))
}

fn open(text: &str, key: &str, name: &str) -> Result<(CstRootNode, CstObject), String> {
    let root = CstRootNode::parse(text, &ParseOptions::default())
        .map_err(|error| format!("it isn't JSON: {error}"))?;
    let object = root
        .object_value_or_create()
        .ok_or("it holds something else than an object")?;
    // We would edit the first of two, and hosts read the last.
    let servers = object.object_value(key);
    for (object, name) in [(Some(&object), key), (servers.as_ref(), name)] {
        if object.is_some_and(|object| is_twice(object, name)) {
            return Err(format!("\"{name}\" stands in it twice: leave one"));
        }
    }
    Ok((root, object))
}

fn is_twice(object: &CstObject, name: &str) -> bool {
    let names = object.properties().into_iter();
    let same = names.filter(|property| property.decoded_name().as_deref() == Some(name));
    same.count() > 1
}

fn without_bom(text: &str) -> &str {
    text.strip_prefix(BOM).unwrap_or(text)
}

fn with_bom_of(before: &str, after: String) -> String {
    if before.starts_with(BOM) {
        format!("{BOM}{after}")
    } else {
        after
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn entry() -> Entry {
        Entry {
            marker: None,
            command: "/opt/mcp-server".to_owned(),
            arguments: vec!["--config".to_owned(), "/etc/a \"b\".toml".to_owned()],
            environment: vec![("MCP_CLIENT_KEY".to_owned(), "mcp_secret".to_owned())],
        }
    }

    fn parsed(text: &str) -> serde_json::Value {
        serde_json::from_str(text).unwrap_or_else(|error| panic!("{error}: {text}"))
    }

    #[test]
    fn an_empty_file_a_small_one_and_one_with_other_servers_get_the_entry() {
        for before in [
            "",
            "{}",
            "{\n}\n",
            r#"{"mcpServers":{}}"#,
            "{\n  \"theme\": \"dark\",\n  \"mcpServers\": {\n    \"other\": { \"command\": \"x\" }\n  }\n}\n",
        ] {
            let after = parsed(&put(before, "mcpServers", "learn-mcp", &entry()).unwrap());
            let made = &after["mcpServers"]["learn-mcp"];
            assert_eq!(made["command"], "/opt/mcp-server");
            assert_eq!(made["args"][1], "/etc/a \"b\".toml");
            assert_eq!(made["env"]["MCP_CLIENT_KEY"], "mcp_secret");
            if before.contains("other") {
                assert_eq!(after["theme"], "dark");
                assert_eq!(after["mcpServers"]["other"]["command"], "x");
            }
        }
    }

    #[test]
    fn comments_trailing_commas_and_line_ends_stay() {
        let before = "// my settings\r\n{\r\n  /* look */ \"theme\": \"dark\", // at night\r\n  \"context_servers\": {\r\n    // mine\r\n    \"other\": { \"command\": \"x\" },\r\n  },\r\n}\r\n";
        let after = put(before, "context_servers", "learn-mcp", &entry()).unwrap();
        for kept in [
            "// my settings\r\n",
            "/* look */",
            "// at night",
            "    // mine\r\n",
            "\"other\": { \"command\": \"x\" },\r\n",
        ] {
            assert!(after.contains(kept), "{kept:?} is gone:\n{after}");
        }
        assert!(
            !after.replace("\r\n", "").contains('\n'),
            "one kind of line end: {after:?}"
        );
        let undone = take(&after, "context_servers", "learn-mcp")
            .unwrap()
            .unwrap();
        assert_eq!(undone, before, "to the last character");
    }

    #[test]
    fn a_second_time_changes_nothing_and_a_change_replaces_the_entry_alone() {
        let once = put("{}", "servers", "learn-mcp", &entry()).unwrap();
        assert_eq!(put(&once, "servers", "learn-mcp", &entry()).unwrap(), once);
        let other = Entry {
            command: "/elsewhere".to_owned(),
            ..entry()
        };
        let twice = parsed(&put(&once, "servers", "learn-mcp", &other).unwrap());
        assert_eq!(twice["servers"]["learn-mcp"]["command"], "/elsewhere");
        assert_eq!(twice["servers"].as_object().unwrap().len(), 1);
    }

    #[test]
    fn what_cant_be_understood_is_left_alone() {
        for (broken, said) in [
            ("{ \"mcpServers\": ", "isn't JSON"),
            ("[]", "something else than an object"),
            (
                "{ \"mcpServers\": [] }",
                "\"mcpServers\" in it is no object",
            ),
        ] {
            let error = put(broken, "mcpServers", "learn-mcp", &entry()).unwrap_err();
            assert!(error.contains(said), "{error}");
        }
        assert_eq!(take("{}", "mcpServers", "learn-mcp"), Ok(None));
        assert_eq!(take("", "mcpServers", "learn-mcp"), Ok(None));
    }

    #[test]
    fn a_mark_of_byte_order_stays_and_what_stands_twice_is_left_alone() {
        let before = "\u{feff}{\r\n  \"servers\": {\r\n    \"other\": {}\r\n  }\r\n}\r\n";
        let after = put(before, "servers", "learn-mcp", &entry()).unwrap();
        assert!(after.starts_with("\u{feff}{") && after.contains("/opt/mcp-server"));
        let undone = take(&after, "servers", "learn-mcp").unwrap();
        assert_eq!(undone.as_deref(), Some(before));
        for (twice, said) in [
            (
                "{\"servers\": {}, \"servers\": {}}",
                "\"servers\" stands in it twice",
            ),
            (
                "{\"servers\": {\"learn-mcp\": {}, \"learn\\u002dmcp\": {}}}",
                "\"learn-mcp\" stands in it twice",
            ),
        ] {
            let error = put(twice, "servers", "learn-mcp", &entry()).unwrap_err();
            assert!(error.contains(said), "{error}");
            assert!(take(twice, "servers", "learn-mcp").is_err());
        }
    }

    #[test]
    fn an_entry_is_put_back_as_it_was_written() {
        let was = "{ \"command\": \"x\", /* mine */ \"env\": { \"TOKEN\": \"t\" } }";
        let before = format!("{{\n  \"servers\": {{\n    \"learn-mcp\": {was}\n  }}\n}}\n");
        assert_eq!(
            find(&before, "servers", "learn-mcp").unwrap().as_deref(),
            Some(was)
        );
        let after = put(&before, "servers", "learn-mcp", &entry()).unwrap();
        assert!(!after.contains("TOKEN"));
        let back = put_back(&after, "servers", "learn-mcp", was).unwrap();
        assert_eq!(back, before);
    }

    #[test]
    fn a_secret_isnt_shown() {
        let shown = entry().shown("learn-mcp");
        assert!(
            shown.contains("MCP_CLIENT_KEY") && !shown.contains("mcp_secret"),
            "{shown}"
        );
    }
}
