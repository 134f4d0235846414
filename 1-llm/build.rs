//! Embeds the learning path's pages, so that the tutor and the server can show them on a machine
//! that has only the binary.

use std::{env, error::Error, fmt::Write as _, fs, path::Path};

/// Name → file, in reading order. A page that isn't there yet is left out.
const PAGES: [(&str, &str); 6] = [
    ("readme", "README.md"),
    ("1-llm", "1-llm/README.md"),
    ("2-server", "2-server/README.md"),
    ("3-client", "3-client/README.md"),
    ("tests", "tests/README.md"),
    ("security", "SECURITY.md"),
];

fn main() -> Result<(), Box<dyn Error>> {
    println!("cargo::rerun-if-changed=build.rs");
    let crate_dir = env::var("CARGO_MANIFEST_DIR")?;
    let root = Path::new(&crate_dir)
        .parent()
        .ok_or("the crate has no parent folder")?;
    let mut list = String::from("[\n");
    for (name, file) in PAGES {
        let path = root.join(file);
        if !path.is_file() {
            // Not watched: a watched file that doesn't exist makes every build a rebuild. A test
            // compares what is embedded with what is on disk.
            continue;
        }
        println!("cargo::rerun-if-changed={}", path.display());
        writeln!(
            list,
            "    Page {{ name: {name:?}, file: {file:?}, text: include_str!({path:?}) }},"
        )?;
    }
    list.push(']');
    fs::write(Path::new(&env::var("OUT_DIR")?).join("pages.rs"), list)?;
    Ok(())
}
