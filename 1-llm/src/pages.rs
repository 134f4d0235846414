//! The learning path's own pages, embedded when the crate is built.

/// One page of the learning path.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Page {
    /// A short name: `readme`, `1-llm`, `2-server`, `3-client`, `tests`, `security`, `glossary`.
    pub name: &'static str,
    /// The file, from the root of the repository.
    pub file: &'static str,
    /// Its text, in Markdown.
    pub text: &'static str,
}

/// The pages as they stand in the repository, in reading order.
const PATH: &[Page] = &include!(concat!(env!("OUT_DIR"), "/pages.rs"));

/// Always there, so that the words are explained even where the pages aren't.
const GLOSSARY: Page = Page {
    name: "glossary",
    file: "1-llm/src/tutor/glossary.md",
    text: include_str!("tutor/glossary.md"),
};

/// All pages, in reading order.
pub fn all() -> impl Iterator<Item = &'static Page> {
    PATH.iter().chain(std::iter::once(&GLOSSARY))
}

/// The page of that name.
pub fn get(name: &str) -> Option<&'static Page> {
    all().find(|page| page.name == name)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_embedded_is_what_stands_on_disk() {
        let root = std::path::Path::new(env!("CARGO_MANIFEST_DIR"))
            .parent()
            .unwrap();
        for (name, file) in [
            ("readme", "README.md"),
            ("1-llm", "1-llm/README.md"),
            ("2-server", "2-server/README.md"),
            ("3-client", "3-client/README.md"),
            ("tests", "tests/README.md"),
            ("security", "SECURITY.md"),
            ("glossary", "1-llm/src/tutor/glossary.md"),
        ] {
            let on_disk = std::fs::read_to_string(root.join(file)).ok();
            let embedded = get(name).map(|page| page.text.to_owned());
            assert!(
                embedded == on_disk,
                "{file} has changed: run `touch 1-llm/build.rs` and build again"
            );
        }
    }

    #[test]
    fn names_are_unique_and_an_unknown_one_has_no_page() {
        let mut names: Vec<_> = all().map(|page| page.name).collect();
        names.sort_unstable();
        names.dedup();
        assert_eq!(names.len(), all().count());
        assert_eq!(get("../Cargo.toml"), None);
    }
}
