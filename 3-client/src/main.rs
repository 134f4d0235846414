//! `mcp-client`: the chat, or one question, or one call.

use std::path::PathBuf;
use std::process::ExitCode;

use clap::{CommandFactory as _, Parser, Subcommand};
use mcp_client::config::{Approve, Config, Given};
use mcp_client::headless;
use mcp_client::secret::Secret;
use mcp_client::wire::WireLog;

#[derive(Parser)]
#[command(name = "mcp-client", version, about = "A terminal chat that speaks nothing but MCP", after_help = headless::EXIT_CODES)]
struct Args {
    /// The server's address; ends in /mcp, or in /sse for the 2024-11-05 transport
    #[arg(long, env = "MCP_SERVER_URL", global = true)]
    server: Option<String>,
    /// Configuration: client.toml, or a JSON file with `mcpServers` as Claude Desktop writes it
    #[arg(long, env = "MCP_CLIENT_CONFIG", global = true)]
    config: Option<PathBuf>,
    /// Which server of the configuration to chat with; that one alone gets the conversation and MCP_CLIENT_KEY
    #[arg(long, env = "MCP_CHAT_SERVER", global = true, value_name = "NAME")]
    chat_server: Option<String>,
    /// Protocol version to insist on, instead of finding out
    #[arg(long, global = true)]
    protocol: Option<String>,
    /// Chat line by line: no alternate screen, no redraw; for screen readers
    #[arg(long)]
    plain: bool,
    #[command(subcommand)]
    command: Option<Cmd>,
}

#[derive(Subcommand)]
enum Cmd {
    /// Ask one question and print the answer; without a question, or with -, it is read from standard input
    Ask {
        /// The question, or -
        question: Vec<String>,
        /// Print each event as a line of JSON
        #[arg(long)]
        json: bool,
        /// Which calls go ahead without asking; nobody is asked here, so everything else is refused
        #[arg(long, value_enum, default_value = "none")]
        approve: Approve,
        /// A model, or the server's default
        #[arg(long)]
        model: Option<String>,
        /// Rounds of tool calls before it stops, instead of limits.rounds
        #[arg(long, value_parser = clap::value_parser!(u32).range(1..))]
        max_rounds: Option<u32>,
    },
    /// List the tools that you may call
    Tools {
        /// Print the whole list as JSON
        #[arg(long)]
        json: bool,
    },
    /// Call a tool with arguments as JSON and print its result
    Call {
        /// The tool's name
        tool: String,
        /// Its arguments, such as '{"message": "hi"}'; - reads them from standard input, @FILE from a file
        #[arg(default_value = "{}")]
        arguments: String,
        /// Print the whole result as JSON
        #[arg(long)]
        json: bool,
    },
    /// List the resources that you may read
    Resources {
        /// Print each as a line of JSON
        #[arg(long)]
        json: bool,
    },
    /// Read one resource
    Read {
        /// Its URI
        uri: String,
    },
    /// List the prompts, or fill one in
    Prompts {
        /// The prompt to fill in
        name: Option<String>,
        /// Its arguments, as name=value
        arguments: Vec<String>,
        /// Print each as a line of JSON
        #[arg(long)]
        json: bool,
    },
    /// Connect, call a tool if one is named, and print every message with its meaning
    Trace {
        /// The tool to call
        tool: Option<String>,
        /// Its arguments as JSON
        #[arg(default_value = "{}")]
        arguments: String,
        /// One message per line, as JSON
        #[arg(long)]
        json: bool,
    },
    /// Try real attacks against an MCP server that you own
    Attack(mcp_client::attack::Args),
    /// Play a real exchange with a server, message by message
    Lab(mcp_client::lab::Args),
    /// Print completions for a shell
    Completions {
        /// The shell
        shell: clap_complete::Shell,
    },
    /// Print the manual page
    Man,
}

/// A terminal that can't be drawn on; what is printed line by line it can show.
fn is_dumb() -> bool {
    std::env::var_os("TERM").is_some_and(|term| term == "dumb")
}

