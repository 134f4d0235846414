//! What is searched for. A word that no record can have is a mistake, and "0 records" would be a
//! false all-clear.

use chrono::{DateTime, SecondsFormat, Utc};
use clap::Args;
use serde_json::Value;

use super::super::Misuse;
use crate::{config::nearest, interceptor::audit::Outcome};

const OUTCOMES: [Outcome; 9] = [
    Outcome::Success,
    Outcome::Error,
    Outcome::Unauthorized,
    Outcome::Forbidden,
    Outcome::Throttled,
    Outcome::Timeout,
    Outcome::Cancelled,
    Outcome::TooLarge,
    Outcome::Rejected,
];

/// The first and the last moment that begin like a text: what is missing is taken from here.
const FIRST: &str = "0000-01-01T00:00:00.000Z";
const LAST: &str = "9999-12-31T23:59:59.999Z";
/// How long a moment is that ends with its year, month, day, hour, minute, second or millisecond.
const WHOLE: [usize; 7] = [4, 7, 10, 13, 16, 19, 23];

#[derive(Debug, Args)]
pub(super) struct Filter {
    /// The identity or the key's name.
    #[arg(long)]
    identity: Option<String>,
    /// SUCCESS, ERROR, UNAUTHORIZED, FORBIDDEN, THROTTLED, TIMEOUT, CANCELLED, TOO_LARGE or REJECTED.
    #[arg(long)]
    outcome: Option<String>,
    /// The tool.
    #[arg(long)]
    tool: Option<String>,
    /// From this moment on, in UTC: 2026-11-20, 2026-11-20T14 or more of it.
    #[arg(long)]
    since: Option<String>,
    /// Up to this moment, with all of it: 2026-11-20 is the whole day.
    #[arg(long)]
    until: Option<String>,
}

impl Filter {
    /// Refuses what no record can have, and writes moments as records do.
    pub(super) fn check(mut self) -> anyhow::Result<Self> {
        if let Some(outcome) = &self.outcome {
            let known = OUTCOMES.map(Outcome::as_str);
            if !known.iter().any(|it| it.eq_ignore_ascii_case(outcome)) {
                let meant = nearest(outcome, known)
                    .map(|it| format!("did you mean {it}? "))
                    .unwrap_or_default();
                return Err(Misuse(format!(
                    "\"{outcome}\" is no outcome: {meant}There are {}",
                    known.join(", ")
                ))
                .into());
            }
        }
        for (name, text) in [("--identity", &self.identity), ("--tool", &self.tool)] {
            if text.as_ref().is_some_and(|text| text.trim().is_empty()) {
                return Err(Misuse(format!("{name} is empty: leave it out, or name one")).into());
            }
        }
        let since = self.since.map(|text| moment("--since", &text, FIRST));
        self.since = since.transpose()?;
        let until = self.until.map(|text| moment("--until", &text, LAST));
        self.until = until.transpose()?;
        if let (Some(since), Some(until)) = (&self.since, &self.until)
            && since > until
        {
            return Err(Misuse(format!(
                "--since {since} is after --until {until}: no record is between them"
            ))
            .into());
        }
        Ok(self)
    }

    pub(super) fn matches(&self, record: &Value) -> bool {
        let is = |wanted: &Option<String>, fields: &[&str]| {
            wanted.as_ref().is_none_or(|wanted| {
                fields.iter().any(|field| {
                    record[*field]
                        .as_str()
                        .is_some_and(|value| value.eq_ignore_ascii_case(wanted))
                })
            })
        };
        let tool =
            self.tool.is_none() || record["method"] == "tools/call" && is(&self.tool, &["target"]);
        // Moments are written in one form and one zone, so they compare as text.
        let time = record["ts"].as_str().unwrap_or_default();
        is(&self.identity, &["identity", "name"])
            && is(&self.outcome, &["outcome"])
            && tool
            && self.since.as_deref().is_none_or(|since| time >= since)
            && self.until.as_deref().is_none_or(|until| time <= until)
    }
}

/// A moment as records write it. What is left out of it is taken from `rest`.
fn moment(option: &str, text: &str, rest: &str) -> Result<String, Misuse> {
    let in_utc = |moment: DateTime<Utc>| moment.to_rfc3339_opts(SecondsFormat::Millis, true);
    if let Ok(moment) = DateTime::parse_from_rfc3339(text) {
        return Ok(in_utc(moment.to_utc()));
    }
    let complete = |rest: &str| {
        let rest = rest.get(text.len()..).filter(|_| text.is_ascii());
        rest.map(|rest| format!("{text}{rest}"))
    };
    let is_moment = WHOLE.contains(&text.len())
        && complete(FIRST).is_some_and(|whole| DateTime::parse_from_rfc3339(&whole).is_ok());
    complete(rest).filter(|_| is_moment).ok_or_else(|| {
        Misuse(format!(
            "{option} {text}: write a day or a moment in UTC, such as 2026-11-20, 2026-11-20T14:30 or 2026-11-20T14:30:00+01:00"
        ))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_outcome_can_be_searched_for() {
        // A new one has to be put into the list: this doesn't compile without it.
        let place = |outcome: Outcome| match outcome {
            Outcome::Success => 0,
            Outcome::Error => 1,
            Outcome::Unauthorized => 2,
            Outcome::Forbidden => 3,
            Outcome::Throttled => 4,
            Outcome::Timeout => 5,
            Outcome::Cancelled => 6,
            Outcome::TooLarge => 7,
            Outcome::Rejected => 8,
        };
        for (number, outcome) in OUTCOMES.into_iter().enumerate() {
            assert_eq!(place(outcome), number);
        }
    }

    #[test]
    fn a_moment_is_written_as_records_write_it() {
        for (text, since, until) in [
            (
                "2026",
                "2026-01-01T00:00:00.000Z",
                "2026-12-31T23:59:59.999Z",
            ),
            (
                "2026-11-20",
                "2026-11-20T00:00:00.000Z",
                "2026-11-20T23:59:59.999Z",
            ),
            (
                "2026-11-20T14",
                "2026-11-20T14:00:00.000Z",
                "2026-11-20T14:59:59.999Z",
            ),
            (
                "2026-11-20T14:30:00",
                "2026-11-20T14:30:00.000Z",
                "2026-11-20T14:30:00.999Z",
            ),
            (
                "2026-11-20T14:30:00Z",
                "2026-11-20T14:30:00.000Z",
                "2026-11-20T14:30:00.000Z",
            ),
            (
                "2026-11-20T14:30:00+01:00",
                "2026-11-20T13:30:00.000Z",
                "2026-11-20T13:30:00.000Z",
            ),
        ] {
            assert_eq!(moment("", text, FIRST).unwrap(), since);
            assert_eq!(moment("", text, LAST).unwrap(), until);
        }
        for wrong in [
            "yesterday",
            "",
            "2026-13",
            "2026-11-2",
            "20.11.2026",
            "2026-11-20 1",
            "äääää",
        ] {
            assert!(moment("", wrong, FIRST).is_err(), "{wrong}");
        }
    }
}
