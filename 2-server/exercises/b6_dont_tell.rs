//! # b6 · Don't tell what you hide
//!
//! A caller who may not use a tool should not learn that there is one. The door below gives it away
//! twice: its list shows everything, and its two refusals differ. By trying out names, a stranger can
//! find every tool there is, and then look for the one with a known hole.
//!
//! Mend `list` and `call`. Both must ask the same question: do the grants reach the scope that this
//! name takes? The scope follows from the name, whether a tool has that name or not.
//!
//! - In the real code: `2-server/src/interceptor/access/authorize.rs` (`lacks` and `review`) and
//!   `catalogue.rs`.
//! - Specification: <https://modelcontextprotocol.io/specification/2026-07-28/server/tools#listing-tools>, and on the same page
//!   "Security Considerations" (access controls).
#![allow(unreachable_pub, clippy::unwrap_used, reason = "a test")]

mod support;

mod b6 {
    use mcp_server::interceptor::{Catalogue, Denial, Grants, Target};
    use rmcp::{ErrorData, model::Tool};

    /// Tools, and what one caller may do with them.
    pub struct Door {
        pub tools: Vec<Tool>,
        pub catalogue: Catalogue,
        pub grants: Grants,
    }

    impl Door {
        /// What `tools/list` shows to this caller.
        pub fn list(&self) -> Vec<&Tool> {
            self.tools.iter().collect()
        }

        /// The tool that this caller wants to call.
        pub fn call(&self, name: &str) -> Result<&Tool, ErrorData> {
            let tool = self.tools.iter().find(|tool| tool.name == name);
            let tool = tool.ok_or_else(|| ErrorData::invalid_params("unknown tool", None))?;
            let scopes = self.catalogue.needs(Target::Tool(name));
            if scopes.iter().all(|scope| self.grants.reach(scope)) {
                Ok(tool)
            } else {
                Err(Denial::forbidden("you may not call this tool", scopes).to_error())
            }
        }
    }
}

use mcp_server::interceptor::{Catalogue, Grant, Grants};

use crate::{b6::Door, support::dummy};

fn door(grant: &str) -> Door {
    Door {
        tools: vec![dummy("notes-read"), dummy("keys-delete")],
        catalogue: Catalogue::new(),
        grants: Grants::new(vec![Grant::parse(grant).unwrap()]),
    }
}

#[test]
fn what_is_hidden_and_what_doesnt_exist_look_the_same() {
    let reader = door("tools:notes:read");
    let called = reader.call("notes-read").map(|tool| &*tool.name);
    assert_eq!(called.ok(), Some("notes-read"), "this one was granted");

    let hidden = reader.call("keys-delete").unwrap_err();
    assert_eq!(hidden.code.0, 403, "without the scope a call is refused");
    let absent = reader.call("keys-burn").unwrap_err();
    assert_eq!(
        (absent.code.0, &absent.message),
        (hidden.code.0, &hidden.message),
        "there is a tool keys-delete and none of the name keys-burn. The caller may use neither, and \
         the two refusals tell it which of them exists. Ask for the scope first"
    );

    let shown: Vec<&str> = reader.list().iter().map(|tool| &*tool.name).collect();
    assert_eq!(
        shown,
        ["notes-read"],
        "the list shows tools that this caller can't call. Ask the same question there"
    );

    let operator = door("*");
    assert_eq!(
        operator.list().len(),
        2,
        "who may do everything sees everything"
    );
    let unknown = operator.call("keys-burn").unwrap_err();
    assert_eq!(
        unknown.code.0, -32602,
        "who may call whatever has that name gets the plain answer: there is no such tool"
    );
}
