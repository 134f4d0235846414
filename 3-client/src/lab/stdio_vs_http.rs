//! 100 calls, one after the other, over each transport.

use std::process::Stdio;
use std::time::{Duration, Instant};

use serde_json::{Value, json};
use tokio::io::{AsyncBufReadExt as _, AsyncWriteExt as _, BufReader};

use super::{Bench, Trouble, server};
use crate::page::Ink;
use crate::raw;

const CALLS: usize = 100;
const ANSWER: Duration = Duration::from_secs(10);

pub(super) async fn play(bench: &mut Bench) -> Result<(), Trouble> {
    let Bench { story, talk, .. } = bench;
    if !talk.has_tool("echo").await {
        return Err(
            "this lab calls the tool echo, which this server doesn't offer: leave --url out".into(),
        );
    }
    let call = json!({ "name": "echo", "arguments": { "message": "hello" } });
    story.step("100 calls over stdio").await;
    story.why(
        "The client starts the server itself and writes one message a line to its standard input. No address, no headers, no port: one caller, who is whoever started it.",
        "2026-07-28/basic/transports/stdio",
    );
    let stdio = over_stdio(&call).await?;

    story.step("100 calls over HTTP").await;
    story.why(
        "Each message is a POST, here over one connection that is kept. Each carries its credential, its version and its headers, and each is checked anew.",
        "2026-07-28/basic/transports/streamable-http#sending-messages",
    );
    let mut http = Vec::new();
    for _ in 0..CALLS {
        let message = talk.stateless("tools/call", &call);
        let since = Instant::now();
        let answer = talk.request(&raw::headers(&message), &message).send().await;
        if answer.result().is_none() {
            return Err(format!("a call failed: {}", answer.brief()));
        }
        http.push(since.elapsed());
    }

    story.step("The result").await;
    let page = story.page;
    let bars = chart(&[("stdio", stdio), ("HTTP", http)], page.width);
    for line in bars.lines() {
        let ink = if line.contains("median") {
            Ink::Bold
        } else {
            Ink::Dim
        };
        story.lines(&format!("{}\n", page.ink(ink, line)));
    }
    if cfg!(debug_assertions) {
        story.tell("This is a debug build, several times slower than a release build; compare the two, don't quote them.");
    }
    story.tell("Both are the time from sending a call to having read its answer, in this program; echo itself does nothing. A tool that asks a language model takes a thousand times as long, so the transport is chosen for who must reach it, not for its speed.");
    Ok(())
}

/// Speaks to a server of its own over its standard input and output.
async fn over_stdio(call: &Value) -> Result<Vec<Duration>, Trouble> {
    let mut child = server::command()?
        .args(["--transport", "stdio"])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        // The record goes there, and nobody reads it here: a pipe would fill up.
        .stderr(Stdio::null())
        .spawn()
        .map_err(|error| format!("mcp-server can't be started: {error}"))?;
    let mut input = child.stdin.take().ok_or("no standard input")?;
    let mut lines = BufReader::new(child.stdout.take().ok_or("no standard output")?).lines();
    let mut times = Vec::new();
    // One more than is counted: the first waits for the server to start.
    for id in 0..=CALLS as u64 {
        let line = format!("{}\n", raw::stateless(id, "tools/call", call));
        let since = Instant::now();
        input
            .write_all(line.as_bytes())
            .await
            .map_err(|error| format!("the server went away: {error}"))?;
        let answer = async {
            loop {
                let line = lines.next_line().await.map_err(|error| error.to_string())?;
                let line = line.ok_or("the server ended")?;
                let message: Value =
                    serde_json::from_str(&line).map_err(|error| error.to_string())?;
                if message["id"] == id {
                    return Ok::<Value, String>(message);
                }
            }
        };
        let answer = tokio::time::timeout(ANSWER, answer)
            .await
            .map_err(|_| "no answer over stdio within 10 s")??;
        if answer.get("result").is_none() {
            return Err(format!("a call failed: {answer}"));
        }
        if id > 0 {
            times.push(since.elapsed());
        }
    }
    Ok(times)
}

/// Bars to scale: the fastest call, the median, the 95th of 100, the slowest.
fn chart(series: &[(&str, Vec<Duration>)], width: usize) -> String {
    let places = [
        ("fastest", 0),
        ("median", 50),
        ("95th", 94),
        ("slowest", 99),
    ];
    let mut rows = Vec::new();
    for (name, times) in series {
        let mut sorted = times.clone();
        sorted.sort_unstable();
        for (what, place) in places {
            let place = place.min(sorted.len().saturating_sub(1));
            let ms = sorted
                .get(place)
                .map_or(0.0, |time| time.as_secs_f64() * 1000.0);
            rows.push((name, what, ms));
        }
    }
    let longest = rows
        .iter()
        .map(|(_, _, ms)| *ms)
        .fold(f64::MIN_POSITIVE, f64::max);
    let room = width.saturating_sub(32).max(10);
    let mut out = String::new();
    for (name, what, ms) in rows {
        #[expect(
            clippy::cast_possible_truncation,
            clippy::cast_sign_loss,
            clippy::cast_precision_loss,
            reason = "a bar has few columns"
        )]
        let bar = ((ms / longest) * room as f64).round().max(1.0) as usize;
        out.push_str(&format!(
            "  {name:<6} {what:<8} {:<room$} {ms:>8.3} ms\n",
            "#".repeat(bar)
        ));
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bars_are_to_scale_and_fit() {
        let ms = |n: u64| Duration::from_micros(n * 1000);
        let series = [
            ("stdio", (1..=100).map(ms).collect()),
            ("HTTP", (1..=100).map(|n| ms(n * 2)).collect()),
        ];
        let text = chart(&series, 80);
        assert!(
            text.lines().all(|line| line.chars().count() <= 80),
            "{text}"
        );
        let bars: Vec<usize> = text.lines().map(|line| line.matches('#').count()).collect();
        assert_eq!((bars[3], bars[7]), (24, 48), "{text}");
        assert!(text.contains("51.000 ms"), "{text}");
    }
}
