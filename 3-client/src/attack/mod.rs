//! The attack lab: what real MCP servers have fallen to, tried against a server that you own.
//!
//! Each family of attacks is a file below, each attack a row with the same shape: what is tried, why
//! it works elsewhere, what happened here. An attack knows nothing of the server but what MCP tells
//! it, so it works against any server; where it can't, it says so instead of passing.

// What the person typed, and the run from the first row to the exit code.
mod command;
pub mod run;
// The server under attack, its callers, and the record that it keeps.
pub mod target;
pub mod trail;
// The catalogue: one file for each family, in the order in which they run.
mod access;
mod bodies;
mod credentials;
mod deputy;
mod floods;
mod injection;
mod leaks;
mod messages;
mod rebinding;
mod sessions;
mod slow;
mod trust;
// What is told of it.
pub mod report;
pub mod sarif;

use futures_util::future::BoxFuture;

pub use command::Args;
use target::Target;

/// What stands beside every attack, whatever comes of it.
#[derive(Debug, Clone, Copy)]
pub struct About {
    /// Its name on the command line and in reports.
    pub id: &'static str,
    /// The file that it stands in.
    pub family: &'static str,
    /// The attack in a few words.
    pub title: &'static str,
    /// What is tried, in a sentence.
    pub tried: &'static str,
    /// Why it works elsewhere, in a sentence.
    pub elsewhere: &'static str,
    /// Where that is written down.
    pub advisory: &'static str,
    /// What stops it.
    pub remedy: &'static str,
}

/// What came of an attack, with what was seen.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Verdict {
    /// The server held.
    Held(String),
    /// The attack succeeded.
    Broken(String),
    /// It can't be tried on this server, or not with what was given.
    NotApplicable(String),
    /// It was tried, and nothing can be said: neither passed nor failed, so the run doesn't pass.
    Unclear(String),
}

impl Verdict {
    /// The word for it.
    #[must_use]
    pub fn word(&self) -> &'static str {
        match self {
            Self::Held(_) => "held",
            Self::Broken(_) => "broken",
            Self::NotApplicable(_) => "not applicable",
            Self::Unclear(_) => "unclear",
        }
    }

    /// What was seen.
    #[must_use]
    pub fn evidence(&self) -> &str {
        match self {
            Self::Held(text)
            | Self::Broken(text)
            | Self::NotApplicable(text)
            | Self::Unclear(text) => text,
        }
    }
}

/// A verdict, or one that was reached early: so `?` ends an attack that can't be tried.
pub type Finding = Result<Verdict, Verdict>;

/// An attack.
pub trait Attack: Sync {
    /// What it is.
    fn about(&self) -> &About;

    /// Tries it. It ends by itself, and leaves the server as it was.
    fn run<'a>(&'a self, target: &'a Target) -> BoxFuture<'a, Finding>;
}

/// The whole catalogue, in the order in which it runs: what uses a caller's budget up comes last.
#[must_use]
pub fn catalogue() -> Vec<&'static dyn Attack> {
    [
        rebinding::ALL,
        credentials::ALL,
        access::ALL,
        deputy::ALL,
        sessions::ALL,
        messages::ALL,
        bodies::ALL,
        injection::ALL,
        trust::ALL,
        leaks::ALL,
        slow::ALL,
        floods::ALL,
    ]
    .concat()
}

/// What was served although it must not be is a break; what was refused held.
fn must_be_refused(answer: &crate::raw::Answer) -> Verdict {
    if answer.result().is_some() {
        Verdict::Broken(format!("it was served: {}", answer.brief()))
    } else if answer.status == 429 || answer.code() == Some(429) {
        Verdict::Unclear(format!(
            "the server was throttling this caller already; run it alone with --only: {}",
            answer.brief()
        ))
    } else if answer.status >= 500 {
        Verdict::Unclear(format!("the server failed over it: {}", answer.brief()))
    } else if answer.status >= 400 || answer.error().is_some() {
        Verdict::Held(answer.brief())
    } else {
        Verdict::Unclear(answer.brief())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_row_has_a_name_of_its_own_and_says_everything() {
        let all = catalogue();
        let mut ids: Vec<&str> = all.iter().map(|attack| attack.about().id).collect();
        assert!(ids.len() >= 40, "{}", ids.len());
        ids.sort_unstable();
        ids.dedup();
        assert_eq!(ids.len(), all.len(), "two rows share a name");
        for attack in all {
            let about = attack.about();
            let said = [
                about.title,
                about.tried,
                about.elsewhere,
                about.advisory,
                about.remedy,
            ];
            assert!(said.iter().all(|text| !text.is_empty()), "{}", about.id);
            assert!(
                about
                    .id
                    .bytes()
                    .all(|b| b.is_ascii_lowercase() || b == b'-'),
                "{}",
                about.id
            );
        }
    }
}
