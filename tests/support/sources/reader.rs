//! Goes through a file's tokens, and notes what it defines, imports and mentions.

use std::path::{Path, PathBuf};

use super::{
    Mention, Module, Sources,
    tokens::{Token, is_word},
};

/// Goes through the tokens of one file.
pub(super) struct Reader<'a> {
    sources: &'a mut Sources,
    file: PathBuf,
    /// Where the files of its child modules are.
    folder: PathBuf,
    tokens: &'a [Token],
    at: usize,
}

impl<'a> Reader<'a> {
    pub(super) fn new(
        sources: &'a mut Sources,
        file: &Path,
        folder: PathBuf,
        tokens: &'a [Token],
    ) -> Self {
        Self {
            sources,
            file: file.to_owned(),
            folder,
            tokens,
            at: 0,
        }
    }

    fn text(&self, ahead: usize) -> &str {
        self.tokens
            .get(self.at + ahead)
            .map_or("", |token| &token.text)
    }

    /// Reads a module, to its closing brace or to the end of the file.
    pub(super) fn module(&mut self, path: &[String]) {
        let module = Module {
            file: self.file.clone(),
            ..Module::default()
        };
        self.sources.modules.insert(path.to_vec(), module);
        let (mut depth, mut at_path) = (0_usize, None);
        while self.at < self.tokens.len() {
            let (word, next) = (self.text(0).to_owned(), self.text(1).to_owned());
            match word.as_str() {
                "{" => depth += 1,
                "}" if depth == 0 => {
                    self.at += 1;
                    return;
                }
                "}" => depth -= 1,
                // #[path = "…"] in front of a `mod`.
                "path" if next == "=" && self.text(2).starts_with('"') => {
                    at_path = Some(self.text(2).trim_matches('"').to_owned());
                }
                "mod" if self.text(2) == ";" => {
                    self.at += 3;
                    self.child_file(path, &next, at_path.take());
                    continue;
                }
                "mod" if self.text(2) == "{" => {
                    self.at += 3;
                    let mut inner = path.to_vec();
                    inner.push(next.clone());
                    let folder = self.folder.join(&next);
                    let outer = std::mem::replace(&mut self.folder, folder);
                    self.module(&inner);
                    self.folder = outer;
                    continue;
                }
                "use" => {
                    let before = self
                        .at
                        .checked_sub(1)
                        .map_or("", |at| &self.tokens[at].text);
                    let is_public = matches!(before, "pub" | ")");
                    self.at += 1;
                    self.import(path, &[], is_public);
                    continue;
                }
                "fn" | "struct" | "enum" | "trait" | "type" | "const" | "static" | "union"
                    if depth == 0 =>
                {
                    let name = if matches!(next.as_str(), "mut" | "fn") {
                        self.text(2)
                    } else {
                        &next
                    };
                    let name = name.to_owned();
                    self.here(path).items.insert(name);
                }
                "macro_rules" if next == "!" => {
                    let name = self.text(2).to_owned();
                    self.here(path).items.insert(name);
                }
                _ if is_word(&word) && next == "::" => {
                    self.mention(path);
                    continue;
                }
                _ => {}
            }
            self.at += 1;
        }
    }

    fn here(&mut self, path: &[String]) -> &mut Module {
        self.sources.modules.get_mut(path).unwrap()
    }

    fn child_file(&mut self, parent: &[String], name: &str, at_path: Option<String>) {
        let mut path = parent.to_vec();
        path.push(name.to_owned());
        let (plain, face) = (
            self.folder.join(format!("{name}.rs")),
            self.folder.join(name).join("mod.rs"),
        );
        match at_path {
            Some(place) => {
                let file = self.file.parent().unwrap().join(place);
                self.sources.add_file(&file, &path, true);
            }
            None if plain.is_file() => self.sources.add_file(&plain, &path, false),
            None => self.sources.add_file(&face, &path, true),
        }
    }

    /// A path in the code, from its first word.
    fn mention(&mut self, module: &[String]) {
        let line = self.tokens[self.at].line;
        // `.collect::<…>`, `$crate` and `<T as Trait>::…` begin elsewhere.
        let before = self
            .at
            .checked_sub(1)
            .map_or("", |at| &self.tokens[at].text);
        let goes_on = matches!(before, "." | "::");
        let mut path = vec![self.text(0).to_owned()];
        self.at += 1;
        while self.text(0) == "::" && is_word(self.text(1)) {
            path.push(self.text(1).to_owned());
            self.at += 2;
        }
        if !goes_on {
            self.note(module, path, line, false);
        }
    }

    /// A tree of imports, behind `use` or an opening brace, with what stands in front of it.
    fn import(&mut self, module: &[String], prefix: &[String], is_public: bool) {
        let mut path = prefix.to_vec();
        let line = self.tokens[self.at].line;
        let mut name = None;
        loop {
            let word = self.text(0).to_owned();
            self.at += 1;
            match word.as_str() {
                "::" => {}
                "{" => {
                    self.import(module, &path, is_public);
                    // The comma or the end that follows closes a path which was a group.
                    path.clear();
                }
                "*" => {
                    self.here(module).globs.push(path.clone());
                    self.note(
                        module,
                        [path.clone(), vec!["*".to_owned()]].concat(),
                        line,
                        is_public,
                    );
                    path.clear();
                }
                "as" => {
                    name = Some(self.text(0).to_owned());
                    self.at += 1;
                }
                "," | "}" | ";" | "" => {
                    if path.len() > prefix.len() {
                        self.imported(
                            module,
                            std::mem::take(&mut path),
                            name.take(),
                            line,
                            is_public,
                        );
                    }
                    path = prefix.to_vec();
                    if word != "," {
                        return;
                    }
                }
                _ => path.push(word),
            }
        }
    }

    fn imported(
        &mut self,
        module: &[String],
        mut path: Vec<String>,
        name: Option<String>,
        line: usize,
        is_public: bool,
    ) {
        if path.len() > 1 && path.last().is_some_and(|last| last == "self") {
            path.pop();
        }
        let name = name.unwrap_or_else(|| path.last().unwrap().clone());
        let named = self.tokens.iter().filter(|token| token.text == name);
        let is_passed_on = is_public && named.count() == 1;
        self.note(module, path.clone(), line, is_passed_on);
        self.here(module).imports.insert(name, path);
    }

    fn note(&mut self, module: &[String], path: Vec<String>, line: usize, is_passed_on: bool) {
        self.sources.mentions.push(Mention {
            module: module.to_vec(),
            path,
            line,
            is_passed_on,
        });
    }
}
