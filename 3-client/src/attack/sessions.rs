//! Sessions of the versions before 2026-07-28: a name that a stranger must neither guess, choose nor use.

use std::collections::HashSet;
use std::time::Duration;

use http::Method;
use serde_json::json;

use super::caller::{Caller, Session, within};
use super::row::Row;
use super::target::Target;
use super::verdict::{Finding, Verdict, broken, held, not_applicable, unclear};
use crate::raw::{self, Answer};

pub(super) const ROWS: &[Row] = &[
    Row {
        id: "session-theft",
        family: "sessions",
        title: "A stolen session, used",
        tried: "Another caller sends a request with the name of the owner's session.",
        elsewhere: "The session's name is taken for proof of who speaks.",
        advisory: "CVE-2026-33946, CVE-2026-52869, CVE-2026-25536",
        remedy: "bind each session to the identity that opened it, and give 404 to everyone else",
        run: |target| Box::pin(use_stolen_session(target, Use::Ask)),
    },
    Row {
        id: "session-eavesdropping",
        family: "sessions",
        title: "A stolen session, listened to",
        tried: "Another caller opens the stream (GET) of the owner's session.",
        elsewhere: "The POST is checked and the GET that carries the server's messages isn't.",
        advisory: "CVE-2026-33946, CVE-2026-25536",
        remedy: "ask the same question on every verb",
        run: |target| Box::pin(use_stolen_session(target, Use::Listen)),
    },
    Row {
        id: "session-ending",
        family: "sessions",
        title: "A stolen session, ended",
        tried: "Another caller ends the owner's session (DELETE).",
        elsewhere: "Ending is seen as harmless and goes unchecked, so anyone can cut everyone off.",
        advisory: "CVE-2026-52869, CWE-639",
        remedy: "only the owner may end a session",
        run: |target| Box::pin(use_stolen_session(target, Use::End)),
    },
    Row {
        id: "session-fixation",
        family: "sessions",
        title: "A session that the attacker names",
        tried: "A request in a session whose name the client made up.",
        elsewhere: "A server that opens what it doesn't know lets an attacker choose the name, plant it, and wait.",
        advisory: "CWE-384",
        remedy: "answer 404 to every name that the server didn't give",
        run: |target| Box::pin(session_fixation(target)),
    },
    Row {
        id: "session-guessing",
        family: "sessions",
        title: "A session's name, guessed",
        tried: "Eight sessions are opened and their names compared: length, alphabet, what changes between them.",
        elsewhere: "Names made of counters, times or pointers can be counted through.",
        advisory: "the specification asks for names that are secure against guessing; CVE-2025-6515 (oatpp-mcp), CWE-330",
        remedy: "take at least 122 random bits from the operating system",
        run: |target| Box::pin(session_guessing(target)),
    },
    Row {
        id: "session-flood",
        family: "sessions",
        title: "A flood of sessions",
        tried: "One caller opens 100 sessions and never ends them.",
        elsewhere: "Each session holds memory, and nothing counts them.",
        advisory: "CVE-2026-63128 (rmcp), CWE-770",
        remedy: "cap sessions in all and for each identity; the cap refuses",
        run: |target| Box::pin(session_flood(target)),
    },
];

/// What a thief does with a session.
#[derive(Clone, Copy)]
enum Use {
    Ask,
    Listen,
    End,
}

async fn use_stolen_session(target: &Target, usage: Use) -> Finding {
    let thief = match &target.second {
        Some(second) => second,
        None if target.has_key() => &target.nobody,
        None => {
            return not_applicable(
                "no key was given: every caller is the same to this server, so no session can be stolen",
            );
        }
    };
    let (session, id) = target.named_session(&target.owner).await?;
    let answer = match usage {
        Use::Ask => list_in_session(target, thief, &session).await,
        Use::Listen => {
            let request = target.wire.request(Method::GET).key(thief.key.as_ref());
            let request = request
                .set("accept", "text/event-stream")
                .wait(Duration::from_secs(2));
            within(request, &session).send().await
        }
        Use::End => {
            let request = target.wire.request(Method::DELETE).key(thief.key.as_ref());
            within(request, &session).send().await
        }
    };
    // A control: the session must still be the owner's, or the row has shown nothing.
    let own = list_in_session(target, &target.owner, &session).await;
    close(target, &session).await;
    if answer.status == 0 || (own.result().is_none() && !matches!(usage, Use::End)) {
        return unclear(format!("{answer}; the owner's own use: {own}"));
    }
    let taken = match usage {
        Use::Ask => answer.result().is_some(),
        Use::Listen => answer.status == 200,
        Use::End => own.result().is_none(),
    };
    let shown = &id[..id.char_indices().nth(6).map_or(id.len(), |(end, _)| end)];
    if taken {
        broken(format!(
            "{} took over session {shown}…: {answer}",
            thief.who
        ))
    } else {
        held(format!(
            "{} got nothing of session {shown}…: {answer}",
            thief.who
        ))
    }
}

