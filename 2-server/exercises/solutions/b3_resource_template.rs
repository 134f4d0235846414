//! The name is decoded first and judged then, and it must be one plain name.

use std::{
    fs,
    path::{Component, Path, PathBuf},
};

use percent_encoding::percent_decode_str;
use rmcp::{ErrorData, model::ResourceTemplate};

/// The notes of a folder, as `notes://{name}`.
#[derive(Debug)]
pub struct Notes {
    pub folder: PathBuf,
}

impl Notes {
    /// What `resources/templates/list` shows.
    pub fn templates(&self) -> Vec<ResourceTemplate> {
        let notes = ResourceTemplate::new("notes://{name}", "notes")
            .with_title("A note")
            .with_description("The text of a note, by its name.")
            .with_mime_type("text/plain");
        vec![notes]
    }

    /// The text of a note.
    pub fn read(&self, uri: &str) -> Result<String, ErrorData> {
        let unknown = || ErrorData::resource_not_found("there is no such note", None);
        let name = uri.strip_prefix("notes://").ok_or_else(unknown)?;
        let name = percent_decode_str(name)
            .decode_utf8()
            .map_err(|_| unknown())?;
        let mut components = Path::new(&*name).components();
        let (Some(Component::Normal(name)), None) = (components.next(), components.next()) else {
            return Err(unknown());
        };
        fs::read_to_string(self.folder.join(name)).map_err(|_| unknown())
    }
}
