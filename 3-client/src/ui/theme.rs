//! The palette, on one page. Nothing else in this crate names a colour.
//!
//! Colours are the terminal's own sixteen, so that light and dark backgrounds both work: the terminal's
//! owner has chosen them to be readable. No background is ever set for running text.

use ratatui::style::{Color, Modifier, Style};

use crate::config::ThemeName;

/// The styles by meaning.
#[derive(Debug, Clone, Copy)]
pub struct Theme {
    /// Running text.
    pub text: Style,
    /// Less important: hints, times.
    pub dim: Style,
    /// The person's own words.
    pub user: Style,
    /// Names and titles.
    pub title: Style,
    /// All is well.
    pub good: Style,
    /// Wait, or look.
    pub warn: Style,
    /// Wrong.
    pub bad: Style,
    /// A tool call.
    pub tool: Style,
    /// The model's thinking.
    pub thinking: Style,
    /// A key to press.
    pub key: Style,
    /// The selected line of a list.
    pub selected: Style,
    /// Code.
    pub code: Style,
    /// A keyword in code.
    pub keyword: Style,
    /// A string in code.
    pub string: Style,
    /// A comment in code.
    pub comment: Style,
    /// A number in code.
    pub number: Style,
    /// A link.
    pub link: Style,
    /// A heading.
    pub heading: Style,
    /// Lines and frames.
    pub frame: Style,
}

impl Theme {
    /// The theme of that name. `NO_COLOR` overrides it.
    #[must_use]
    pub fn named(name: ThemeName, no_color: bool) -> Self {
        match name {
            _ if no_color => Self::mono(),
            ThemeName::Terminal => Self::terminal(),
            ThemeName::HighContrast => Self::high_contrast(),
            ThemeName::Mono => Self::mono(),
        }
    }

    fn terminal() -> Self {
        let fg = |color| Style::new().fg(color);
        Self {
            text: Style::new(),
            dim: Style::new().add_modifier(Modifier::DIM),
            user: fg(Color::Cyan),
            title: Style::new().add_modifier(Modifier::BOLD),
            good: fg(Color::Green),
            warn: fg(Color::Yellow),
            bad: fg(Color::Red),
            tool: fg(Color::Magenta),
            thinking: Style::new().add_modifier(Modifier::DIM | Modifier::ITALIC),
            key: fg(Color::Cyan).add_modifier(Modifier::BOLD),
            selected: Style::new().add_modifier(Modifier::REVERSED),
            code: Style::new(),
            keyword: fg(Color::Magenta),
            string: fg(Color::Green),
            comment: Style::new().add_modifier(Modifier::DIM),
            number: fg(Color::Yellow),
            link: fg(Color::Blue).add_modifier(Modifier::UNDERLINED),
            heading: Style::new().add_modifier(Modifier::BOLD),
            frame: Style::new().add_modifier(Modifier::DIM),
        }
    }

    /// No dim text, no thin colours: weight and reversal carry the meaning.
    fn high_contrast() -> Self {
        let plain = Style::new();
        let bold = plain.add_modifier(Modifier::BOLD);
        let reverse = bold.add_modifier(Modifier::REVERSED);
        Self {
            dim: plain,
            thinking: plain.add_modifier(Modifier::ITALIC),
            comment: plain,
            frame: plain,
            warn: reverse,
            bad: reverse,
            user: bold,
            tool: bold,
            keyword: bold,
            string: plain,
            number: plain,
            key: bold.add_modifier(Modifier::UNDERLINED),
            good: bold,
            link: plain.add_modifier(Modifier::UNDERLINED),
            ..Self::mono()
        }
    }

    fn mono() -> Self {
        let plain = Style::new();
        let bold = plain.add_modifier(Modifier::BOLD);
        let dim = plain.add_modifier(Modifier::DIM);
        Self {
            text: plain,
            dim,
            user: bold,
            title: bold,
            good: plain,
            warn: bold,
            bad: plain.add_modifier(Modifier::REVERSED),
            tool: bold,
            thinking: dim.add_modifier(Modifier::ITALIC),
            key: bold,
            selected: plain.add_modifier(Modifier::REVERSED),
            code: plain,
            keyword: bold,
            string: plain,
            comment: dim,
            number: plain,
            link: plain.add_modifier(Modifier::UNDERLINED),
            heading: bold.add_modifier(Modifier::UNDERLINED),
            frame: dim,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_color_means_no_colour_in_any_theme() {
        for name in [
            ThemeName::Terminal,
            ThemeName::HighContrast,
            ThemeName::Mono,
        ] {
            let shown = format!("{:?}", Theme::named(name, true));
            assert!(
                !shown.contains("fg: Some")
                    && !shown.contains("bg: Some")
                    && !shown.contains("Cyan"),
                "{shown}"
            );
        }
    }
}
