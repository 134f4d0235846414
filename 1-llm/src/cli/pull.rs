//! `mcp-llm pull MODEL`

use std::{pin::pin, process::ExitCode, time::Duration};

use futures_util::StreamExt;
use indicatif::{ProgressBar, ProgressStyle};
use mcp_llm::ollama::PullProgress;

use super::{Common, Stop, out::Out};

const BAR: &str = "{msg} [{bar:30}] {bytes}/{total_bytes} {bytes_per_sec}, {eta} left";

#[derive(clap::Args)]
pub(super) struct Pull {
    /// The model's name, such as llama3.2 or qwen3:4b; see https://ollama.com/library
    model: String,
}

impl Pull {
    pub(super) async fn run(self, common: &Common, out: &mut Out) -> Result<ExitCode, Stop> {
        let ollama = common.ollama()?;
        let mut steps = pin!(ollama.pull(&self.model));
        let mut shown = Shown::default();
        // One listener for the whole of it: a new one in each round would miss a signal that came
        // between two of them.
        let mut stop = pin!(tokio::signal::ctrl_c());
        loop {
            let step = tokio::select! {
                // First, so that it listens before the first word is out.
                biased;
                _ = &mut stop => {
                    shown.clear();
                    out.note("Stopped. Run the same command again: it goes on from here.");
                    return Ok(ExitCode::from(130));
                }
                step = steps.next() => step,
            };
            match step {
                Some(Ok(step)) => shown.step(&step, out),
                Some(Err(error)) => {
                    shown.clear();
                    return Err(error.into());
                }
                None => break,
            }
        }
        shown.clear();
        out.line(&format!(
            "{} is ready. Try: mcp-llm ask --model {0} \"Hello\"",
            self.model
        ))?;
        Ok(ExitCode::SUCCESS)
    }
}

/// What the person sees: a bar for each layer, and a line for each other step.
#[derive(Default)]
struct Shown {
    bar: Option<(String, ProgressBar)>,
    status: String,
}

impl Shown {
    fn step(&mut self, step: &PullProgress, out: &mut Out) {
        if step.digest.is_empty() || step.total == 0 {
            self.clear();
            self.status_changed(&step.status, out);
            return;
        }
        if !out.is_watched() {
            // A log wants to know that it goes on, not each step of it.
            self.status_changed(&step.status, out);
            return;
        }
        let known = self.bar.take().filter(|(digest, _)| *digest == step.digest);
        let (digest, bar) = known.unwrap_or_else(|| (step.digest.clone(), bar(step)));
        bar.set_position(step.completed);
        self.bar = Some((digest, bar));
    }

    fn status_changed(&mut self, status: &str, out: &mut Out) {
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
        bar.set_style(style.progress_chars("=> "));
    }
    let layer: String = step
        .digest
        .trim_start_matches("sha256:")
        .chars()
        .take(12)
        .collect();
    bar.set_message(layer);
    // What a stopped pull left behind is there already: counting it in would promise a rate that
    // never was.
    bar.set_position(step.completed);
    bar.reset_eta();
    bar.enable_steady_tick(Duration::from_millis(200));
    bar
}
