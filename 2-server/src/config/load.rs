//! Which value comes from where: the file's, a variable's, or the default.

use std::{
    collections::BTreeMap,
    fmt, fs,
    ops::Range,
    path::{Path, PathBuf, absolute},
};

use toml::{
    Table,
    de::{DeTable, DeValue},
};

use super::{
    Config, ConfigError, environment,
    problem::{self, Refusal},
};

/// Where a value was set.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Origin {
    /// In the file.
    Line {
        /// The file.
        path: PathBuf,
        /// The line, from 1.
        line: usize,
    },
    /// By this variable.
    Variable(String),
}

impl fmt::Display for Origin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Line { path, line } => write!(f, "{}:{line}", path.display()),
            Self::Variable(name) => f.write_str(name),
        }
    }
}

/// A configuration that could be read, and where its values come from.
#[derive(Debug, Clone)]
pub struct Loaded {
    /// The values.
    pub config: Config,
    /// Where each value was set that isn't the default, by the setting's name.
    pub origins: BTreeMap<String, Origin>,
    /// What is probably a mistake, and isn't certainly one.
    pub warnings: Vec<String>,
}

impl Config {
    /// Reads the file, puts the environment on top, and refuses what can't work.
    ///
    /// Without a file, the defaults are what the environment goes on top of.
    ///
    /// # Errors
    /// [`ConfigError`], which names the file and line, or the variable.
    pub fn load(
        file: Option<&Path>,
        environment: impl Iterator<Item = (String, String)>,
    ) -> Result<Self, ConfigError> {
        let loaded = Loaded::read(file, environment)?;
        let problem = loaded.problems().next();
        problem.map_or(Ok(loaded.config), Err)
    }
}

impl Loaded {
    /// Reads the file and puts the environment on top.
    ///
    /// # Errors
    /// [`ConfigError`] for what can't be read. What can't work is in [`problems`](Self::problems).
    pub fn read(
        file: Option<&Path>,
        environment: impl Iterator<Item = (String, String)>,
    ) -> Result<Self, ConfigError> {
        let (table, mut origins) = match file {
            Some(path) => from_file(path)?,
            None => (Table::new(), BTreeMap::new()),
        };
        let overlaid = environment::overlay(table, environment)?;
        for (setting, variable) in overlaid.variables {
            origins.insert(setting, Origin::Variable(variable));
        }
        let mut loaded = Self {
            config: overlaid.config,
            origins,
            warnings: overlaid.warnings,
        };
        loaded.root_paths();
        Ok(loaded)
    }

    /// A path in the file is relative to the file, so that a server finds it wherever it is started;
    /// in a variable it is relative to the folder that it is started in. Every error names the whole
    /// of it.
    fn root_paths(&mut self) {
        let Config {
            server,
            auth,
            audit,
            ..
        } = &mut self.config;
        for (setting, path) in [
            ("server.tls_cert", &mut server.tls_cert),
            ("server.tls_key", &mut server.tls_key),
            ("auth.keys_file", &mut auth.keys_file),
            ("audit.file", &mut audit.file),
        ] {
            // An empty path leads nowhere, and stays so.
            let Some(path) = path.as_mut().filter(|path| !path.as_os_str().is_empty()) else {
                continue;
            };
            if let Some(Origin::Line { path: file, .. }) = self.origins.get(setting)
                && let Some(folder) = file.parent()
            {
                *path = folder.join(&*path);
            }
            *path = absolute(&*path).unwrap_or_else(|_nowhere| path.clone());
        }
    }

    /// Everything that can't work, the worst first.
    pub fn problems(&self) -> impl Iterator<Item = ConfigError> + use<'_> {
        let refusals = self.config.refusals().into_iter();
        refusals.map(|Refusal { field, why }| self.placed(&field, why))
    }

    /// A refusal, with the place where the setting was set in front.
    pub fn placed(&self, field: &str, why: String) -> ConfigError {
        let field = match self.origin(field) {
            Some(origin) => format!("{origin}: {field}"),
            None => field.to_owned(),
        };
        ConfigError::Refused { field, why }
    }

    /// Where a setting was set; of a part, where the whole was.
    pub fn origin(&self, setting: &str) -> Option<&Origin> {
        let mut name = setting;
        loop {
            if let Some(origin) = self.origins.get(name) {
                return Some(origin);
            }
            name = name.rsplit_once('.')?.0;
        }
    }
}

fn from_file(path: &Path) -> Result<(Table, BTreeMap<String, Origin>), ConfigError> {
    let unreadable = |source| ConfigError::Read {
        path: absolute(path).unwrap_or_else(|_| path.into()),
        source,
    };
    let text = fs::read_to_string(path).map_err(unreadable)?;
    let wrong = |error: &toml::de::Error, places: &[Place]| {
        let at = error.span().map_or(0, |span| span.start);
        let line = line_of(&text, at);
        // The innermost setting around it; of a table, the one whose header stands there.
        let around = places.iter().filter(|place| place.range.contains(&at));
        let on_line = |place: &&Place| line_of(&text, place.range.start) == line;
        let setting = around.min_by_key(|place| place.range.len()).or_else(|| {
            let header = places.iter().filter(on_line);
            header.max_by_key(|place| place.setting.len())
        });
        ConfigError::Syntax {
            path: path.into(),
            line,
            message: problem::explain(setting.map_or("", |place| &place.setting), error.message()),
        }
    };
    let parsed = DeTable::parse(&text).map_err(|error| wrong(&error, &[]))?;
    let mut places = Vec::new();
    collect(&mut places, "", parsed.get_ref());
    // Before the environment goes on top, so that a mistake is found at its line.
    let _: Config = toml::from_str(&text).map_err(|error| wrong(&error, &places))?;
    let table: Table = text.parse().map_err(|error| wrong(&error, &places))?;
    let origins = places.into_iter().map(|place| {
        let line = line_of(&text, place.range.start);
        let path = path.to_path_buf();
        (place.setting, Origin::Line { path, line })
    });
    Ok((table, origins.collect()))
}

/// A setting, and the characters that it takes, from its name to its end.
struct Place {
    setting: String,
    range: Range<usize>,
}

fn collect(places: &mut Vec<Place>, above: &str, table: &DeTable<'_>) {
    for (name, value) in table {
        let setting = if above.is_empty() {
            name.get_ref().to_string()
        } else {
            format!("{above}.{}", name.get_ref())
        };
        let range = name.span().start..value.span().end.max(name.span().end);
        if let DeValue::Table(inner) = value.get_ref() {
            collect(places, &setting, inner);
        }
        places.push(Place { setting, range });
    }
}

fn line_of(text: &str, at: usize) -> usize {
    let before = text.get(..at).unwrap_or_default();
    before.matches('\n').count() + 1
}
