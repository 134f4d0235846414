//! The conversation, drawn from the bottom up: a frame costs what is visible, not what was said.

use std::collections::HashMap;

use ratatui::buffer::Buffer;
use ratatui::layout::Rect;
use ratatui::text::{Line, Span};
use ratatui::widgets::Widget;

use super::entry;
use super::find;
use super::theme::Theme;
use crate::app::conversation::Entry;
use crate::command::{Find, Scroll};

/// Entries whose drawn form is kept.
const MAX_CACHED: usize = 256;

struct Drawn {
    rev: u32,
    width: u16,
    layout: entry::Layout,
}

/// Where the view stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
enum Anchor {
    /// At the end, following what comes.
    #[default]
    Bottom,
    /// At a line of an entry, holding still. Remembers what was the end when it left it.
    At {
        entry: u64,
        line: usize,
        end: (u64, usize),
    },
}

/// The transcript of one chat.
#[derive(Default)]
pub struct Transcript {
    anchor: Anchor,
    drawn: HashMap<u64, Drawn>,
    /// Lines below the view that came since it left the bottom.
    pub new_lines: usize,
    pending: Vec<Scroll>,
    seeking: Option<(String, Find)>,
    found: Option<(u64, usize)>,
    /// How many entries had to be laid out for the last frame.
    pub laid_out: usize,
}

impl Transcript {
    /// Remembers a movement; it is applied with the next frame, when the width is known.
    pub fn scroll(&mut self, scroll: Scroll) {
        if self.pending.len() < 64 {
            self.pending.push(scroll);
        }
    }

    /// Remembers what to look for; it is looked for with the next frame.
    pub fn find(&mut self, needle: String, step: Find) {
        self.seeking = Some((needle, step));
    }

    /// Whether the last search found something.
    #[must_use]
    pub fn has_found(&self) -> bool {
        self.found.is_some()
    }

    /// Whether the view follows the end.
    #[must_use]
    pub fn follows(&self) -> bool {
        self.anchor == Anchor::Bottom
    }

    fn layout(&mut self, entry: &Entry, width: u16, theme: &Theme) -> &entry::Layout {
        if self.drawn.len() >= MAX_CACHED && !self.drawn.contains_key(&entry.id) {
            // What is visible is laid out again at once; that is cheaper than keeping order.
            self.drawn.clear();
        }
        let drawn = self.drawn.entry(entry.id).or_insert_with(|| Drawn {
            rev: entry.rev.wrapping_sub(1),
            width,
            layout: entry::Layout::default(),
        });
        if drawn.rev != entry.rev || drawn.width != width {
            self.laid_out += 1;
            (drawn.rev, drawn.width) = (entry.rev, width);
            drawn.layout.update(entry, width, theme);
        }
        &drawn.layout
    }

    fn height(&mut self, entry: &Entry, width: u16, theme: &Theme) -> usize {
        self.layout(entry, width, theme).len()
    }

    /// Moves a position by lines. Positions are (entry's place, line in it).
    fn walk(
        &mut self,
        entries: &[Entry],
        mut at: (usize, usize),
        by: i64,
        width: u16,
        theme: &Theme,
    ) -> (usize, usize) {
        let mut left = by;
        while left < 0 {
            let step = at.1.min(usize::try_from(-left).unwrap_or(usize::MAX));
            at.1 -= step;
            left += i64::try_from(step).unwrap_or(0);
            if left == 0 || at.0 == 0 {
                break;
            }
            at.0 -= 1;
            at.1 = self.height(&entries[at.0], width, theme);
        }
        while left > 0 {
            let height = self.height(&entries[at.0], width, theme);
            let step = (height - at.1.min(height)).min(usize::try_from(left).unwrap_or(usize::MAX));
            at.1 += step;
            left -= i64::try_from(step).unwrap_or(0);
            if at.1 < height || at.0 + 1 == entries.len() {
                break;
            }
            at = (at.0 + 1, 0);
        }
        at
    }

    fn apply(&mut self, entries: &[Entry], area: Rect, theme: &Theme) {
        let page = i64::from(area.height.saturating_sub(1).max(1));
        for scroll in std::mem::take(&mut self.pending) {
            let by = match scroll {
                Scroll::Lines(n) => i64::from(n),
                Scroll::Pages(n) => i64::from(n) * page,
                Scroll::Top => i64::MIN / 2,
                Scroll::Bottom => {
                    self.anchor = Anchor::Bottom;
                    continue;
                }
            };
            let bottom = self.bottom_top(entries, area, theme);
            let from = match self.anchor {
                Anchor::Bottom if by >= 0 => continue,
                Anchor::Bottom => bottom,
                Anchor::At { entry, line, .. } => entries
                    .iter()
                    .position(|e| e.id == entry)
                    .map_or(bottom, |place| (place, line)),
            };
            let to = self.walk(entries, from, by, area.width, theme);
            if to >= bottom {
                self.anchor = Anchor::Bottom;
                continue;
            }
            self.stand_at(entries, to, area.width, theme);
        }
    }

