//! # b9 · Find the edited line
//!
//! The server records every call, one line each. Whoever broke in wants to take their line out again.
//! So each line ends in a *link*: the SHA-256 of the link before it and of the line itself. Whoever
//! edits, removes or moves a line breaks the chain at that place, unless they write everything after
//! it anew.
//!
//! `first_broken` below only looks whether each line is JSON. Make it follow the chain. `open` and
//! `link` take a line apart and make a link; the link before the first line is `START`.
//!
//! - In the real code: `2-server/src/interceptor/audit/chain.rs`; on the command line
//!   `mcp-server audit verify FILE`.
//! - Specification: <https://modelcontextprotocol.io/specification/2026-07-28/server/tools#security-considerations>: log tool
//!   usage for audit purposes.
#![allow(unreachable_pub, clippy::unwrap_used, reason = "a test")]

mod support;

mod b9 {
    use sha2::{Digest as _, Sha256};

    /// The link before the first line.
    #[allow(dead_code, reason = "your solution uses it")]
    const START: [u8; 32] = [0; 32];

    /// What was hashed of a line, and the link that it ends in; `None` when it has none.
    #[allow(dead_code, reason = "your solution uses it")]
    fn open(line: &str) -> Option<(&str, [u8; 32])> {
        let (body, rest) = line.rsplit_once(r#","chain":""#)?;
        let hex = rest.strip_suffix("\"}").filter(|hex| hex.len() == 64)?;
        let mut link = [0; 32];
        for (at, byte) in link.iter_mut().enumerate() {
            *byte = u8::from_str_radix(hex.get(at * 2..at * 2 + 2)?, 16).ok()?;
        }
        Some((body, link))
    }

    /// The link of a line: of what is before it, and of itself.
    #[allow(dead_code, reason = "your solution uses it")]
    fn link(previous: &[u8; 32], body: &str) -> [u8; 32] {
        let hash = Sha256::new().chain_update(previous).chain_update(body);
        hash.finalize().into()
    }

    /// The number of the first line that doesn't hold, from 1; `None` when all of them do.
    pub fn first_broken(record: &str) -> Option<usize> {
        let is_json = |line| serde_json::from_str::<serde_json::Value>(line).is_ok();
        record
            .lines()
            .position(|line| !is_json(line))
            .map(|at| at + 1)
    }
}

use mcp_server::interceptor::audit::verify;
use serde_json::json;

use crate::{
    b9::first_broken,
    support::{Dummies, Host, allowing},
};

/// What the real server writes for four calls.
async fn record() -> String {
    let disk = tempfile::tempdir().unwrap();
    let file = disk.path().join("audit.jsonl");
    let pipeline = allowing(&["tools:*"]).audit_file(&file).build().unwrap();
    let mut host = Host::launch_on(Dummies(&["echo", "files-delete"]), &pipeline, None);
    for tool in ["echo", "files-delete", "echo", "echo"] {
        host.call(tool, json!({})).await;
    }
    pipeline.journal().shut_down();
    std::fs::read_to_string(&file).unwrap()
}

#[tokio::test]
async fn every_kind_of_tampering_is_found_at_its_line() {
    let whole = record().await;
    assert_eq!(first_broken(&whole), None, "nobody touched this record");

    let lines: Vec<&str> = whole.split_inclusive('\n').collect();
    let deed = lines.iter().position(|line| line.contains("files-delete"));
    let deed = deed.expect("a line that tells of files-delete");
    let mut without = lines.clone();
    without.remove(deed);
    let mut moved = lines.clone();
    moved.swap(deed, deed + 1);
    for (what, tampered) in [
        ("was edited", whole.replace("files-delete", "files-list")),
        ("was taken out", without.concat()),
        ("was moved down by one", moved.concat()),
    ] {
        let real = verify(tampered.as_bytes(), None).unwrap().fault;
        assert_eq!(real.map(|fault| fault.line), Some(deed as u64 + 1));
        assert_eq!(
            first_broken(&tampered),
            Some(deed + 1),
            "the line that told of files-delete {what}, and nobody noticed. Follow the chain: a line \
             holds when its link is the one made from the link before it and from its own body"
        );
    }
}
