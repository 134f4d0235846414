//! Chats and pins on disk: readable by their owner only, written whole or not at all.

use std::io::{self, Write as _};
use std::path::{Path, PathBuf};
use std::time::SystemTime;

use serde::{Deserialize, Serialize};

use crate::app::conversation::{Body, Entry};
use crate::app::pins::Pins;
use crate::app::{Chat, SavedChat};
use crate::untrusted::label;

/// Chats that are listed; older ones stay on disk.
const MAX_LISTED: usize = 500;
/// A file larger than this isn't one of ours.
const MAX_FILE: u64 = 64 * 1024 * 1024;

/// A chat as it is written.
#[derive(Debug, Serialize, Deserialize)]
pub struct ChatFile {
    /// Its name.
    pub name: String,
    /// Its model.
    pub model: Option<String>,
    /// What was said. Approvals aren't kept: each run asks anew.
    pub entries: Vec<Entry>,
}

/// The state directory.
#[derive(Debug, Clone)]
pub struct Store {
    root: PathBuf,
}

impl Store {
    /// `$XDG_STATE_HOME/learn-mcp`, or `~/.local/state/learn-mcp`. Nothing when there is no home:
    /// then nothing is kept.
    #[must_use]
    pub fn find(env: &dyn Fn(&str) -> Option<String>) -> Option<Self> {
        let base = env("XDG_STATE_HOME")
            .map(PathBuf::from)
            .filter(|p| p.is_absolute())
            .or_else(|| Some(PathBuf::from(env("HOME")?).join(".local/state")))?;
        Some(Self {
            root: base.join("learn-mcp"),
        })
    }

    /// A store at a place of its own.
    #[must_use]
    pub fn at(root: &Path) -> Self {
        Self {
            root: root.to_owned(),
        }
    }

    fn chat_path(&self, key: &str) -> io::Result<PathBuf> {
        // A key is made here, or read from a file name; it must not lead elsewhere.
        if key.is_empty() || !key.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-') {
            return Err(io::Error::new(
                io::ErrorKind::InvalidInput,
                "not the key of a chat",
            ));
        }
        Ok(self.root.join("chats").join(format!("{key}.json")))
    }

    /// Writes a chat.
    ///
    /// # Errors
    /// When the directory or the file can't be written.
    pub fn save(&self, chat: &ChatImage) -> io::Result<()> {
        write_private(&self.chat_path(&chat.key)?, chat.json.as_bytes())
    }

    /// Reads a chat.
    ///
    /// # Errors
    /// When it isn't there or isn't a chat.
    pub fn open(&self, key: &str) -> io::Result<ChatFile> {
        let path = self.chat_path(key)?;
        if std::fs::metadata(&path)?.len() > MAX_FILE {
            return Err(io::Error::new(
                io::ErrorKind::InvalidData,
                "the file is too large to be a chat",
            ));
        }
        serde_json::from_slice(&std::fs::read(path)?).map_err(io::Error::other)
    }

    /// The saved chats, newest first.
    #[must_use]
    pub fn list(&self) -> Vec<SavedChat> {
        let Ok(dir) = std::fs::read_dir(self.root.join("chats")) else {
            return Vec::new();
        };
        let mut files: Vec<(SystemTime, String)> = dir
            .filter_map(|file| {
                let file = file.ok()?;
                let key = file.file_name().to_str()?.strip_suffix(".json")?.to_owned();
                Some((file.metadata().ok()?.modified().ok()?, key))
            })
            .collect();
        files.sort_by_key(|(at, _)| std::cmp::Reverse(*at));
        files
            .into_iter()
            .take(MAX_LISTED)
            .filter_map(|(at, key)| {
                let file = self.open(&key).ok()?;
                Some(SavedChat {
                    key,
                    name: label(&file.name, 40),
                    gist: gist(&file.entries),
                    when: ago(at),
                })
            })
            .collect()
    }

    /// Reads the pins. A file that can't be read is no reason to trust everything anew in silence.
    ///
    /// # Errors
    /// When it is there but broken.
    pub fn pins(&self) -> io::Result<Pins> {
        match std::fs::read(self.root.join("pins.json")) {
            Ok(bytes) => serde_json::from_slice(&bytes).map_err(io::Error::other),
            Err(e) if e.kind() == io::ErrorKind::NotFound => Ok(Pins::default()),
            Err(e) => Err(e),
        }
    }

    /// Writes the pins.
    ///
    /// # Errors
    /// When the file can't be written.
    pub fn save_pins(&self, pins: &Pins) -> io::Result<()> {
        write_private(
            &self.root.join("pins.json"),
            &serde_json::to_vec(pins).map_err(io::Error::other)?,
        )
    }

    /// Writes the wire log and says where.
    ///
    /// # Errors
    /// When the file can't be written.
    pub fn save_wire(&self, run: &str, jsonl: &str) -> io::Result<PathBuf> {
        let path = self.root.join(format!("wire-{run}.jsonl"));
        write_private(&path, jsonl.as_bytes())?;
        Ok(path)
    }
}

