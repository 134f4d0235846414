//! What of a long conversation is sent. A model reads only so much; what doesn't fit, somebody has to
//! leave out, and a server or a model that does it begins at the front, with the instructions.

use crate::chat::{Message, Role};

/// Bytes of a token, on the safe side: English has more, other scripts and code have fewer.
const BYTES_PER_TOKEN: usize = 3;
/// Bytes that are sent where nobody has said how much the model reads. Servers bound their requests.
const MOST: usize = 3 * 1024 * 1024;

/// The messages that are sent, and how many are left out. Instructions and what is pinned stay, then the
/// newest turns, as many as fit; the newest one always. A turn is left out whole: a result without its
/// call means nothing.
///
/// `window` is how many tokens the model reads, if anybody has said so; a quarter is left for the answer.
/// `beside` is how many bytes the tools take that are sent as well.
#[must_use]
pub(super) fn fit(
    messages: &[Message],
    window: Option<u64>,
    beside: usize,
) -> (Vec<Message>, usize) {
    let tokens = window.map(|tokens| usize::try_from(tokens).unwrap_or(usize::MAX));
    let most = tokens.map_or(MOST, |tokens| {
        (tokens / 4 * 3).saturating_mul(BYTES_PER_TOKEN)
    });
    let mut room = most.min(MOST).saturating_sub(beside);
    let always = |m: &Message| m.role == Role::System || m.pinned;
    for message in messages.iter().filter(|m| always(m)) {
        room = room.saturating_sub(size(message));
    }
    // From the end, turn by turn: each begins with what a person said.
    let mut from = messages.len();
    let begins = (0..messages.len()).filter(|at| messages[*at].role == Role::User);
    for start in begins.rev() {
        let turn = &messages[start..from];
        let takes: usize = turn.iter().filter(|m| !always(m)).map(size).sum();
        if takes > room && from < messages.len() {
            break;
        }
        room = room.saturating_sub(takes);
        from = start;
    }
    let kept: Vec<Message> = messages
        .iter()
        .enumerate()
        .filter(|(at, m)| *at >= from || always(m))
        .map(|(_, m)| m.clone())
        .collect();
    let left_out = messages.len() - kept.len();
    (kept, left_out)
}

/// What a message takes of the bytes that are sent.
pub(super) fn size(message: &Message) -> usize {
    let calls = message.tool_calls.iter();
    let calls = calls.map(|call| serde_json::to_string(&call.arguments).map_or(0, |s| s.len()));
    message.content.len() + calls.sum::<usize>()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn turn(n: usize, bytes: usize) -> [Message; 2] {
        [
            Message::new(Role::User, format!("question {n}")),
            Message::new(Role::Assistant, "x".repeat(bytes)),
        ]
    }

    fn contents(messages: &[Message]) -> Vec<&str> {
        let user = messages.iter().filter(|m| m.role == Role::User);
        user.map(|m| m.content.as_str()).collect()
    }

    #[test]
    fn the_newest_turns_are_kept_and_the_instructions_with_what_is_attached() {
        let mut all = vec![Message::new(Role::System, "be brief")];
        all.push(Message {
            pinned: true,
            ..Message::new(Role::User, "read this: …")
        });
        all.extend((0..200).flat_map(|n| turn(n, 500)));
        all.push(Message::new(Role::User, "and now?"));
        // 8192 tokens: 18 kB, of which a turn takes half a kB.
        let (kept, left_out) = fit(&all, Some(8192), 0);
        assert_eq!(kept[0].content, "be brief");
        assert_eq!(kept[1].content, "read this: …");
        let said = contents(&kept);
        assert_eq!(said[said.len() - 2..], ["question 199", "and now?"]);
        assert_eq!(left_out, all.len() - kept.len());
        let bytes: usize = kept.iter().map(size).sum();
        assert!((17_000..=18_432).contains(&bytes), "{bytes}");
        let beside = fit(&all, Some(8192), 9_000).0.len();
        assert!(beside < kept.len() * 6 / 10, "tools take their part");
    }

    #[test]
    fn an_answer_that_fills_the_window_is_left_out_with_its_question_and_the_chat_goes_on() {
        let mut all: Vec<Message> = turn(1, 1_000_000).into();
        all.push(Message::new(Role::User, "hello"));
        assert_eq!(contents(&fit(&all, Some(8192), 0).0), ["hello"]);
        // Whatever is asked now is sent, also when it alone is too much.
        let long = [Message::new(Role::User, "x".repeat(100_000))];
        assert_eq!(fit(&long, Some(8192), 0).0.len(), 1);
    }

    #[test]
    fn a_result_is_never_sent_without_its_call() {
        let mut all = Vec::new();
        for n in 0..20 {
            all.extend(turn(n, 100));
            all.push(Message::new(Role::Tool, "y".repeat(3_000)));
        }
        for window in [1024, 2048, 4096, 8192] {
            let (kept, _) = fit(&all, Some(window), 0);
            assert_eq!(kept[0].role, Role::User);
            assert_eq!(kept.len() % 3, 0);
        }
    }

    #[test]
    fn where_nobody_says_how_much_the_model_reads_a_request_still_has_an_end() {
        let mut all: Vec<Message> = (0..10).flat_map(|n| turn(n, 1_000_000)).collect();
        all.push(Message::new(Role::User, "hello"));
        let (kept, left_out) = fit(&all, None, 0);
        assert!(kept.iter().map(size).sum::<usize>() <= MOST);
        assert_eq!(left_out, 14);
    }
}
