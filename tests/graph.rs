//! No file uses itself by a detour: the imports between the files of a crate have no cycles, so that
//! each can be read before what is built on it.

use std::{
    collections::{BTreeMap, BTreeSet, VecDeque},
    path::PathBuf,
};

use crate::{
    learning_path::root,
    support::sources::{Sources, Use},
};

/// Every crate that has more than one file, by its root file.
const CRATES: [&str; 8] = [
    "1-llm/src/lib.rs",
    "1-llm/tests/ollama/main.rs",
    "2-server/src/lib.rs",
    "2-server/benches/speed/main.rs",
    "2-server/examples/conformance/main.rs",
    "3-client/src/lib.rs",
    "3-client/examples/bench-client/main.rs",
    "tests/main.rs",
];

/// The files that use each other in a circle today. This list only shrinks: what is broken up is
/// taken out of it.
const KNOWN: &[(&str, &[&str])] = &[
    (
        "3-client/src/lib.rs",
        &["app/approvals/mod.rs", "app/mod.rs", "event.rs"],
    ),
    (
        "3-client/src/lib.rs",
        &[
            "app/changes.rs",
            "app/overlays.rs",
            "app/picker.rs",
            "app/servers.rs",
        ],
    ),
    ("3-client/src/lib.rs", &["ui/entry.rs", "ui/rich/mod.rs"]),
];

/// Whether this is a folder's face that uses what is in its folder. It gathers what the folder has, as
/// `tools/mod.rs` does, so that the files in it may use what it defines for them.
fn is_face_of(one: &Use) -> bool {
    let from = &one.from;
    match from.file_name().and_then(|name| name.to_str()) {
        Some("mod.rs") => one.to.starts_with(from.parent().unwrap()),
        Some("lib.rs" | "main.rs") => true,
        _ => one.to.starts_with(from.with_extension("")),
    }
}

/// Files that reach each other: a cycle, or several that touch.
fn knots(uses: &[Use]) -> Vec<BTreeSet<PathBuf>> {
    let mut next: BTreeMap<&PathBuf, BTreeSet<&PathBuf>> = BTreeMap::new();
    for one in uses {
        next.entry(&one.from).or_default().insert(&one.to);
    }
    let reached = |from: &PathBuf| {
        let mut seen = BTreeSet::new();
        let mut open: Vec<&PathBuf> = next.get(from).into_iter().flatten().copied().collect();
        while let Some(file) = open.pop() {
            if seen.insert(file.clone()) {
                open.extend(next.get(file).into_iter().flatten());
            }
        }
        seen
    };
    let reach: BTreeMap<&PathBuf, BTreeSet<PathBuf>> =
        next.keys().map(|file| (*file, reached(file))).collect();
    let mut found = BTreeSet::new();
    for (file, there) in &reach {
        if there.contains(*file) {
            let back =
                |other: &&PathBuf| reach.get(*other).is_some_and(|back| back.contains(*file));
            found.insert(there.iter().filter(back).cloned().collect::<BTreeSet<_>>());
        }
    }
    found.into_iter().collect()
}

/// A shortest way from a file back to itself, as sentences.
fn way_round(knot: &BTreeSet<PathBuf>, uses: &[Use]) -> String {
    let start = knot.first().unwrap();
    let mut came: BTreeMap<&PathBuf, &Use> = BTreeMap::new();
    let mut open = VecDeque::from([start]);
    while let Some(file) = open.pop_front() {
        for one in uses.iter().filter(|one| one.from == *file) {
            if came.contains_key(&one.to) {
                continue;
            }
            came.insert(&one.to, one);
            open.push_back(&one.to);
        }
        if came.contains_key(start) {
            break;
        }
    }
    let mut steps = Vec::new();
    let mut at = start;
    loop {
        let one = came[at];
        steps.push(format!(
            "    {}:{} uses {} of {}",
            one.from.display(),
            one.line,
            one.what,
            one.to.display()
        ));
        at = &one.from;
        if at == start {
            break;
        }
    }
    steps.reverse();
    steps.join("\n")
}

#[test]
fn no_file_uses_itself_by_a_detour() {
    let mut wrong = Vec::new();
    for name in CRATES {
        let mut uses = Sources::read(&root().join(name)).uses();
        uses.retain(|one| !is_face_of(one));
        assert!(uses.len() > 1, "{name}: {uses:?}");
        let mut known: Vec<BTreeSet<PathBuf>> = KNOWN
            .iter()
            .filter(|(of, _)| *of == name)
            .map(|(_, files)| files.iter().map(PathBuf::from).collect())
            .collect();
        for knot in knots(&uses) {
            if let Some(at) = known.iter().position(|known| *known == knot) {
                known.remove(at);
                continue;
            }
            let files: Vec<String> = knot.iter().map(|file| file.display().to_string()).collect();
            wrong.push(format!(
                "{name}: {} files use each other in a circle: {}. One way round:\n{}",
                knot.len(),
                files.join(", "),
                way_round(&knot, &uses)
            ));
        }
        for gone in known {
            wrong.push(format!(
                "{name}: this cycle is no more, so take it out of KNOWN in tests/graph.rs (what is left of \
                 it, if anything, is reported above): {gone:?}"
            ));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn uses_are_found_wherever_they_stand_and_nowhere_else() {
    let disk = tempfile::tempdir().unwrap();
    for (file, text) in [
        (
            "lib.rs",
            "mod a; mod b; mod deep; #[cfg(test)] mod tests; pub use b::Passed;",
        ),
        (
            "a.rs",
            r##"
                //! crate::no::comment
                use crate::{b::{self, Thing as Other}, deep::Shown};
                /* use crate::deep::inner::Secret; /* nested */ */
                const TEXT: &str = "crate::deep::inner::Secret \" ";
                const RAW: &str = r#"crate::deep::inner::Secret " "#;
                fn f<'a>(it: &'a str) -> char { b::call(Other, '\''); '"' }
                #[cfg(test)]
                mod tests { use crate::deep::inner::Secret; }
            "##,
        ),
        (
            "b.rs",
            "pub struct Thing; pub struct Passed; pub fn call() { super::deep::inner::go() }",
        ),
        (
            "deep/mod.rs",
            "mod inner; mod pair { use super::inner::*; } pub use inner::Shown;",
        ),
        ("deep/inner.rs", "pub struct Shown; pub fn go() {}"),
        ("tests.rs", "use crate::deep::inner::Secret;"),
    ] {
        let path = disk.path().join(file);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(path, text).unwrap();
    }
    let sources = Sources::read(&disk.path().join("lib.rs"));
    let found = sources.uses();
    let found: BTreeSet<String> = found
        .iter()
        .map(|one| format!("{} {} {}", one.from.display(), one.what, one.to.display()))
        .collect();
    let expected = [
        "a.rs b::call b.rs",
        "a.rs crate::b::Thing b.rs",
        // What a face passes on is defined elsewhere.
        "a.rs crate::deep::Shown deep/inner.rs",
        "b.rs super::deep::inner::go deep/inner.rs",
        "deep/mod.rs super::inner::* deep/inner.rs",
    ];
    assert_eq!(found, expected.map(str::to_owned).into());
}
