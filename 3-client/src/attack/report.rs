//! What came of a run, as text for people and as JSON for programs.

use serde_json::{Value, json};

use super::row::Row;
use super::verdict::Verdict;
use crate::page::{Ink, Page};
use crate::untrusted::clean_line;

/// What came of one attack.
#[derive(Debug, Clone)]
pub struct Outcome {
    /// The attack.
    pub about: &'static Row,
    /// What came of it.
    pub verdict: Verdict,
    /// The line of the server's record that tells of it, where the record can be read.
    pub record: Option<String>,
    /// How long it took, in milliseconds.
    pub took_ms: u64,
}

/// What came of all of them.
#[derive(Debug, Clone)]
pub struct Report {
    /// Where the server is.
    pub url: String,
    /// Its name and version, as it says.
    pub server: String,
    /// How it was spoken to.
    pub lifecycle: &'static str,
    /// Each attack, in the order in which it ran.
    pub outcomes: Vec<Outcome>,
}

impl Report {
    /// How many came out like this: held, broken, not applicable, unclear.
    #[must_use]
    pub fn counts(&self) -> [usize; 4] {
        let mut counts = [0; 4];
        for outcome in &self.outcomes {
            counts[match outcome.verdict {
                Verdict::Held(_) => 0,
                Verdict::Broken(_) => 1,
                Verdict::NotApplicable(_) => 2,
                Verdict::Unclear(_) => 3,
            }] += 1;
        }
        counts
    }

    /// Whether the server held. A run in which nothing could be tried, or something stayed unclear,
    /// has not shown that.
    #[must_use]
    pub fn passes(&self) -> bool {
        let [held, broken, _, unclear] = self.counts();
        held > 0 && broken == 0 && unclear == 0
    }

    /// The rows that came out like this, by name.
    #[must_use]
    pub fn rows(&self, word: &str) -> Vec<&'static str> {
        self.outcomes
            .iter()
            .filter(|outcome| outcome.verdict.word() == word)
            .map(|outcome| outcome.about.id)
            .collect()
    }

    /// The whole as JSON.
    #[must_use]
    pub fn to_json(&self) -> Value {
        let [held, broken, not_applicable, unclear] = self.counts();
        let rows: Vec<Value> = self.outcomes.iter().map(Outcome::to_json).collect();
        json!({
            "url": self.url,
            "server": self.server,
            "lifecycle": self.lifecycle,
            "passes": self.passes(),
            "counts": { "held": held, "broken": broken, "not_applicable": not_applicable, "unclear": unclear },
            "attacks": rows,
        })
    }

    /// The closing lines.
    #[must_use]
    pub fn summary(&self, page: Page) -> String {
        let [held, broken, not_applicable, unclear] = self.counts();
        let mut text = format!(
            "\n{held} held, {broken} broken, {not_applicable} not applicable, {unclear} unclear\n"
        );
        for (word, ink) in [("broken", Ink::Red), ("unclear", Ink::Yellow)] {
            let rows = self.rows(word);
            if !rows.is_empty() {
                text.push_str(
                    &page.ink(ink, &page.paragraph(&format!("{word}: "), &rows.join(", "))),
                );
            }
        }
        let verdict = if self.passes() {
            "The server held everything that could be tried on it. That isn't proof of safety: it is the absence of these mistakes."
        } else if broken > 0 {
            "The server isn't safe to run for others: each broken row above says what would stop it."
        } else if held == 0 {
            "Nothing could be tried, so nothing is shown."
        } else {
            "Something stayed unclear, so the run doesn't count as passed."
        };
        text.push_str(&page.paragraph("", verdict));
        text
    }
}

impl Outcome {
    fn to_json(&self) -> Value {
        let Row {
            id,
            family,
            title,
            tried,
            elsewhere,
            advisory,
            remedy,
            ..
        } = self.about;
        json!({
            "id": id, "family": family, "title": title, "tried": tried, "elsewhere": elsewhere,
            "advisory": advisory, "remedy": remedy,
            "verdict": self.verdict.word(), "evidence": self.verdict.evidence(),
            "record": self.record, "took_ms": self.took_ms,
        })
    }

    /// One row for people; `brief` leaves out what is the same in every run.
    #[must_use]
    pub fn to_text(&self, page: Page, brief: bool) -> String {
        let (word, ink) = match self.verdict {
            Verdict::Held(_) => ("held", Ink::Green),
            Verdict::Broken(_) => ("BROKEN", Ink::Red),
            Verdict::NotApplicable(_) => ("n/a", Ink::Dim),
            Verdict::Unclear(_) => ("unclear", Ink::Yellow),
        };
        let mut text = format!(
            "{} {} {}\n",
            page.ink(ink, &format!("{word:<7}")),
            page.ink(Ink::Bold, &format!("{:<22}", self.about.id)),
            self.about.title
        );
        let evidence = clean_line(self.verdict.evidence());
        if brief {
            if !matches!(self.verdict, Verdict::Held(_)) {
                text.push_str(&page.paragraph("        ", &evidence));
            }
            return text;
        }
        let about = self.about;
        text.push_str(&page.paragraph("  tried      ", about.tried));
        text.push_str(&page.paragraph(
            "  elsewhere  ",
            &format!("{} [{}]", about.elsewhere, about.advisory),
        ));
        text.push_str(&page.paragraph("  here       ", &evidence));
        if let Some(record) = &self.record {
            text.push_str(&page.paragraph("  record     ", &in_short(record)));
        }
        if matches!(self.verdict, Verdict::Broken(_)) {
            text.push_str(&page.paragraph("  remedy     ", about.remedy));
        }
        text.push('\n');
        text
    }
}

/// A record for people: what a JSON line says of who asked what, and what became of it. The reports
/// for programs keep the whole line.
fn in_short(record: &str) -> String {
    let fields: Value = serde_json::from_str(record).unwrap_or_default();
    let told: Vec<String> = [
        "ts", "outcome", "identity", "name", "method", "target", "denial",
    ]
    .iter()
    .filter_map(|field| Some(format!("{field}={}", fields[field].as_str()?)))
    .collect();
    clean_line(&if told.is_empty() {
        record.to_owned()
    } else {
        told.join(" ")
    })
}
