//! One entry of the conversation as lines. Everything from outside passes `clean` here.

use ratatui::text::{Line, Span};

use super::rich::Stream;
use super::theme::Theme;
use super::wrap::{Wrapper, clip};
use crate::app::conversation::{Answer, Body, CallCard, CallState, Closing, Ended, Entry, Trouble};
use crate::failure::Kind;
use crate::untrusted::{clean, clean_line, name};

/// Lines of a tool's result that are shown before it is unfolded.
const PREVIEW_LINES: usize = 4;
/// Bytes of a call's arguments that are shown before it is unfolded, and after.
const PREVIEW_ARGUMENTS: usize = 400;
const MAX_ARGUMENTS: usize = 64 * 1024;
/// Rows of one entry that are laid out. What comes after them is in the copy and in the export.
pub(super) const MAX_ROWS: usize = 50_000;
/// Columns before a model's text: a bar that nothing but this program can draw there, and a space.
pub(super) const GUTTER: u16 = 2;

/// An entry laid out: what stands before the model's text, the text, and what stands after it. The
/// text is kept apart because it grows, and what is stable in it is laid out once.
#[derive(Default)]
pub struct Layout {
    head: Vec<Line<'static>>,
    text: Stream,
    text_len: usize,
    tail: Vec<Line<'static>>,
}

impl Layout {
    /// Lays the entry out anew, as far as it changed.
    pub fn update(&mut self, entry: &Entry, width: u16, theme: &Theme) {
        let Self {
            head,
            text,
            text_len,
            tail,
        } = self;
        head.clear();
        tail.clear();
        *text_len = 0;
        match &entry.body {
            Body::User { text, attached } => {
                let bar = || vec![Span::styled("▌ ", theme.user)];
                let mut wrapper = Wrapper::new(width, bar(), bar());
                wrapper.push(&clean(text), theme.user);
                head.extend(wrapper.finish());
                for attachment in attached {
                    let text = format!(
                        "▌ @{} ({} bytes from {})",
                        clean_line(&attachment.uri),
                        attachment.text.len(),
                        clean_line(&attachment.server)
                    );
                    head.push(Line::styled(clip(&text, width.into()), theme.dim));
                }
            }
            Body::Answer(answer) => {
                thinking(answer, width, theme, head);
                if !answer.text.is_empty() {
                    let width = width.saturating_sub(GUTTER);
                    *text_len = text.lines(&answer.text, width, theme).len();
                    if text.is_full() {
                        rest_is_elsewhere(width, theme, tail);
                    }
                }
                ending(answer, width, theme, tail);
            }
            Body::Call(card) => call(card, width, theme, head),
            Body::Trouble(trouble) => self::trouble(trouble, width, theme, head),
            Body::Note(text) => push(head, "· ", &clean(text), theme.dim, width),
            Body::Summary(text) => {
                let told =
                    "summed up; from here on the model is sent this in place of what stands above:";
                push(head, "≡ ", told, theme.dim, width);
                for line in clean(text).lines().take(MAX_ROWS) {
                    let bar = || vec![Span::styled("│ ", theme.frame)];
                    let mut wrapper = Wrapper::new(width, bar(), bar());
                    wrapper.push(line, theme.text);
                    head.extend(wrapper.finish());
                }
            }
        }
        // An answer that is only a call shows nothing here; the call is an entry of its own.
        if head.len() + *text_len + tail.len() > 0 {
            tail.push(Line::default());
        }
    }

    /// How many lines there are.
    #[must_use]
    pub fn len(&self) -> usize {
        self.head.len() + self.text_len + self.tail.len()
    }

    /// Whether there are none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Whether this line is a model's, which stands behind a bar.
    #[must_use]
    pub fn is_models(&self, line: usize) -> bool {
        let text = line.checked_sub(self.head.len());
        text.is_some_and(|at| at < self.text_len)
    }

    /// One line.
    #[must_use]
    pub fn get(&self, line: usize) -> Option<&Line<'static>> {
        let text = line.checked_sub(self.head.len());
        match text {
            None => self.head.get(line),
            Some(at) if at < self.text_len => self.text.shown().get(at),
            Some(at) => self.tail.get(at - self.text_len),
        }
    }
}

fn push(
    out: &mut Vec<Line<'static>>,
    mark: &str,
    text: &str,
    style: ratatui::style::Style,
    width: u16,
) {
    let pad = " ".repeat(unicode_width::UnicodeWidthStr::width(mark));
    let mut wrapper = Wrapper::new(
        width,
        vec![Span::styled(mark.to_owned(), style)],
        vec![Span::raw(pad)],
    );
    wrapper.push(text, style);
    out.extend(wrapper.finish());
}

fn rest_is_elsewhere(width: u16, theme: &Theme, out: &mut Vec<Line<'static>>) {
    let text = format!("only the first {MAX_ROWS} lines are drawn; /copy and /export have all");
    push(out, "✂ ", &text, theme.warn, width);
}

fn thinking(answer: &Answer, width: u16, theme: &Theme, out: &mut Vec<Line<'static>>) {
    let thought = answer.thinking.trim_end();
    if thought.is_empty() {
        return;
    }
    if answer.unfolded {
        push(out, "┆ ", &clean(thought), theme.thinking, width);
        return;
    }
    let text = if answer.ended.is_none() && answer.text.is_empty() {
        format!(
            "┆ {}",
            clean_line(thought.lines().last().unwrap_or_default())
        )
    } else {
        match thought.lines().count() {
            1 => "┆ thought for one line · Ctrl-T shows it".to_owned(),
            lines => format!("┆ thought for {lines} lines · Ctrl-T shows them"),
        }
    };
    out.push(Line::styled(clip(&text, width.into()), theme.thinking));
}