/// What a chat looks like at one moment, ready to be written by another thread.
#[derive(Debug)]
pub struct ChatImage {
    key: String,
    json: String,
}

impl ChatImage {
    /// Takes the picture. Nothing when there is nothing to keep.
    #[must_use]
    pub fn of(chat: &Chat) -> Option<Self> {
        if !chat
            .entries
            .iter()
            .any(|e| matches!(e.body, Body::User { .. }))
        {
            return None;
        }
        #[derive(Serialize)]
        struct Picture<'a> {
            name: &'a str,
            model: &'a Option<String>,
            entries: &'a [Entry],
        }
        let json = serde_json::to_string(&Picture {
            name: &chat.name,
            model: &chat.model,
            entries: &chat.entries,
        })
        .ok()?;
        Some(Self {
            key: chat.key.clone(),
            json,
        })
    }
}

/// Writes beside the target and renames: a crash leaves the old file or the new one, never half.
fn write_private(path: &Path, bytes: &[u8]) -> io::Result<()> {
    let dir = path
        .parent()
        .ok_or_else(|| io::Error::new(io::ErrorKind::InvalidInput, "no directory"))?;
    make_private_dir(dir)?;
    // A temporary file is made with mode 0600, and the rename keeps it.
    let mut file = tempfile::NamedTempFile::new_in(dir)?;
    file.write_all(bytes)?;
    file.as_file().sync_data()?;
    file.persist(path).map_err(|e| e.error)?;
    Ok(())
}

fn make_private_dir(dir: &Path) -> io::Result<()> {
    let mut builder = std::fs::DirBuilder::new();
    builder.recursive(true);
    #[cfg(unix)]
    {
        use std::os::unix::fs::DirBuilderExt as _;
        builder.mode(0o700);
    }
    builder.create(dir)
}

/// Writes an export into the working directory under a name that isn't taken.
///
/// # Errors
/// When the file can't be written.
pub fn export(name: &str, extension: &str, text: &str) -> io::Result<PathBuf> {
    export_to(Path::new(""), name, extension, text)
}

fn export_to(dir: &Path, name: &str, extension: &str, text: &str) -> io::Result<PathBuf> {
    let stem: String = name
        .chars()
        .map(|c| if c.is_alphanumeric() { c } else { '-' })
        .take(60)
        .collect();
    for n in 0..1000 {
        let path = dir.join(if n == 0 {
            format!("{stem}.{extension}")
        } else {
            format!("{stem}-{n}.{extension}")
        });
        let mut options = std::fs::OpenOptions::new();
        options.write(true).create_new(true);
        #[cfg(unix)]
        {
            use std::os::unix::fs::OpenOptionsExt as _;
            // As private as the saved chat that it is a copy of.
            options.mode(0o600);
        }
        match options.open(&path) {
            Ok(mut file) => {
                file.write_all(text.as_bytes())?;
                return Ok(path);
            }
            Err(e) if e.kind() == io::ErrorKind::AlreadyExists => {}
            Err(e) => return Err(e),
        }
    }
    Err(io::Error::new(
        io::ErrorKind::AlreadyExists,
        "a thousand exports of this name are enough",
    ))
}