async fn list_in_session(target: &Target, caller: &Caller, session: &Session) -> Answer {
    let message = raw::plain(target.id(), "tools/list", &json!({}));
    let request = target
        .wire
        .post(message.to_string())
        .key(caller.key.as_ref());
    within(request, session).send().await
}

async fn close(target: &Target, session: &Session) {
    let request = target
        .wire
        .request(Method::DELETE)
        .key(target.owner.key.as_ref());
    within(request, session).send().await;
}

async fn session_fixation(target: &Target) -> Finding {
    let (session, _) = target.named_session(&target.owner).await?;
    close(target, &session).await;
    for name in ["chosen-by-the-attacker-7f3a91c2", "../../etc/passwd"] {
        let made_up = Session {
            id: Some(name.into()),
            version: session.version.clone(),
        };
        let answer = list_in_session(target, &target.owner, &made_up).await;
        if answer.result().is_some() {
            return broken(format!("the session {name} was accepted: {answer}"));
        }
        if answer.status == 0 || answer.status >= 500 {
            return unclear(answer.brief());
        }
    }
    // One that was ended must not come back either.
    let answer = list_in_session(target, &target.owner, &session).await;
    if answer.result().is_some() {
        broken(format!("a session that was ended still works: {answer}"))
    } else {
        held(format!("invented and ended sessions are unknown: {answer}"))
    }
}

/// 128 bits, as most guidance asks of a session's name; a UUID of version 4 has 122 of them random.
const MIN_BITS: f64 = 120.0;

async fn session_guessing(target: &Target) -> Finding {
    let mut names = Vec::new();
    for _ in 0..8 {
        let (session, id) = target.named_session(&target.owner).await?;
        close(target, &session).await;
        names.push(id);
    }
    let bits = changing_bits(&names);
    if bits < MIN_BITS {
        broken(format!(
            "only about {bits:.0} bits change from name to name, such as {}",
            names[0]
        ))
    } else {
        held(format!("about {bits:.0} bits change from name to name"))
    }
}

/// An upper bound for what is random in these names: each position that changes counts with the
/// alphabet that all of the changing positions use.
fn changing_bits(names: &[String]) -> f64 {
    let rows: Vec<Vec<char>> = names.iter().map(|name| name.chars().collect()).collect();
    let shortest = rows.iter().map(Vec::len).min().unwrap_or(0);
    let mut alphabet = HashSet::new();
    let mut changing = 0.0;
    for place in 0..shortest {
        let here: HashSet<char> = rows.iter().map(|row| row[place]).collect();
        // Eight random characters are rarely the same; a counter's leading ones always are.
        if here.len() > 1 {
            changing += 1.0;
            alphabet.extend(here);
        }
    }
    #[expect(clippy::cast_precision_loss, reason = "an alphabet has few characters")]
    let size = alphabet.len().max(1) as f64;
    changing * size.log2()
}

/// More than a caller needs, and fewer than a server's calls per minute.
const SESSIONS: usize = 100;

async fn session_flood(target: &Target) -> Finding {
    let crowd = Caller::new("a crowd", target.owner.key.clone());
    let mut open = Vec::new();
    let mut verdict = None;
    while open.len() < SESSIONS {
        match target.named_session(&crowd).await {
            Ok((session, _)) => open.push(session),
            Err(early) if open.is_empty() => return Err(early),
            Err(refused) => {
                // A limit on calls passes with time, one on sessions doesn't.
                tokio::time::sleep(Duration::from_millis(1500)).await;
                match target.named_session(&crowd).await {
                    Ok((session, _)) => open.push(session),
                    Err(_) => {
                        verdict = Some(Verdict::Held(format!(
                            "the session after {} was refused: {}",
                            open.len(),
                            refused.evidence()
                        )));
                        break;
                    }
                }
            }
        }
    }
    for session in &open {
        close(target, session).await;
    }
    Ok(verdict.unwrap_or_else(|| {
        Verdict::Broken(format!(
            "{SESSIONS} sessions were open at once, and none was refused"
        ))
    }))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn counters_are_told_from_random_names() {
        let counted: Vec<String> = (0..8)
            .map(|n| format!("session-{:030}", 1000 + n))
            .collect();
        assert!(changing_bits(&counted) < 8.0);
        let random: Vec<String> = (0..8)
            .map(|_| {
                let mut bytes = [0; 16];
                getrandom::fill(&mut bytes).unwrap();
                bytes.iter().map(|byte| format!("{byte:02x}")).collect()
            })
            .collect();
        assert!(
            changing_bits(&random) > MIN_BITS,
            "{}",
            changing_bits(&random)
        );
    }
}
