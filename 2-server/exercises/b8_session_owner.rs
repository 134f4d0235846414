//! # b8 · Bind a session to its owner
//!
//! Up to 2025-11-25 a client opens a session, gets an id, and sends it along with every message. The
//! id says *which* session; it must never say *who*. Ids leak, into logs and through proxies, and a
//! server that asks "is there such a session?" lets whoever holds one read another one's answers.
//!
//! The table below asks just that. Each message also carries a key, so the caller is known: make the
//! session belong to who opened it. And bound it: one caller must not fill the table.
//!
//! - In the real code: `2-server/src/transport/mcp/sessions.rs`.
//! - Specification: <https://modelcontextprotocol.io/specification/2025-11-25/basic/transports#session-management>; and
//!   <https://modelcontextprotocol.io/docs/2025-11-25/tutorials/security/security_best_practices#session-hijacking>:
//!   servers must not use sessions for authentication.
#![allow(unreachable_pub, reason = "all of it is a test")]

mod b8 {
    use std::collections::HashMap;

    /// How many sessions one caller may have.
    pub const MOST_OF_ONE: usize = 4;

    /// The sessions that are open, and who opened each.
    #[derive(Debug, Default)]
    pub struct Sessions {
        owners: HashMap<String, String>,
    }

    impl Sessions {
        /// Enters a new session. `false` when it can't be had.
        pub fn open(&mut self, id: &str, caller: &str) -> bool {
            self.owners.insert(id.to_owned(), caller.to_owned());
            true
        }

        /// The HTTP status for a message of this caller that names this session.
        pub fn message(&self, id: &str, _caller: &str) -> u16 {
            if self.owners.contains_key(id) {
                200
            } else {
                404
            }
        }

        /// The HTTP status for this caller's wish to end this session.
        pub fn close(&mut self, id: &str, _caller: &str) -> u16 {
            match self.owners.remove(id) {
                Some(_) => 204,
                None => 404,
            }
        }
    }
}

use crate::b8::{MOST_OF_ONE, Sessions};

#[test]
fn a_session_is_there_for_its_owner_only() {
    let mut sessions = Sessions::default();
    assert!(sessions.open("s-1", "ada"), "Ada opens a session");
    assert_eq!(sessions.message("s-1", "ada"), 200, "and uses it");

    let nothing = sessions.message("s-2", "bob");
    assert_eq!(nothing, 404, "a session that isn't there is not found");
    assert_eq!(
        sessions.message("s-1", "bob"),
        nothing,
        "Bob found the id s-1 in a log and sent a message with it. It is Ada's session, so for Bob there \
         is none: answer as for any id that isn't there. 403 would tell him that he holds a real one"
    );
    assert_eq!(
        (sessions.close("s-1", "bob"), sessions.message("s-1", "ada")),
        (404, 200),
        "Bob ended Ada's session. To end one is to use it: the same question first"
    );
    assert_eq!(
        (sessions.open("s-1", "bob"), sessions.message("s-1", "ada")),
        (false, 200),
        "Bob opened a session under an id that is taken, and Ada lost hers to him. An id that is taken \
         can't be had"
    );

    for number in 2..=MOST_OF_ONE {
        assert!(
            sessions.open(&format!("s-{number}"), "ada"),
            "Ada may have {MOST_OF_ONE} sessions"
        );
    }
    assert!(
        !sessions.open("one more", "ada"),
        "Ada opened more than {MOST_OF_ONE} sessions. What a caller can grow without bound, a caller can \
         fill the memory with: refuse"
    );
    assert!(
        sessions.open("b-1", "bob"),
        "that Ada has all of hers is no reason to refuse Bob"
    );
    assert_eq!(sessions.close("s-2", "ada"), 204, "Ada ends one of hers");
    assert!(
        sessions.open("one more", "ada"),
        "a session that was ended makes room for another"
    );
}