    /// Holds the view at a line, and remembers what was the end when it left it.
    fn stand_at(&mut self, entries: &[Entry], at: (usize, usize), width: u16, theme: &Theme) {
        let end = match self.anchor {
            Anchor::At { end, .. } => end,
            Anchor::Bottom => entries
                .last()
                .map_or((0, 0), |last| (last.id, self.height(last, width, theme))),
        };
        self.anchor = Anchor::At {
            entry: entries[at.0].id,
            line: at.1,
            end,
        };
    }

    /// Looks for text, and puts the line that has it into the middle of the view.
    fn seek(&mut self, entries: &[Entry], area: Rect, theme: &Theme) {
        let Some((needle, step)) = self.seeking.take() else {
            return;
        };
        let from = match step {
            Find::Newest => None,
            Find::Older | Find::Newer => self.found.and_then(|(entry, line)| {
                let place = entries.iter().position(|e| e.id == entry)?;
                Some((place, line))
            }),
        };
        let found = find::find(entries, &needle, step, from, |entry| {
            let layout = self.layout(entry, area.width, theme);
            find::lines_with(&needle, layout)
        });
        if step != Find::Newest && found.is_none() {
            // Nothing further in this direction: what was found stays found.
            return;
        }
        self.found = found.map(|(place, line)| (entries[place].id, line));
        let Some(at) = found else { return };
        let above = -i64::from(area.height / 2);
        let top = self.walk(entries, at, above, area.width, theme);
        if top >= self.bottom_top(entries, area, theme) {
            self.anchor = Anchor::Bottom;
        } else {
            self.stand_at(entries, top, area.width, theme);
        }
    }

    /// The topmost line when the view stands at the end.
    fn bottom_top(&mut self, entries: &[Entry], area: Rect, theme: &Theme) -> (usize, usize) {
        let last = entries.len() - 1;
        let height = self.height(&entries[last], area.width, theme);
        self.walk(
            entries,
            (last, height),
            -i64::from(area.height),
            area.width,
            theme,
        )
    }

    /// Draws the entries into the area.
    pub fn draw(&mut self, entries: &[Entry], area: Rect, buffer: &mut Buffer, theme: &Theme) {
        self.laid_out = 0;
        self.new_lines = 0;
        if entries.is_empty() || area.height == 0 || area.width == 0 {
            self.pending.clear();
            self.seeking = None;
            self.anchor = Anchor::Bottom;
            return;
        }
        self.apply(entries, area, theme);
        self.seek(entries, area, theme);
        let top = match self.anchor {
            Anchor::Bottom => self.bottom_top(entries, area, theme),
            Anchor::At { entry, line, end } => match entries.iter().position(|e| e.id == entry) {
                // Cleared, or fallen out at the front.
                None => {
                    self.anchor = Anchor::Bottom;
                    self.bottom_top(entries, area, theme)
                }
                Some(place) => {
                    self.new_lines = self.grown_since(entries, end, area.width, theme);
                    let height = self.height(&entries[place], area.width, theme);
                    (place, line.min(height))
                }
            },
        };
        let (mut place, mut line) = top;
        let mut y = area.y;
        while y < area.bottom() && place < entries.len() {
            let layout = self.layout(&entries[place], area.width, theme);
            while let Some(text) = layout.get(line).filter(|_| y < area.bottom()) {
                let mut place = Rect {
                    y,
                    height: 1,
                    ..area
                };
                if layout.is_models(line) {
                    Span::styled("│", theme.frame).render(place, buffer);
                    let gutter = entry::GUTTER.min(area.width);
                    place.x += gutter;
                    place.width -= gutter;
                }
                text.render(place, buffer);
                y += 1;
                line += 1;
            }
            place += 1;
            line = 0;
        }
        if self.new_lines > 0 {
            let text = format!(" {} new lines ↓ ", self.new_lines);
            let width = u16::try_from(text.chars().count())
                .unwrap_or(u16::MAX)
                .min(area.width);
            let place = Rect {
                x: area.right() - width,
                y: area.bottom() - 1,
                width,
                height: 1,
            };
            Line::from(Span::styled(text, theme.selected)).render(place, buffer);
        }
    }

    fn grown_since(
        &mut self,
        entries: &[Entry],
        end: (u64, usize),
        width: u16,
        theme: &Theme,
    ) -> usize {
        let mut grown = 0;
        for entry in entries.iter().rev() {
            let height = self.height(entry, width, theme);
            if entry.id == end.0 {
                return grown + height.saturating_sub(end.1);
            }
            grown += height;
            if grown > 100_000 {
                break;
            }
        }
        grown
    }
}
