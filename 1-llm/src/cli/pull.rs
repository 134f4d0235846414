//! `mcp-llm pull MODEL`

use std::{fmt, pin::pin, process::ExitCode, time::Duration};

use futures_util::StreamExt;
use indicatif::{HumanDuration, ProgressBar, ProgressState, ProgressStyle};
use mcp_llm::ollama::PullProgress;

use super::{
    common::{Common, Stop},
    out::Out,
};

/// One line at any width: a bar that wraps can't be cleared. Sizes are decimal, as Ollama and
/// `mcp-llm models` show them.
const BAR: &str =
    "{msg} [{wide_bar}] {decimal_bytes}/{decimal_total_bytes} {decimal_bytes_per_sec}{left}";

#[derive(clap::Args)]
pub(super) struct Pull {
    /// The model's name, such as llama3.2 or qwen3:4b; see https://ollama.com/library
    model: String,
}

impl Pull {
    pub(super) async fn run(self, common: &Common, out: &mut Out) -> Result<ExitCode, Stop> {
        let ollama = common.ollama()?;
        let mut steps = pin!(ollama.pull(&self.model));
        let mut display = PullDisplay::default();
        // One listener for the whole pull: a new one in each round would miss a signal that came
        // between two of them.
        let mut stop = pin!(tokio::signal::ctrl_c());
        loop {
            let step = tokio::select! {
                // First, so that it listens before the first word is out.
                biased;
                _ = &mut stop => {
                    display.clear();
                    out.note("Stopped. Run the same command again: it continues from here.");
                    return Ok(ExitCode::from(130));
                }
                step = steps.next() => step,
            };
            match step {
                Some(Ok(step)) => display.show_step(&step, out),
                Some(Err(error)) => {
                    display.clear();
                    return Err(error.into());
                }
                None => break,
            }
        }
        display.clear();
        out.line(&format!(
            "{} is ready. Try: mcp-llm ask --model {0} \"Hello\"",
            self.model
        ))?;
        Ok(ExitCode::SUCCESS)
    }
}

/// What the person sees: a bar for each layer, and a line for each other step.
#[derive(Default)]
struct PullDisplay {
    bar: Option<(String, ProgressBar)>,
    status: String,
}

impl PullDisplay {
    fn show_step(&mut self, step: &PullProgress, out: &mut Out) {
        if step.digest.is_empty() || step.total == 0 {
            self.clear();
            self.show_status(&step.status, out);
            return;
        }
        if !out.is_watched() {
            // A log should show that it goes on, not each step of it.
            self.show_status(&step.status, out);
            return;
        }
        let known = self.bar.take().filter(|(digest, _)| *digest == step.digest);
        let (digest, bar) = known.unwrap_or_else(|| (step.digest.clone(), bar(step)));
        bar.set_position(step.completed);
        self.bar = Some((digest, bar));
    }

    fn show_status(&mut self, status: &str, out: &mut Out) {
        if self.status != status {
            out.note(status);
            status.clone_into(&mut self.status);
        }
    }

    fn clear(&mut self) {
        if let Some((_, bar)) = self.bar.take() {
            bar.finish_and_clear();
        }
    }
}

fn bar(step: &PullProgress) -> ProgressBar {
    let bar = ProgressBar::new(step.total);
    if let Ok(style) = ProgressStyle::with_template(BAR) {
        bar.set_style(
            style
                .progress_chars("=> ")
                .with_key("left", write_time_left),
        );
    }
    let layer: String = step
        .digest
        .trim_start_matches("sha256:")
        .chars()
        .take(12)
        .collect();
    bar.set_message(layer);
    // What a stopped pull left behind is there already: counting it in would show a rate that never
    // was.
    bar.set_position(step.completed);
    bar.reset_eta();
    bar.enable_steady_tick(Duration::from_millis(200));
    bar
}

/// The time left, once there is a rate to compute it from; before that it would be "0 seconds".
fn write_time_left(state: &ProgressState, out: &mut dyn fmt::Write) {
    let left = state.eta();
    if !left.is_zero() {
        let _ = write!(out, ", {:#} left", HumanDuration(left));
    }
}

#[cfg(test)]
mod tests {
    use std::{
        io,
        sync::{Arc, Mutex},
    };

    use indicatif::{ProgressDrawTarget, TermLike};

    use super::*;

    /// A terminal of that width, and the last line that was drawn on it.
    #[derive(Debug, Clone)]
    struct Terminal(u16, Arc<Mutex<String>>);

    impl TermLike for Terminal {
        fn width(&self) -> u16 {
            self.0
        }
        fn move_cursor_up(&self, _: usize) -> io::Result<()> {
            Ok(())
        }
        fn move_cursor_down(&self, _: usize) -> io::Result<()> {
            Ok(())
        }
        fn move_cursor_right(&self, _: usize) -> io::Result<()> {
            Ok(())
        }
        fn move_cursor_left(&self, _: usize) -> io::Result<()> {
            Ok(())
        }
        fn write_line(&self, text: &str) -> io::Result<()> {
            self.write_str(text)
        }
        fn write_str(&self, text: &str) -> io::Result<()> {
            self.1.lock().unwrap().push_str(text);
            Ok(())
        }
        fn clear_line(&self) -> io::Result<()> {
            self.1.lock().unwrap().clear();
            Ok(())
        }
        fn flush(&self) -> io::Result<()> {
            Ok(())
        }
    }

    #[test]
    fn a_bar_is_one_line_at_any_width_and_promises_no_time_before_it_has_a_rate() {
        for width in [80, 160] {
            let drawn = Arc::new(Mutex::new(String::new()));
            let terminal = Terminal(width, Arc::clone(&drawn));
            let digest = format!("sha256:{}", "d".repeat(64));
            let step = serde_json::json!({"digest": digest, "total": 123_456_789_012_u64});
            let step: PullProgress = serde_json::from_value(step).unwrap();
            let bar = bar(&step);
            bar.set_draw_target(ProgressDrawTarget::term_like(Box::new(terminal)));
            // The steady tick would draw from a thread of its own.
            bar.disable_steady_tick();
            bar.tick();
            let first = drawn.lock().unwrap().clone();
            assert!(
                first.starts_with("dddddddddddd [") && first.contains("0 B/123.46 GB"),
                "{first:?}"
            );
            assert!(!first.contains("left"), "{first:?}");
            assert_eq!(first.chars().count(), usize::from(width), "{first:?}");
        }
    }
}