fn ending(answer: &Answer, width: u16, theme: &Theme, out: &mut Vec<Line<'static>>) {
    match &answer.ended {
        None => {}
        Some(Ended::Cut(why)) => push(out, "✂ ", &cut(why), theme.warn, width),
        Some(Ended::Whole(closing)) => {
            if answer.calls.is_empty() {
                push(out, "— ", &closing_line(closing), theme.dim, width);
            }
            for warning in &closing.warnings {
                push(out, "! ", warning, theme.warn, width);
            }
        }
    }
}

fn cut(why: &str) -> String {
    if why.is_empty() {
        "cut here".into()
    } else {
        format!("cut here: {}", clean_line(why))
    }
}

/// The line under an answer.
#[must_use]
pub fn closing_line(closing: &Closing) -> String {
    let mut parts = Vec::new();
    match closing.provider.as_str() {
        "tutor" => parts.push("tutor (no language model)".to_owned()),
        _ if !closing.model.is_empty() => parts.push(closing.model.clone()),
        "" => {}
        provider => parts.push(provider.to_owned()),
    }
    if let Some(first) = closing.first_token {
        parts.push(format!("first token {}", short(first)));
    }
    if let Some(speed) = closing.speed {
        parts.push(format!("{speed:.1} tok/s"));
    }
    if closing.tokens > 0 {
        parts.push(format!("{} tokens", closing.tokens));
    }
    parts.push(short(closing.total));
    if let Some(stopped) = &closing.stopped {
        parts.push(format!("stopped: {stopped}"));
    }
    parts.join(" · ")
}

fn short(duration: std::time::Duration) -> String {
    if duration.as_millis() < 1000 {
        format!("{} ms", duration.as_millis())
    } else {
        format!("{:.1} s", duration.as_secs_f64())
    }
}

fn call(card: &CallCard, width: u16, theme: &Theme, out: &mut Vec<Line<'static>>) {
    let (mark, style, state) = match &card.state {
        CallState::Waiting => ("?", theme.warn, "waiting for you".to_owned()),
        CallState::Running => ("→", theme.tool, "running".to_owned()),
        CallState::Done(result, took) if result.is_error => {
            ("✗", theme.bad, format!("failed after {}", short(*took)))
        }
        CallState::Done(_, took) => ("✓", theme.good, short(*took)),
        CallState::Failed(_) => ("✗", theme.bad, "not done".to_owned()),
        CallState::Refused => ("✗", theme.warn, "refused by you".to_owned()),
        CallState::Stopped => ("✂", theme.warn, "stopped".to_owned()),
    };
    let arguments = serde_json::to_string(&card.call.arguments).unwrap_or_default();
    let most = if card.unfolded {
        MAX_ARGUMENTS
    } else {
        PREVIEW_ARGUMENTS
    };
    let shown = &arguments[..arguments.floor_char_boundary(most)];
    let mut wrapper = Wrapper::new(
        width,
        vec![Span::styled(format!("{mark} "), style)],
        vec![Span::raw("  ")],
    );
    wrapper.push(&name(&card.title()), theme.tool);
    wrapper.push(" ", theme.text);
    wrapper.push(&clean_line(shown), theme.text);
    if shown.len() < arguments.len() {
        let how = if card.unfolded {
            "/export has them"
        } else {
            "Ctrl-T shows them"
        };
        let rest = arguments.len() - shown.len();
        wrapper.push(&format!("… and {rest} bytes more · {how}"), theme.warn);
    }
    wrapper.push(&format!(" · {state}"), theme.dim);
    out.extend(wrapper.finish());
    match &card.state {
        CallState::Done(result, _) => {
            let text = clean(&result.text);
            let total = text.lines().count();
            let shown = if card.unfolded { total } else { PREVIEW_LINES };
            let style = if result.is_error {
                theme.bad
            } else {
                theme.dim
            };
            for line in text.lines().take(shown) {
                if out.len() >= MAX_ROWS {
                    rest_is_elsewhere(width, theme, out);
                    break;
                }
                if card.unfolded {
                    push(out, "  │ ", line, style, width);
                } else {
                    out.push(Line::styled(
                        clip(&format!("  │ {line}"), width.into()),
                        style,
                    ));
                }
            }
            if total > shown {
                out.push(Line::styled(
                    format!("  └ {} more lines · Ctrl-T shows them", total - shown),
                    theme.dim,
                ));
            }
        }
        CallState::Failed(trouble) => self::trouble(trouble, width, theme, out),
        CallState::Waiting | CallState::Running | CallState::Refused | CallState::Stopped => {}
    }
}

fn trouble(trouble: &Trouble, width: u16, theme: &Theme, out: &mut Vec<Line<'static>>) {
    let (mark, style) = match trouble.kind {
        Kind::SignedOut => ("⚿ ", theme.bad),
        Kind::Forbidden => ("⊘ ", theme.bad),
        Kind::Throttled => ("⏲ ", theme.warn),
        Kind::Overloaded => ("… ", theme.warn),
        Kind::Away => ("⌁ ", theme.warn),
        Kind::Cancelled => ("✂ ", theme.dim),
        Kind::Held => ("⚑ ", theme.warn),
        Kind::Broken => ("! ", theme.bad),
    };
    push(out, mark, &clean(&trouble.headline), style, width);
    if let Some(advice) = &trouble.advice {
        push(out, "  ", &clean(advice), theme.text, width);
    }
}
