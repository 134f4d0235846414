//! A fake Ollama on a port of your choice, for a machine that has no Ollama or for a look at
//! how things go wrong.
//!
//! Run with `cargo run -p mcp-llm --example fake-ollama -- --port 11434 --mode by-model`

#[path = "../../tests/support/fake_ollama/mod.rs"]
mod fake_ollama;

use std::{process::ExitCode, time::Duration};

use fake_ollama::{FakeOllama, Mode, Options};

#[tokio::main]
async fn main() -> ExitCode {
    let options = match options(std::env::args().skip(1)) {
        Ok(options) => options,
        Err(problem) => {
            println!("{problem}\n\n{}", usage());
            return ExitCode::from(2);
        }
    };
    match FakeOllama::with(options).await {
        Ok(fake) => {
            println!("LISTENING {}", fake.url);
            fake.run().await;
            ExitCode::SUCCESS
        }
        Err(error) => {
            println!("can't listen: {error}; choose another port with --port");
            ExitCode::FAILURE
        }
    }
}

fn options(mut arguments: impl Iterator<Item = String>) -> Result<Options, String> {
    let mut options = Options {
        port: 11434,
        pace: Duration::from_millis(30),
        delay: Duration::from_secs(3),
        ..Options::default()
    };
    while let Some(name) = arguments.next() {
        let value = arguments
            .next()
            .ok_or_else(|| format!("{name} wants a value"))?;
        let number = || {
            value
                .parse::<u64>()
                .map_err(|_| format!("{name}: {value} isn't a number"))
        };
        match name.as_str() {
            "--port" => {
                options.port = value.parse().map_err(|_| format!("{value} isn't a port"))?;
            }
            "--mode" => {
                options.mode =
                    Mode::named(&value).ok_or_else(|| format!("there is no mode {value}"))?;
            }
            "--pace-ms" => options.pace = Duration::from_millis(number()?),
            "--delay-ms" => options.delay = Duration::from_millis(number()?),
            "--tokens" => {
                options.tokens = value
                    .parse()
                    .map_err(|_| format!("{value} isn't a number"))?;
            }
            _ => return Err(format!("there is no option {name}")),
        }
    }
    Ok(options)
}

fn usage() -> String {
    let modes: Vec<&str> = Mode::ALL.iter().map(|(name, _)| *name).collect();
    format!(
        "fake-ollama [--port 11434] [--mode MODE] [--pace-ms 30] [--delay-ms 3000] [--tokens 1000]\n\
         modes: {}\n\
         With by-model (the default) the model's name picks the mode: fake-cut, fake-slow, …",
        modes.join(" ")
    )
}
