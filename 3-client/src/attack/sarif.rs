//! The report as SARIF 2.1.0, which code hosts and CI systems show beside the code.
//!
//! OASIS, Static Analysis Results Interchange Format 2.1.0: section 3.27.9 (`kind`) says what each
//! verdict is, and that a result that isn't a failure has the level `none`.

use serde_json::{Value, json};

use super::report::Report;
use super::verdict::Verdict;

/// The report in this format.
#[must_use]
pub fn sarif(report: &Report) -> Value {
    let rules: Vec<Value> = report
        .outcomes
        .iter()
        .map(|outcome| {
            let about = &outcome.about;
            json!({
                "id": about.id,
                "shortDescription": { "text": about.title },
                "fullDescription": { "text": format!("{} {}", about.tried, about.elsewhere) },
                "help": { "text": format!("What stops it: {}. Known as: {}.", about.remedy, about.advisory) },
                "defaultConfiguration": { "level": "error" },
                "properties": { "tags": ["security", about.family], "advisory": about.advisory },
            })
        })
        .collect();
    let results: Vec<Value> = report
        .outcomes
        .iter()
        .enumerate()
        .map(|(index, outcome)| {
            let (kind, level) = match outcome.verdict {
                Verdict::Held(_) => ("pass", "none"),
                Verdict::Broken(_) => ("fail", "error"),
                Verdict::NotApplicable(_) => ("notApplicable", "none"),
                Verdict::Unclear(_) => ("open", "none"),
            };
            json!({
                "ruleId": outcome.about.id,
                "ruleIndex": index,
                "kind": kind,
                "level": level,
                "message": { "text": format!("{}: {}", outcome.about.title, outcome.verdict.evidence()) },
                "locations": [{
                    "physicalLocation": { "artifactLocation": { "uri": report.url } },
                    "logicalLocations": [{ "name": report.server, "kind": "module" }],
                }],
                "properties": { "record": outcome.record, "tookMs": outcome.took_ms },
            })
        })
        .collect();
    json!({
        "$schema": "https://json.schemastore.org/sarif-2.1.0.json",
        "version": "2.1.0",
        "runs": [{
            "tool": { "driver": {
                "name": "mcp-client attack",
                "semanticVersion": env!("CARGO_PKG_VERSION"),
                "rules": rules,
            } },
            // Something unclear isn't a finding, but a reader must not take the run for whole.
            "invocations": [{ "executionSuccessful": report.rows("unclear").is_empty() }],
            "columnKind": "unicodeCodePoints",
            "results": results,
        }],
    })
}
