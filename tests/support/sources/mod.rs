//! Reads a crate's source files far enough to know which file uses what of which other: its tokens,
//! its modules, its imports, and every path in its code. Tests inside of the files are left out.

mod reader;
mod tokens;

use std::{
    collections::{BTreeMap, BTreeSet},
    fs,
    path::{Path, PathBuf},
};

use reader::Reader;
use tokens::{tokens, without_tests};

/// A module: the names of those around it, from the root of the crate.
type ModulePath = Vec<String>;

/// A path in the code, as it is written, from where.
#[derive(Clone, Debug)]
struct Mention {
    module: ModulePath,
    path: Vec<String>,
    line: usize,
    /// `pub use` of a name that this file itself doesn't use.
    is_passed_on: bool,
}

/// What is known of a module.
#[derive(Debug, Default)]
struct Module {
    file: PathBuf,
    /// What `use` brings in, by the name that it has here, and where it comes from.
    imports: BTreeMap<String, Vec<String>>,
    /// What `use …::*` brings in.
    globs: Vec<Vec<String>>,
    items: BTreeSet<String>,
}

/// The files of a crate that are compiled into it, and what each says.
#[derive(Debug)]
pub struct Sources {
    root: PathBuf,
    modules: BTreeMap<ModulePath, Module>,
    mentions: Vec<Mention>,
}

/// One file uses something of another.
#[derive(Clone, Debug)]
pub struct Use {
    pub from: PathBuf,
    pub line: usize,
    /// What is used, as it is written.
    pub what: String,
    pub to: PathBuf,
}

impl Sources {
    /// Reads a crate, beginning with its root file.
    pub fn read(root_file: &Path) -> Self {
        let mut sources = Self {
            root: root_file.parent().unwrap().to_owned(),
            modules: BTreeMap::new(),
            mentions: Vec::new(),
        };
        sources.add_file(root_file, &[], true);
        sources
    }

    /// The files, as paths below the crate's root.
    pub fn files(&self) -> BTreeSet<PathBuf> {
        let files = self.modules.values();
        files.map(|module| self.short(&module.file)).collect()
    }

    /// Every use of one file by another.
    pub fn uses(&self) -> Vec<Use> {
        let mut found = Vec::new();
        for mention in self.mentions.iter().filter(|mention| !mention.is_passed_on) {
            let Some(to) = self.file_of(mention) else {
                continue;
            };
            let from = &self.modules[&mention.module].file;
            if *from != to {
                found.push(Use {
                    from: self.short(from),
                    line: mention.line,
                    what: mention.path.join("::"),
                    to: self.short(&to),
                });
            }
        }
        found
    }

    /// Every use of another crate of this list, as file, line and crate.
    pub fn uses_of_crates(&self, crates: &BTreeSet<String>) -> Vec<(PathBuf, usize, String)> {
        let mut found = Vec::new();
        for mention in &self.mentions {
            let first = &mention.path[0];
            let here = &self.modules[&mention.module];
            let is_ours = self.child(&mention.module, first).is_some()
                || here
                    .imports
                    .get(first)
                    .is_some_and(|path| path[0] != *first);
            if !is_ours && crates.contains(first) {
                found.push((self.short(&here.file), mention.line, first.clone()));
            }
        }
        found
    }

    fn short(&self, file: &Path) -> PathBuf {
        file.strip_prefix(&self.root).unwrap_or(file).to_owned()
    }

    fn child(&self, module: &[String], name: &str) -> Option<ModulePath> {
        let mut path = module.to_vec();
        path.push(name.to_owned());
        self.modules.contains_key(&path).then_some(path)
    }

    /// The file that defines what a path means; `None` for a module itself, and for what isn't ours.
    fn file_of(&self, mention: &Mention) -> Option<PathBuf> {
        match self.resolve(&mention.module, &mention.path, 0)? {
            Meaning::Module(_) => None,
            Meaning::Item(module) => Some(self.modules[&module].file.clone()),
        }
    }

    fn resolve(&self, from: &[String], path: &[String], depth: usize) -> Option<Meaning> {
        // Imports may lead in circles, as `pub use` of each other's names.
        if depth > 32 {
            return None;
        }
        let mut rest = path;
        let mut here = match path[0].as_str() {
            "crate" => Vec::new(),
            "self" => from.to_vec(),
            "super" => from[..from.len().checked_sub(1)?].to_vec(),
            first => {
                if self.child(from, first).is_none() {
                    let import = self.modules[from].imports.get(first)?;
                    if import[0] == first {
                        return None; // `use http::…`: a crate's name
                    }
                    let meant = self.resolve(from, import, depth + 1)?;
                    return self.follow(meant, &path[1..], depth);
                }
                from.to_vec()
            }
        };
        if matches!(path[0].as_str(), "crate" | "self" | "super") {
            rest = &path[1..];
            while let Some(("super", more)) = rest.split_first().map(|(a, b)| (a.as_str(), b)) {
                here.pop()?;
                rest = more;
            }
        }
        self.follow(Meaning::Module(here), rest, depth)
    }

    /// Goes on from a meaning with what is left of a path.
    fn follow(&self, meaning: Meaning, rest: &[String], depth: usize) -> Option<Meaning> {
        let (Meaning::Module(module), Some(name)) = (&meaning, rest.first()) else {
            return Some(meaning);
        };
        if let Some(child) = self.child(module, name) {
            return self.follow(Meaning::Module(child), &rest[1..], depth);
        }
        let known = &self.modules[module];
        if !known.items.contains(name) {
            if let Some(import) = known.imports.get(name) {
                let meant = self.resolve(module, import, depth + 1)?;
                return self.follow(meant, &rest[1..], depth);
            }
            for glob in &known.globs {
                let Some(Meaning::Module(of)) = self.resolve(module, glob, depth + 1) else {
                    continue;
                };
                if self.modules[&of].items.contains(name) {
                    return Some(Meaning::Item(of));
                }
            }
        }
        Some(Meaning::Item(module.clone()))
    }

    fn add_file(&mut self, file: &Path, module: &[String], is_face: bool) {
        let text =
            fs::read_to_string(file).unwrap_or_else(|why| panic!("{}: {why}", file.display()));
        let tokens = without_tests(&tokens(&text));
        let folder = match (is_face, file.parent(), file.file_stem()) {
            (true, Some(parent), _) => parent.to_owned(),
            (false, Some(parent), Some(stem)) => parent.join(stem),
            _ => panic!("{} is no source file", file.display()),
        };
        Reader::new(self, file, folder, &tokens).module(module);
    }
}

/// What a path means.
enum Meaning {
    Module(ModulePath),
    /// Something that this module defines.
    Item(ModulePath),
}