fn gist(entries: &[Entry]) -> String {
    let first = entries.iter().find_map(|e| match &e.body {
        Body::User { text, .. } => Some(text.as_str()),
        _ => None,
    });
    label(first.unwrap_or_default(), 300)
}

fn ago(at: SystemTime) -> String {
    let minutes = at.elapsed().map_or(0, |d| d.as_secs() / 60);
    match minutes {
        0 => "just now".into(),
        1..60 => format!("{minutes} min ago"),
        60..2880 => format!("{} h ago", minutes / 60),
        _ => format!("{} days ago", minutes / 1440),
    }
}

/// A name for this run that no other has.
#[must_use]
pub fn run_name() -> String {
    let mut random = [0u8; 4];
    // Without randomness the time alone still tells runs apart.
    let _ = getrandom::fill(&mut random);
    let seconds = SystemTime::now()
        .duration_since(SystemTime::UNIX_EPOCH)
        .map_or(0, |d| d.as_secs());
    format!("{seconds:x}-{:08x}", u32::from_be_bytes(random))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::app::App;
    use crate::config::{Config, Given};

    fn app() -> App {
        let mut app = App::new(&Config::load(&Given::default(), &|_| None).unwrap());
        app.set_run("run");
        app
    }

    #[test]
    fn a_chat_comes_back_as_it_was_and_only_its_owner_can_read_it() {
        let dir = tempfile::tempdir().unwrap();
        let store = Store::at(dir.path());
        let mut app = app();
        app.open(
            "run-9".into(),
            "plans".into(),
            Some("m".into()),
            vec![Body::User {
                text: "hi\u{1b}".into(),
                attached: Vec::new(),
            }],
        );
        store.save(&ChatImage::of(app.chat()).unwrap()).unwrap();
        let back = store.open("run-9").unwrap();
        assert_eq!(
            (back.name.as_str(), back.model.as_deref()),
            ("plans", Some("m"))
        );
        assert_eq!(
            back.entries[0].body,
            app.chat().entries[0].body,
            "byte for byte, hostile bytes too"
        );
        assert_eq!(store.list()[0].name, "plans");
        #[cfg(unix)]
        {
            use std::os::unix::fs::PermissionsExt as _;
            let mode = |path: &Path| std::fs::metadata(path).unwrap().permissions().mode() & 0o777;
            assert_eq!(mode(&dir.path().join("chats/run-9.json")), 0o600);
            assert_eq!(mode(&dir.path().join("chats")), 0o700);
        }
    }

    #[cfg(unix)]
    #[test]
    fn an_export_can_be_read_by_its_owner_only() {
        use std::os::unix::fs::PermissionsExt as _;
        let dir = tempfile::tempdir().unwrap();
        let path = export_to(dir.path(), "../plans", "md", "x").unwrap();
        assert_eq!(path.parent(), Some(dir.path()));
        let mode = std::fs::metadata(&path).unwrap().permissions().mode();
        assert_eq!(mode & 0o777, 0o600);
        let second = export_to(dir.path(), "../plans", "md", "y").unwrap();
        assert_ne!(path, second, "nothing is written over");
    }

    #[test]
    fn a_key_cannot_lead_out_of_the_directory() {
        let dir = tempfile::tempdir().unwrap();
        assert!(Store::at(dir.path()).open("../../etc/passwd").is_err());
    }

    #[test]
    fn a_chat_without_a_message_is_not_kept() {
        assert!(ChatImage::of(app().chat()).is_none());
    }

    #[test]
    fn broken_pins_are_an_error_and_missing_ones_are_not() {
        let dir = tempfile::tempdir().unwrap();
        let store = Store::at(dir.path());
        assert_eq!(store.pins().unwrap(), Pins::default());
        std::fs::write(dir.path().join("pins.json"), "{").unwrap();
        assert!(store.pins().is_err());
    }
}
