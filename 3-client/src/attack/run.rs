//! The run: every chosen row, one after the other, each within its time.

use std::process::ExitCode;
use std::time::{Duration, Instant};

use super::catalogue::catalogue;
pub use super::choice::Choice;
use super::command::Args;
use super::report::{Outcome, Report};
use super::row::Row;
use super::sarif::sarif;
use super::target::{Era, Given, Target};
use super::trail::{self, OWN_RECORDS, Trail};
use super::verdict::Verdict;
use crate::headless::{AWAY, FAILED, USAGE, complain};
use crate::page::{self, Page};
use crate::secret::Secret;

/// How long a row may take, besides watching slow connections.
const ROW: Duration = Duration::from_secs(90);
/// How long a run may take, besides watching slow connections.
const RUN: Duration = Duration::from_secs(480);

const SECOND_TRY: Duration = Duration::from_secs(2);

/// Runs what was typed.
pub async fn main(args: &Args) -> ExitCode {
    let page = Page::of_stdout();
    if args.list {
        for Row {
            id, title, tried, ..
        } in catalogue()
        {
            page::print(&page.paragraph(&format!("{id:<24}"), &format!("{title}. {tried}")));
        }
        return ExitCode::SUCCESS;
    }
    let (given, choice) = match args.prepare(&|name| std::env::var(name).ok()) {
        Ok(ready) => ready,
        Err(error) => return complain(&error, USAGE),
    };
    let for_people = !args.json && !args.sarif;
    let brief = args.brief;
    let mut family = "";
    let report = run(given, &choice, &mut |server, outcome| {
        if !for_people {
            return;
        }
        if family.is_empty() {
            page::print(&format!("Attacking {server}\n"));
        }
        if family != outcome.about.family {
            family = outcome.about.family;
            page::print(&format!(
                "\n{}\n",
                page.ink(page::Ink::Cyan, &format!("── {family} ──"))
            ));
        }
        page::print(&outcome.to_text(page, brief));
    })
    .await;
    let report = match report {
        Ok(report) => report,
        Err(error) => return complain(&error, AWAY),
    };
    if args.json {
        page::print(&format!("{:#}\n", report.to_json()));
    } else if args.sarif {
        page::print(&format!("{:#}\n", sarif(&report)));
    } else {
        page::print(&report.summary(page));
    }
    ExitCode::from(if report.passes() { 0 } else { FAILED })
}

/// Attacks a server; `tell` hears of each row as it is done.
///
/// # Errors
/// When there is no MCP server, or the key isn't good.
pub async fn run(
    given: Given,
    choice: &Choice,
    tell: &mut dyn FnMut(&str, &Outcome),
) -> Result<Report, String> {
    let url = given.wire.url.to_string();
    let secrets: Vec<Secret> = [&given.key, &given.second]
        .into_iter()
        .flatten()
        .cloned()
        .collect();
    let mut target = Target::discover(given)
        .await
        .map_err(|answer| format!("{url} gives no MCP answer: {answer}"))?;
    if !target.trail.is_there() && target.resources.iter().any(|uri| uri == OWN_RECORDS) {
        target.trail = Trail::Resource(std::sync::Mutex::default());
    }
    // What finding the server out has left there belongs to no row.
    target.new_records().await;
    let lifecycle = match target.era {
        Era::Stateless => "2026-07-28, stateless",
        Era::Sessions => "sessions",
    };
    let server = format!("{url} ({}, {lifecycle})", target.name);
    let mut report = Report {
        url,
        server: target.name.clone(),
        lifecycle,
        outcomes: Vec::new(),
    };
    let end = Instant::now() + RUN + target.patience * 2;
    for row in catalogue() {
        if !choice.includes(row) {
            continue;
        }
        let since = Instant::now();
        let mut verdict = attempt(row, &target, end).await;
        // What was throttled, or met a server that was busy with the row before, gets one more try.
        if matches!(verdict, Verdict::Unclear(_)) {
            tokio::time::sleep(SECOND_TRY).await;
            verdict = attempt(row, &target, end).await;
        }
        let tried = !matches!(verdict, Verdict::NotApplicable(_));
        let lines = if tried {
            target.new_records().await
        } else {
            Vec::new()
        };
        let record = trail::refusal_or_last(&lines).map(|line| redact(line, &secrets));
        let outcome = Outcome {
            about: row,
            verdict: verdict.map(|text| redact(text, &secrets)),
            record,
            took_ms: u64::try_from(since.elapsed().as_millis()).unwrap_or(u64::MAX),
        };
        tell(&server, &outcome);
        report.outcomes.push(outcome);
    }
    Ok(report)
}

async fn attempt(row: &Row, target: &Target, end: Instant) -> Verdict {
    if Instant::now() >= end {
        return Verdict::Unclear("the time for the whole run was used up".into());
    }
    match tokio::time::timeout(ROW + target.patience, (row.run)(target)).await {
        Ok(Ok(verdict) | Err(verdict)) => verdict,
        Err(_elapsed) => Verdict::Unclear("it took too long and was stopped".into()),
    }
}

/// A report is passed around, so no key may be in it: also not one that a broken server gave back.
fn redact(text: &str, secrets: &[Secret]) -> String {
    let text = secrets.iter().fold(text.to_owned(), |text, secret| {
        text.replace(secret.expose(), "[key]")
    });
    crate::untrusted::label(&text, 600)
}
