//! Whatever comes, and however it is cut: the decoder gives the same answer or an error, and
//! never a panic.
#![allow(clippy::unwrap_used, reason = "a panic in a test is its report")]

use bytes::Bytes;
use mcp_llm::{ChatEvent, ndjson::Lines, ollama::decode::Decoder};
use proptest::prelude::*;
use serde_json::{Value, json};

/// Everything that a stream brings, or what it failed with.
fn decode(chunks: &[&[u8]]) -> Result<Vec<ChatEvent>, String> {
    let mut lines = Lines::new(1 << 20);
    let mut decoder = Decoder::new("m", tokio::time::Instant::now());
    let mut events = Vec::new();
    let mut take = |line: &[u8]| -> Result<(), String> {
        events.extend(
            decoder
                .decode_line(line)
                .map_err(|error| format!("{error:?}"))?,
        );
        Ok(())
    };
    for chunk in chunks {
        lines.push(Bytes::copy_from_slice(chunk));
        while let Some(line) = lines.next_line().map_err(|error| format!("{error:?}"))? {
            take(&line)?;
        }
    }
    if let Some(rest) = lines.take_rest() {
        take(&rest)?;
    }
    for event in &mut events {
        if let ChatEvent::Done(done) = event {
            // The one thing that is measured and not read.
            done.timings.first_token = std::time::Duration::ZERO;
        }
    }
    Ok(events)
}

fn one_line() -> impl Strategy<Value = Value> {
    let text = ".{0,12}";
    prop_oneof![
        4 => text.prop_map(|t| json!({"model": "m", "created_at": "2026", "message": {"role": "assistant", "content": t}, "done": false})),
        1 => text.prop_map(|t| json!({"message": {"content": "", "thinking": t}, "done": false})),
        1 => (text, text).prop_map(|(name, value)| json!({"message": {"content": "", "tool_calls": [
            {"id": "call_1", "function": {"index": 0, "name": name, "arguments": {"a": value}}}]}})),
    ]
}

/// A whole chat as bytes: some lines, as serde or as Go writes them, and one that says done.
fn stream() -> impl Strategy<Value = Vec<u8>> {
    (proptest::collection::vec(one_line(), 0..12), ".{0,8}", any::<bool>(), any::<bool>()).prop_map(|(lines, last, go, crlf)| {
        let done = json!({"model": "m", "message": {"role": "assistant", "content": last}, "done": true, "eval_count": 3});
        let end = if crlf { "\r\n" } else { "\n" };
        let text: String = lines.iter().chain([&done]).map(|line| format!("{line}{end}")).collect();
        let text = if go { text.replace('<', "\\u003c").replace('&', "\\u0026") } else { text };
        text.into_bytes()
    })
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 600, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn any_chunking_of_any_stream_decodes_the_same(
        stream in stream(),
        cuts in proptest::collection::vec(any::<prop::sample::Index>(), 0..20),
    ) {
        let whole = decode(&[&stream]);
        let Ok(events) = &whole else { return Err(TestCaseError::fail("a valid stream was refused")) };
        prop_assert!(matches!(events.last(), Some(ChatEvent::Done(_))));
        let mut cuts: Vec<usize> = cuts.iter().map(|cut| cut.index(stream.len() + 1)).collect();
        cuts.extend([0, stream.len()]);
        cuts.sort_unstable();
        let chunks: Vec<&[u8]> = cuts.windows(2).map(|pair| &stream[pair[0]..pair[1]]).collect();
        prop_assert_eq!(&decode(&chunks), &whole);
        let bytes: Vec<&[u8]> = stream.chunks(1).collect();
        prop_assert_eq!(&decode(&bytes), &whole);
    }

    #[test]
    fn what_was_said_adds_up_to_the_whole_answer(stream in stream()) {
        let events = decode(&[&stream]).unwrap();
        let said: String = events.iter().filter_map(|event| match event {
            ChatEvent::Content(text) => Some(text.as_str()),
            _ => None,
        }).collect();
        let Some(ChatEvent::Done(done)) = events.last() else { return Err(TestCaseError::fail("no end")) };
        prop_assert_eq!(said, done.message.content.clone());
        let calls = events.iter().filter(|event| matches!(event, ChatEvent::ToolCalls(_))).count();
        prop_assert_eq!(calls, done.message.tool_calls.len());
    }

    #[test]
    fn a_stream_with_any_bytes_changed_is_an_answer_or_an_error_and_never_a_panic(
        mut stream in stream(),
        changes in proptest::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 1..6),
    ) {
        for (at, byte) in changes {
            let at = at.index(stream.len());
            stream[at] = byte;
        }
        let _ = decode(&[&stream]);
    }

    #[test]
    fn any_bytes_at_all_are_an_answer_or_an_error_and_never_a_panic(bytes in proptest::collection::vec(any::<u8>(), 0..400)) {
        let _ = decode(&[&bytes]);
    }
}
