//! # b3 · Add a resource template
//!
//! A resource is something to read, named by a URI. A *template* offers a whole family of them:
//! `notes://{name}` says that any name may be put in. `Notes` below reads a folder of notes, but
//! nobody can find them, because the template isn't listed.
//!
//! There is worse in it. The name comes from outside, percent-encoded, and goes straight into a path.
//! `notes://..%2Fkeys.toml` is a name too. Servers have published whole disks this way.
//!
//! - In the real code: `2-server/src/features/resources.rs`, which never touches a path.
//! - Specification: <https://modelcontextprotocol.io/specification/2026-07-28/server/resources#resource-templates>, and on the
//!   same page "Error Handling".
#![allow(unreachable_pub, reason = "all of it is a test")]

mod support;

mod b3 {
    use std::{fs, path::PathBuf};

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
            Vec::new()
        }

        /// The text of a note.
        pub fn read(&self, uri: &str) -> Result<String, ErrorData> {
            let unknown = || ErrorData::resource_not_found("there is no such note", None);
            let name = uri.strip_prefix("notes://").ok_or_else(unknown)?;
            let name = percent_decode_str(name).decode_utf8_lossy();
            fs::read_to_string(self.folder.join(&*name)).map_err(|_| unknown())
        }
    }
}

use rmcp::{
    ErrorData, RoleServer, ServerHandler,
    model::{
        ListResourceTemplatesResult, PaginatedRequestParams, ReadResourceRequestParams,
        ReadResourceResponse, ReadResourceResult, ResourceContents, ServerCapabilities,
        ServerConfig,
    },
    service::RequestContext,
};
use serde_json::json;

use crate::{
    b3::Notes,
    support::{Host, allowing},
};

impl ServerHandler for Notes {
    fn get_info(&self) -> ServerConfig {
        ServerConfig::new(ServerCapabilities::builder().enable_resources().build())
    }

    async fn list_resource_templates(
        &self,
        _page: Option<PaginatedRequestParams>,
        _context: RequestContext<RoleServer>,
    ) -> Result<ListResourceTemplatesResult, ErrorData> {
        let templates = self.templates();
        Ok(ListResourceTemplatesResult::with_all_items(templates))
    }

    async fn read_resource(
        &self,
        params: ReadResourceRequestParams,
        _context: RequestContext<RoleServer>,
    ) -> Result<ReadResourceResponse, ErrorData> {
        let text = self.read(&params.uri)?;
        let contents = ResourceContents::text(text, params.uri);
        Ok(ReadResourceResult::new(vec![contents]).into())
    }
}

#[tokio::test]
async fn notes_can_be_found_and_read_and_nothing_else_can() {
    let disk = tempfile::tempdir().unwrap();
    let folder = disk.path().join("notes");
    std::fs::create_dir_all(folder.join("old")).unwrap();
    std::fs::write(folder.join("über uns"), "we teach MCP").unwrap();
    std::fs::write(folder.join("old/plan"), "an older note").unwrap();
    let secret = disk.path().join("keys.toml");
    std::fs::write(&secret, "the keys").unwrap();
    let mut host = Host::launch(Notes { folder }, allowing(&["resources:notes:read"]));

    let (method, list) = ("resources/templates/list", "resourceTemplates");
    assert_eq!(
        host.list(method, list, "uriTemplate").await,
        ["notes://{name}"],
        "resources/templates/list is how a host learns that there are notes. Offer one template, with \
         the variable `name`, and give it a name for people"
    );

    let uri = json!({ "uri": "notes://%C3%BCber%20uns" });
    let note = host.ask("resources/read", uri).await;
    assert_eq!(
        note["result"]["contents"][0]["text"], "we teach MCP",
        "a name in a URI is percent-encoded: notes://%C3%BCber%20uns is the note \"über uns\""
    );

    let missing = host
        .ask("resources/read", json!({ "uri": "notes://nothing" }))
        .await;
    let absolute = secret.display().to_string().replace('/', "%2F");
    for name in [
        "..%2Fkeys.toml",
        "../keys.toml",
        &absolute,
        "old%2Fplan",
        "%C3%BCber%20uns%2Fmore",
        "..",
        ".",
    ] {
        let uri = json!({ "uri": format!("notes://{name}") });
        let answer = host.ask("resources/read", uri).await;
        assert!(
            answer.get("result").is_none(),
            "notes://{name} was answered with {:?}. That is no note of this folder: a name must be \
             one plain component of a path, without `..` or a slash in any spelling, or it isn't one",
            answer["result"]["contents"][0]["text"]
        );
        assert_eq!(
            answer["error"]["message"], missing["error"]["message"],
            "a name that isn't allowed gets the same answer as a note that isn't there, or the answers \
             map the disk for whoever asks"
        );
    }
}
