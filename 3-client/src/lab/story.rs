//! How an exchange is told: each message, what it means, where it is written down.

use serde_json::Value;

use crate::page::{Ink, Page, print};
use crate::raw::Answer;
use crate::untrusted::clean;

/// Where the specification is read; each section is a page below it.
const SPECIFICATION: &str = "https://modelcontextprotocol.io/specification/";

/// Texts longer than this are shortened on screen, and say by how much.
const LONG: usize = 160;

/// The teller.
pub(super) struct Story {
    pub(super) page: Page,
    pauses: bool,
    step: usize,
}

impl Story {
    pub(super) fn new(page: Page, pauses: bool) -> Self {
        Self {
            page,
            pauses,
            step: 0,
        }
    }

    pub(super) fn begin(&self, url: &str, started: bool) {
        let how = if started {
            "started for this lab"
        } else {
            "running already"
        };
        print(&format!(
            "Server: {url} ({how})\n§ names a page below {SPECIFICATION}\n"
        ));
    }

    /// A step's heading; before every step but the first, the reader is waited for.
    pub(super) async fn step(&mut self, title: &str) {
        if self.pauses && self.step > 0 {
            print(&self.page.ink(Ink::Dim, "\n[Enter] goes on "));
            // Blocking, so on a thread of its own; end of input goes on too.
            let _ = tokio::task::spawn_blocking(|| std::io::stdin().read_line(&mut String::new()))
                .await;
        }
        self.step += 1;
        let line = format!("{}. {title}", self.step);
        print(&format!("\n{}\n", self.page.ink(Ink::Bold, &line)));
    }

    /// What it means.
    pub(super) fn why(&self, text: &str, section: &str) {
        print(&format!("\n{}", self.page.paragraph("  ", text)));
        print(
            &self
                .page
                .ink(Ink::Dim, &self.page.paragraph("  § ", section)),
        );
    }

    /// A plain paragraph.
    pub(super) fn tell(&self, text: &str) {
        print(&self.page.paragraph("  ", text));
    }

    /// Lines as they are.
    pub(super) fn lines(&self, text: &str) {
        print(text);
    }

    /// A message on its way to the server.
    pub(super) fn sent(
        &self,
        verb: &str,
        path: &str,
        headers: &[(&'static str, String)],
        body: Option<&Value>,
    ) {
        let arrow = self.page.ink(Ink::Cyan, "→ client to server");
        print(&format!("\n  {arrow}\n    {verb} {path}\n"));
        for (name, value) in headers {
            print(&self.page.paragraph(&format!("    {name}: "), &clean(value)));
        }
        if let Some(body) = body {
            self.json(body);
        }
    }

    /// What came back.
    pub(super) fn got(&self, answer: &Answer) {
        let arrow = self.page.ink(Ink::Green, "← server to client");
        print(&format!(
            "\n  {arrow}  ({:.1} ms)\n",
            answer.took.as_secs_f64() * 1000.0
        ));
        if let Some(trouble) = &answer.trouble {
            print(&self.page.paragraph("    ", &clean(trouble)));
        }
        if answer.status > 0 {
            print(&format!("    HTTP {}\n", answer.status));
        }
        for name in [
            "content-type",
            "mcp-session-id",
            "www-authenticate",
            "retry-after",
        ] {
            let value = answer.header(name);
            if !value.is_empty() {
                print(&self.page.paragraph(&format!("    {name}: "), &clean(value)));
            }
        }
        for message in &answer.messages {
            self.json(message);
        }
    }

    /// A message, indented, with what is long cut short.
    pub(super) fn json(&self, message: &Value) {
        let text = format!("{:#}", shorten(message));
        for line in clean(&text).lines() {
            let indent = line.len() - line.trim_start().len();
            print(
                &self
                    .page
                    .paragraph(&" ".repeat(4 + indent.min(20)), line.trim_start()),
            );
        }
    }
}

/// A message short enough to be read: schemas and long texts are named, not shown, and a list shows
/// its first three.
fn shorten(value: &Value) -> Value {
    match value {
        Value::String(text) if text.chars().count() > LONG => {
            let cut: String = text.chars().take(LONG).collect();
            format!("{cut}… ({} more characters)", text.chars().count() - LONG).into()
        }
        Value::Array(items) => {
            let mut shown: Vec<Value> = items.iter().take(3).map(shorten).collect();
            if items.len() > 3 {
                shown.push(format!("… and {} more", items.len() - 3).into());
            }
            shown.into()
        }
        Value::Object(fields) => fields
            .iter()
            .map(|(name, value)| {
                let is_schema =
                    matches!(name.as_str(), "outputSchema" | "inputSchema") && value.is_object();
                let told = if is_schema {
                    let arguments = value["properties"].as_object();
                    let names: Vec<&str> = arguments
                        .into_iter()
                        .flatten()
                        .map(|(name, _)| name.as_str())
                        .collect();
                    format!("a JSON Schema of: {}", names.join(", ")).into()
                } else {
                    shorten(value)
                };
                (name.clone(), told)
            })
            .collect(),
        plain => plain.clone(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn what_is_long_is_cut_and_says_so() {
        let long = json!({ "text": "x".repeat(200), "list": [1, 2, 3, 4, 5], "inputSchema": { "properties": { "a": {} } } });
        let short = shorten(&long);
        assert!(
            short["text"]
                .as_str()
                .unwrap()
                .ends_with("(40 more characters)")
        );
        assert_eq!(short["list"], json!([1, 2, 3, "… and 2 more"]));
        assert_eq!(short["inputSchema"], "a JSON Schema of: a");
    }
}