fn unusable(error: &std::io::Error) -> String {
    use std::io::IsTerminal as _;
    if std::io::stdin().is_terminal() && std::io::stdout().is_terminal() {
        format!("the terminal can't be used: {error}; `mcp-client --plain` chats line by line")
    } else {
        "the chat needs a terminal; `mcp-client --plain` chats line by line, `mcp-client ask` answers one question"
            .into()
    }
}

fn main() -> ExitCode {
    let args = Args::parse();
    // These two need neither a configuration nor a server.
    match &args.command {
        Some(Cmd::Completions { shell }) => {
            return headless::print_made(|out| {
                clap_complete::generate(*shell, &mut Args::command(), "mcp-client", out);
                Ok(())
            });
        }
        Some(Cmd::Man) => {
            return headless::print_made(|out| clap_mangen::Man::new(Args::command()).render(out));
        }
        _ => {}
    }
    let given = Given {
        file: args.config,
        url: args.server,
        // From the environment only: a command line can be read by every process of the machine.
        key: std::env::var("MCP_CLIENT_KEY")
            .ok()
            .as_deref()
            .and_then(Secret::new),
        chat_server: args.chat_server,
        protocol: args.protocol,
    };
    let config = match Config::load(&given, &|name| std::env::var(name).ok()) {
        Ok(config) => config,
        Err(error) => return headless::complain(&error.to_string(), headless::USAGE),
    };
    let runtime = match tokio::runtime::Builder::new_multi_thread()
        .worker_threads(2)
        .enable_all()
        .build()
    {
        Ok(runtime) => runtime,
        Err(error) => return headless::complain(&error.to_string(), headless::FAILED),
    };
    let code = runtime.block_on(run(args.command, args.plain, config));
    // A child process or a lookup that hangs must not keep the shell waiting.
    runtime.shutdown_timeout(std::time::Duration::from_millis(500));
    code
}

async fn run(command: Option<Cmd>, plain: bool, mut config: Config) -> ExitCode {
    let wire = WireLog::default();
    match command {
        None if plain || is_dumb() => match mcp_client::plain::run(&config, wire).await {
            Ok(()) => ExitCode::SUCCESS,
            Err(error) => headless::complain(&error.to_string(), headless::FAILED),
        },
        None => match mcp_client::runtime::run(&config, wire).await {
            Ok(()) => ExitCode::SUCCESS,
            Err(error) => headless::complain(&unusable(&error), headless::FAILED),
        },
        Some(Cmd::Ask {
            question,
            json,
            approve,
            model,
            max_rounds,
        }) => {
            if let Some(rounds) = max_rounds {
                config.limits.rounds = rounds;
            }
            if model.is_some() {
                config.model = model;
            }
            headless::ask(&config, wire, &question.join(" "), json, approve).await
        }
        Some(Cmd::Tools { json }) => headless::tools(&config, wire, json).await,
        Some(Cmd::Call {
            tool,
            arguments,
            json,
        }) => headless::call(&config, wire, &tool, &arguments, json).await,
        Some(Cmd::Resources { json }) => headless::resources(&config, wire, json).await,
        Some(Cmd::Read { uri }) => headless::read(&config, wire, &uri).await,
        Some(Cmd::Prompts {
            name: None, json, ..
        }) => headless::prompts(&config, wire, json).await,
        Some(Cmd::Prompts {
            name: Some(name),
            arguments,
            ..
        }) => headless::prompt(&config, wire, &name, &arguments).await,
        Some(Cmd::Trace {
            tool,
            arguments,
            json,
        }) => {
            headless::trace(
                &config,
                wire,
                tool.as_deref().map(|t| (t, arguments.as_str())),
                json,
            )
            .await
        }
        // Answered before anything was started.
        Some(Cmd::Lab(args)) => mcp_client::lab::main(&args).await,
        Some(Cmd::Attack(args)) => mcp_client::attack::run::main(&args).await,
        Some(Cmd::Completions { .. } | Cmd::Man) => ExitCode::SUCCESS,
    }
}
