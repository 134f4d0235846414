//! The hosts: where each keeps its configuration on each system, and how it writes a server down.
//! As their documentation had it in 2026; an entry is a JSON object under one key.

use std::{
    ffi::OsString,
    path::{Path, PathBuf},
};

use clap::ValueEnum;

/// A program that launches MCP servers.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(super) enum Host {
    /// Claude Desktop.
    ClaudeDesktop,
    /// Claude Code, for all projects of this user.
    ClaudeCode,
    /// Cursor, for all projects of this user.
    Cursor,
    /// Visual Studio Code, in the user's profile.
    Vscode,
    /// Zed.
    Zed,
}

/// The systems that differ in where programs keep their configuration.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum System {
    Mac,
    Windows,
    /// Linux, and everything that follows the XDG folders.
    Other,
}

impl System {
    /// This machine's.
    pub(super) fn here() -> Self {
        if cfg!(target_os = "macos") {
            Self::Mac
        } else if cfg!(windows) {
            Self::Windows
        } else {
            Self::Other
        }
    }
}

impl Host {
    /// As people call it.
    pub(super) fn title(self) -> &'static str {
        match self {
            Self::ClaudeDesktop => "Claude Desktop",
            Self::ClaudeCode => "Claude Code",
            Self::Cursor => "Cursor",
            Self::Vscode => "VS Code",
            Self::Zed => "Zed",
        }
    }

    /// The key under which it keeps its servers.
    pub(super) fn key(self) -> &'static str {
        match self {
            Self::ClaudeDesktop | Self::ClaudeCode | Self::Cursor => "mcpServers",
            Self::Vscode => "servers",
            Self::Zed => "context_servers",
        }
    }

    /// A field that its entries have besides `command`, `args` and `env`.
    pub(super) fn marker(self) -> Option<(&'static str, &'static str)> {
        match self {
            Self::ClaudeDesktop | Self::Cursor => None,
            Self::ClaudeCode | Self::Vscode => Some(("type", "stdio")),
            Self::Zed => Some(("source", "custom")),
        }
    }

    /// What to do for the host to see a change.
    pub(super) fn then(self) -> &'static str {
        match self {
            Self::ClaudeDesktop => "quit Claude Desktop and start it again",
            Self::ClaudeCode => "start a new session, and look at /mcp",
            Self::Cursor => "look at Cursor's settings, under MCP",
            Self::Vscode => "run the command \"MCP: List Servers\"",
            Self::Zed => "look at the agent panel's settings",
        }
    }

    /// Where its configuration is. `variable` reads the environment.
    ///
    /// # Errors
    /// The variable that this system should have and hasn't.
    pub(super) fn file(
        self,
        system: System,
        variable: &dyn Fn(&str) -> Option<OsString>,
    ) -> Result<PathBuf, &'static str> {
        let folder = |name: &'static str| {
            let value = variable(name).filter(|value| Path::new(value).is_absolute() || cfg!(test));
            value.map(PathBuf::from).ok_or(name)
        };
        let home = || {
            folder(if system == System::Windows {
                "USERPROFILE"
            } else {
                "HOME"
            })
        };
        // Where programs of this system keep what they are told.
        let settings = || match system {
            System::Mac => Ok(home()?.join("Library").join("Application Support")),
            System::Windows => folder("APPDATA"),
            System::Other => folder("XDG_CONFIG_HOME").or_else(|_| Ok(home()?.join(".config"))),
        };
        Ok(match self {
            Self::ClaudeDesktop => settings()?
                .join("Claude")
                .join("claude_desktop_config.json"),
            Self::ClaudeCode => home()?.join(".claude.json"),
            Self::Cursor => home()?.join(".cursor").join("mcp.json"),
            Self::Vscode => settings()?.join("Code").join("User").join("mcp.json"),
            // Zed is at home in ~/.config on macOS too.
            Self::Zed => match system {
                System::Mac => home()?.join(".config").join("zed"),
                System::Windows => settings()?.join("Zed"),
                System::Other => settings()?.join("zed"),
            }
            .join("settings.json"),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn file(host: Host, system: System, set: &[(&str, &str)]) -> String {
        let variable = |name: &str| {
            let found = set.iter().find(|(known, _)| *known == name);
            found.map(|(_, value)| OsString::from(value))
        };
        let path = host.file(system, &variable).unwrap();
        path.to_str().unwrap().replace('\\', "/")
    }

    #[test]
    fn each_host_is_found_on_each_system() {
        let mac = [("HOME", "/Users/ada")];
        let windows = [
            ("USERPROFILE", "C:/Users/ada"),
            ("APPDATA", "C:/Users/ada/AppData/Roaming"),
        ];
        let linux = [("HOME", "/home/ada")];
        let xdg = [("HOME", "/home/ada"), ("XDG_CONFIG_HOME", "/cfg")];
        for (host, on_mac, on_windows, on_linux, with_xdg) in [
            (
                Host::ClaudeDesktop,
                "/Users/ada/Library/Application Support/Claude/claude_desktop_config.json",
                "C:/Users/ada/AppData/Roaming/Claude/claude_desktop_config.json",
                "/home/ada/.config/Claude/claude_desktop_config.json",
                "/cfg/Claude/claude_desktop_config.json",
            ),
            (
                Host::ClaudeCode,
                "/Users/ada/.claude.json",
                "C:/Users/ada/.claude.json",
                "/home/ada/.claude.json",
                "/home/ada/.claude.json",
            ),
            (
                Host::Cursor,
                "/Users/ada/.cursor/mcp.json",
                "C:/Users/ada/.cursor/mcp.json",
                "/home/ada/.cursor/mcp.json",
                "/home/ada/.cursor/mcp.json",
            ),
            (
                Host::Vscode,
                "/Users/ada/Library/Application Support/Code/User/mcp.json",
                "C:/Users/ada/AppData/Roaming/Code/User/mcp.json",
                "/home/ada/.config/Code/User/mcp.json",
                "/cfg/Code/User/mcp.json",
            ),
            (
                Host::Zed,
                "/Users/ada/.config/zed/settings.json",
                "C:/Users/ada/AppData/Roaming/Zed/settings.json",
                "/home/ada/.config/zed/settings.json",
                "/cfg/zed/settings.json",
            ),
        ] {
            assert_eq!(file(host, System::Mac, &mac), on_mac);
            assert_eq!(file(host, System::Windows, &windows), on_windows);
            assert_eq!(file(host, System::Other, &linux), on_linux);
            assert_eq!(file(host, System::Other, &xdg), with_xdg);
        }
        assert_eq!(Host::Zed.file(System::Windows, &|_| None), Err("APPDATA"));
    }
}
