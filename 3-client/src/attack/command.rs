//! `mcp-client attack`: what may be typed, and what is refused before anything is sent.

use std::path::PathBuf;
use std::time::Duration;

use super::choice::Choice;
use super::target::Given;
use super::trail::Trail;
use crate::raw::{Budget, Wire};
use crate::secret::Secret;

/// The most requests of a whole run.
const MAX_REQUESTS: usize = 3000;

/// Tries real attacks against an MCP server that you own
#[derive(Debug, Clone, clap::Args)]
#[command(after_help = EXIT_CODES)]
pub struct Args {
    /// The server's address
    #[arg(
        long,
        env = "MCP_SERVER_URL",
        default_value = "http://127.0.0.1:8080/mcp"
    )]
    url: String,
    /// The environment variable that holds a key with rights
    #[arg(long, value_name = "NAME", default_value = "MCP_CLIENT_KEY")]
    key_env: String,
    /// The environment variable that holds a second key, with fewer rights
    #[arg(long, value_name = "NAME", default_value = "MCP_CLIENT_SECOND_KEY")]
    second_key_env: String,
    /// Refused: a command line can be read by every process of the machine
    #[arg(long, hide = true, value_name = "KEY")]
    key: Option<String>,
    /// The server's audit file, so that each row can show the line that recorded it
    #[arg(long, value_name = "FILE")]
    audit_log: Option<PathBuf>,
    /// Keep digests of the tools here, and compare with those of the run before
    #[arg(long, value_name = "FILE")]
    pins: Option<PathBuf>,
    /// Only these rows or families
    #[arg(long, value_name = "NAME", value_delimiter = ',')]
    only: Vec<String>,
    /// Not these rows or families
    #[arg(long, value_name = "NAME", value_delimiter = ',')]
    skip: Vec<String>,
    /// Seconds that a slow connection is watched; fewer than the server's own limit give a false alarm
    #[arg(long, value_name = "SECONDS", default_value_t = 70, value_parser = clap::value_parser!(u64).range(2..=600))]
    patience: u64,
    /// The server isn't on this machine, and you may attack it
    #[arg(long)]
    i_own_this_server: bool,
    /// One line for each row
    #[arg(long)]
    pub(super) brief: bool,
    /// Print the report as JSON
    #[arg(long, conflicts_with = "sarif")]
    pub(super) json: bool,
    /// Print the report as SARIF 2.1.0
    #[arg(long)]
    pub(super) sarif: bool,
    /// Print the catalogue and send nothing
    #[arg(long)]
    pub(super) list: bool,
}

const EXIT_CODES: &str = "Exit codes: 0 the server held · 1 something is broken or stayed unclear · 2 wrong usage · 7 server not reachable\nKeys come from the environment only. Tools run only where they say that they read, or fail on missing arguments first.";

impl Args {
    /// What was typed, made ready.
    ///
    /// # Errors
    /// What is wrong with it, and what to do.
    pub(super) fn prepare(
        &self,
        environment: &dyn Fn(&str) -> Option<String>,
    ) -> Result<(Given, Choice), String> {
        if self.key.is_some() {
            return Err("--key is refused, because a command line can be read by every process of this machine and stays in the shell's history: put the key into MCP_CLIENT_KEY, or name another variable with --key-env".into());
        }
        let choice = Choice::new(&self.only, &self.skip)?;
        let wire =
            Wire::new(&self.url, Budget::new(MAX_REQUESTS)).map_err(|error| error.to_string())?;
        if !wire.is_loopback() && !self.i_own_this_server {
            return Err(format!(
                "{} isn't on this machine: attacking a server of somebody else is a crime in most places; if it is yours, say --i-own-this-server",
                wire.url.host_str().unwrap_or_default()
            ));
        }
        let key = |name: &str| environment(name).as_deref().and_then(Secret::new);
        let (first, second) = (key(&self.key_env), key(&self.second_key_env));
        // A variable that was named and isn't set would turn rows into "not applicable".
        for (name, default, found) in [
            (&self.key_env, "MCP_CLIENT_KEY", &first),
            (&self.second_key_env, "MCP_CLIENT_SECOND_KEY", &second),
        ] {
            if name != default && found.is_none() {
                return Err(format!("{name} isn't set: put the key into it first"));
            }
        }
        if second.is_some() && first == second {
            return Err(
                "both keys are the same: the second must be another caller's, with fewer rights"
                    .into(),
            );
        }
        let trail = match &self.audit_log {
            Some(path) => {
                std::fs::File::open(path)
                    .map_err(|error| format!("--audit-log {}: {error}", path.display()))?;
                Trail::file(path.clone())
            }
            None => Trail::None,
        };
        let given = Given {
            wire,
            key: first,
            second,
            trail,
            patience: Duration::from_secs(self.patience),
            pins: self.pins.clone(),
        };
        Ok((given, choice))
    }
}

#[cfg(test)]
mod tests {
    use clap::Parser as _;

    use super::*;

    #[derive(clap::Parser)]
    struct Line {
        #[command(flatten)]
        args: Args,
    }

    fn prepare(typed: &[&str], environment: &[(&str, &str)]) -> Result<(Given, Choice), String> {
        let line = Line::try_parse_from([&["attack"], typed].concat())
            .map_err(|error| error.to_string())?;
        let find = |name: &str| {
            let found = environment.iter().find(|(key, _)| *key == name);
            found.map(|(_, value)| (*value).to_owned())
        };
        line.args.prepare(&find)
    }

    #[test]
    fn a_key_on_the_command_line_is_refused_and_not_repeated() {
        let refused = prepare(&["--key", "hunter2"], &[]).unwrap_err();
        assert!(
            refused.contains("--key-env") && !refused.contains("hunter2"),
            "{refused}"
        );
    }

    #[test]
    fn another_machine_is_attacked_only_by_its_owner() {
        let url = ["--url", "http://192.0.2.1/mcp"];
        assert!(
            prepare(&url, &[])
                .unwrap_err()
                .contains("--i-own-this-server")
        );
        assert!(prepare(&["--url", "http://127.0.0.1.example/mcp"], &[]).is_err());
        assert!(prepare(&[&url[..], &["--i-own-this-server"]].concat(), &[]).is_ok());
        assert!(prepare(&["--url", "http://[::1]:1/mcp"], &[]).is_ok());
    }

    #[test]
    fn a_variable_that_was_named_must_be_set() {
        assert!(
            prepare(&["--key-env", "MINE"], &[])
                .unwrap_err()
                .contains("MINE")
        );
        let (given, _) = prepare(&["--key-env", "MINE"], &[("MINE", "k1")]).unwrap();
        assert!(given.key.is_some());
    }

    #[test]
    fn a_row_that_does_not_exist_is_told_with_the_nearest() {
        let refused = prepare(&["--only", "foreign-hosts"], &[]).unwrap_err();
        assert!(refused.contains("foreign-host"), "{refused}");
    }
}
