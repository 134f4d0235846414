//! `mcp-server-lab`: starts a server that is weak on purpose, to see an attack succeed.

use std::{
    io::{self, Write},
    net::SocketAddr,
    path::PathBuf,
    process::ExitCode,
};

use clap::Parser;
use mcp_server::lab::{self, Settings};
use tokio_util::sync::CancellationToken;

/// Starts a deliberately weak server, on this machine only, for `mcp-client attack`
#[derive(Debug, Parser)]
#[command(
    name = "mcp-server-lab",
    version,
    after_help = "Both keys come from the environment, where `mcp-client attack` looks for them too:\n  export MCP_CLIENT_KEY=$(openssl rand -hex 32) MCP_CLIENT_SECOND_KEY=$(openssl rand -hex 32)\nThe first may do everything, the second may only echo."
)]
struct Args {
    /// The defence that is off; `none` starts the guarded server to compare with
    #[arg(long, value_name = "NAME", required_unless_present = "list")]
    defences_off: Option<String>,
    /// Where to listen: a loopback address; port 0 takes a free one
    #[arg(long, value_name = "ADDRESS", default_value = "127.0.0.1:8081")]
    listen: SocketAddr,
    /// Write the audit record here
    #[arg(long, value_name = "FILE")]
    audit_log: Option<PathBuf>,
    /// List the defences, and the attacks that succeed without each
    #[arg(long)]
    list: bool,
}

#[tokio::main]
async fn main() -> ExitCode {
    let args = Args::parse();
    if args.list {
        let mut out = io::stdout().lock();
        for defence in lab::all() {
            // A reader that closed the pipe has read enough.
            let _ = writeln!(
                out,
                "{:<20} no longer {}\n{:<20} red: {}",
                defence.name,
                defence.gone,
                "",
                defence.rows.join(", ")
            );
        }
        return ExitCode::SUCCESS;
    }
    match run(args).await {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            let _ = writeln!(io::stderr(), "mcp-server-lab: {error:#}");
            ExitCode::from(2)
        }
    }
}

async fn run(args: Args) -> anyhow::Result<()> {
    let name = args.defences_off.unwrap_or_default();
    let Some(defence) = lab::find(&name) else {
        anyhow::bail!("there is no defence {name:?}: mcp-server-lab --list names them all");
    };
    lab::refuse_strangers(args.listen)?;
    let key = |name: &str| {
        let key = std::env::var(name).ok().filter(|key| !key.is_empty());
        key.ok_or_else(|| {
            anyhow::anyhow!("{name} isn't set: export {name}=$(openssl rand -hex 32)")
        })
    };
    let settings = Settings {
        defence,
        admin_key: key("MCP_CLIENT_KEY")?,
        viewer_key: key("MCP_CLIENT_SECOND_KEY")?,
        audit_file: args.audit_log,
    };
    anyhow::ensure!(
        settings.admin_key != settings.viewer_key,
        "both keys are the same: make two"
    );
    tracing_subscriber::fmt()
        .with_target(false)
        .with_ansi(false)
        .with_writer(move || Warned { name: defence.name })
        .try_init()
        .map_err(anyhow::Error::from_boxed)?;
    let listener = tokio::net::TcpListener::bind(args.listen).await?;
    let address = listener.local_addr()?;
    if !defence.rows.is_empty() {
        tracing::warn!("this server no longer {}", defence.gone);
    }
    tracing::info!("listening on http://{address}/mcp");
    let shutdown = CancellationToken::new();
    let told = shutdown.clone();
    tokio::spawn(async move {
        if tokio::signal::ctrl_c().await.is_ok() {
            told.cancel();
        }
    });
    lab::serve(listener, settings, shutdown).await
}

/// Standard error, with what this server is in front of every line.
struct Warned {
    name: &'static str,
}

impl Write for Warned {
    fn write(&mut self, event: &[u8]) -> io::Result<usize> {
        let mut out = io::stderr().lock();
        let text = String::from_utf8_lossy(event);
        for line in text.lines() {
            if self.name == lab::GUARDED.name {
                writeln!(out, "[LAB, loopback only] {line}")?;
            } else {
                writeln!(
                    out,
                    "[WEAK ON PURPOSE, loopback only, off: {}] {line}",
                    self.name
                )?;
            }
        }
        Ok(event.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        io::stderr().flush()
    }
}
