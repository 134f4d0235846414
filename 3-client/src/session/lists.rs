//! Reading everything that a server offers, page by page, up to a cap.

use rmcp::model::{ClientRequest, PaginatedRequestParams, RequestOptionalParam, ServerResult};
use serde_json::Map;
use tokio_util::sync::CancellationToken;

use super::{Session, convert};
use crate::catalog::{Catalog, Prompt, Resource, Tool};
use crate::failure::Failure;
use crate::untrusted::label;

/// Pages of a list that are read; a server that never ends its list isn't followed forever.
const MAX_PAGES: usize = 50;
/// Items of one list.
const MAX_ITEMS: usize = 5_000;
/// Bytes of one list's items together.
const MAX_BYTES: usize = 16 * 1024 * 1024;

/// A list, and whether there is more of it than is read.
type List<T> = (Vec<T>, bool);

/// How much of a list's bound an item takes.
trait Weigh {
    fn weight(&self) -> usize;
}

impl Weigh for Tool {
    fn weight(&self) -> usize {
        // The schema's text isn't kept; what it takes in memory is more, not less.
        let schema = serde_json::to_string(&self.schema).map_or(0, |text| text.len());
        self.name.len() + self.description.len() + schema
    }
}

impl Weigh for Prompt {
    fn weight(&self) -> usize {
        let arguments = self.arguments.iter();
        let arguments = arguments.map(|a| a.name.len() + a.description.len());
        self.name.len() + self.description.len() + arguments.sum::<usize>()
    }
}

impl Weigh for Resource {
    fn weight(&self) -> usize {
        self.uri.len() + self.name.len() + self.description.len()
    }
}

impl Session {
    /// Reads everything that the server offers. A list that is refused is an empty list with the
    /// reason beside it: a key without the right to see resources may still chat.
    ///
    /// # Errors
    /// A [`Failure`] when the connection itself is at fault.
    pub async fn catalog(&self) -> Result<(Catalog, Vec<Failure>), Failure> {
        let mut catalog = Catalog::default();
        let mut refused = Vec::new();
        let info = self.peer.peer_info();
        if let Some(info) = &info {
            catalog.protocol = label(&info.protocol_version.to_string(), 20);
            if let Some(about) = &info.server_info {
                catalog.server_name = label(&about.name, 200);
                catalog.server_version = label(&about.version, 100);
            }
        }
        catalog.announces_updates = self.announces_updates();
        let has = info.as_ref().map(|i| &i.capabilities);
        if has.is_none_or(|c| c.tools.is_some()) {
            catalog.tools = soften("tools", self.tools_read().await, &mut refused)?;
        }
        if has.is_none_or(|c| c.resources.is_some()) {
            catalog.resources = soften("resources", self.resources_read().await, &mut refused)?;
        }
        if has.is_none_or(|c| c.prompts.is_some()) {
            catalog.prompts = soften("prompts", self.prompts_read().await, &mut refused)?;
        }
        if catalog.tool("ollama-list-models").is_some() {
            match self
                .call(
                    "ollama-list-models",
                    Map::new(),
                    None,
                    &CancellationToken::new(),
                )
                .await
            {
                Ok(result) => {
                    catalog.models = result
                        .structured
                        .and_then(|v| serde_json::from_value(v).ok())
                        .unwrap_or_default();
                }
                Err(failure) if failure.wants_reconnect() => return Err(failure),
                Err(failure) => refused.push(failure),
            }
        }
        Ok((catalog, refused))
    }

    /// Reads the list of tools.
    ///
    /// # Errors
    /// A [`Failure`].
    pub(crate) async fn tools(&self) -> Result<Vec<Tool>, Failure> {
        Ok(self.tools_read().await?.0)
    }

    async fn tools_read(&self) -> Result<List<Tool>, Failure> {
        self.pages(ClientRequest::ListToolsRequest, |result| match result {
            ServerResult::ListToolsResult(page) => Some((
                page.tools.into_iter().map(convert::tool).collect(),
                page.next_cursor,
            )),
            _ => None,
        })
        .await
    }

    async fn prompts_read(&self) -> Result<List<Prompt>, Failure> {
        self.pages(ClientRequest::ListPromptsRequest, |result| match result {
            ServerResult::ListPromptsResult(page) => Some((
                page.prompts.into_iter().map(convert::prompt).collect(),
                page.next_cursor,
            )),
            _ => None,
        })
        .await
    }

    async fn resources_read(&self) -> Result<List<Resource>, Failure> {
        let (mut all, mut is_cut) = self
            .pages(ClientRequest::ListResourcesRequest, |result| match result {
                ServerResult::ListResourcesResult(page) => Some((
                    page.resources.into_iter().map(convert::resource).collect(),
                    page.next_cursor,
                )),
                _ => None,
            })
            .await?;
        let templates = self
            .pages(
                ClientRequest::ListResourceTemplatesRequest,
                |result| match result {
                    ServerResult::ListResourceTemplatesResult(page) => Some((
                        page.resource_templates
                            .into_iter()
                            .map(convert::template)
                            .collect(),
                        page.next_cursor,
                    )),
                    _ => None,
                },
            )
            .await;
        match templates {
            Ok((templates, more)) => {
                all.extend::<Vec<Resource>>(templates);
                is_cut |= more;
            }
            // Many servers have resources and no templates, and say "method not found".
            Err(Failure::Rpc { .. }) => {}
            Err(failure) => return Err(failure),
        }
        Ok((all, is_cut))
    }

    /// Follows a list's pages to its end, or to the cap.
    async fn pages<M, T>(
        &self,
        request: impl Fn(RequestOptionalParam<M, PaginatedRequestParams>) -> ClientRequest,
        read: impl Fn(ServerResult) -> Option<(Vec<T>, Option<String>)>,
    ) -> Result<List<T>, Failure>
    where
        M: Default,
        T: Weigh,
    {
        let mut items: Vec<T> = Vec::new();
        let mut bytes = 0;
        let mut cursor: Option<String> = None;
        for _ in 0..MAX_PAGES {
            let mut page = RequestOptionalParam::<M, PaginatedRequestParams>::default();
            if cursor.is_some() {
                page.params = Some(PaginatedRequestParams::default().with_cursor(cursor.clone()));
            }
            let (batch, next) = read(self.ask(request(page)).await?)
                .ok_or_else(|| Failure::Protocol("not the list that was asked for".into()))?;
            for item in batch {
                bytes += item.weight();
                if items.len() >= MAX_ITEMS || bytes > MAX_BYTES {
                    return Ok((items, true));
                }
                items.push(item);
            }
            if next.is_none() || next == cursor {
                return Ok((items, false));
            }
            cursor = next;
        }
        Ok((items, true))
    }
}

/// A refused list is empty and told; a broken connection is an error.
fn soften<T>(
    what: &str,
    list: Result<List<T>, Failure>,
    refused: &mut Vec<Failure>,
) -> Result<Vec<T>, Failure> {
    match list {
        Ok((list, is_cut)) => {
            if is_cut {
                refused.push(Failure::TooMuch(format!(
                    "its list of {what} is longer than {MAX_ITEMS} items, {MAX_PAGES} pages or {} MiB; the rest isn't read",
                    MAX_BYTES >> 20
                )));
            }
            Ok(list)
        }
        Err(failure) if failure.wants_reconnect() || matches!(failure, Failure::TimedOut(_)) => {
            Err(failure)
        }
        Err(failure) => {
            refused.push(failure);
            Ok(Vec::new())
        }
    }
}
