//! What can be read: resources, which a host shows to its user or gives to its model.
//!
//! | URI | what it is | scope |
//! |---|---|---|
//! | `config://server` | how this server is set up | `resources:config:read` |
//! | `docs://{page}` | a page of the learning path | `resources:docs:read` |
//! | `models://{name}` | a language model that can be asked | `resources:models:read` |
//! | `audit://me` | the caller's own last records | `resources:audit:read` |

use std::sync::Arc;

use mcp_llm::{Provider, pages};
use percent_encoding::percent_decode_str;
use rmcp::{
    ErrorData,
    model::{ReadResourceResult, Resource, ResourceContents, ResourceTemplate},
};
use serde_json::{Value, json};

use super::{completion::Choices, tools::untrusted};
use crate::{
    config::Config,
    interceptor::{Journal, Principal},
};

/// The server's configuration, as far as a client may know it.
pub const CONFIG: &str = "config://server";
/// The caller's own last records.
pub const AUDIT: &str = "audit://me";
/// What a caller needs for them; the journal keeps records only for those who have it.
pub const AUDIT_SCOPE: &str = "resources:audit:read";

const DOCS: &str = "docs://";
const MODELS: &str = "models://";
const JSON: &str = "application/json";
const MARKDOWN: &str = "text/markdown";

/// How long a client may keep what it read, in milliseconds. Nothing here is a promise that the
/// answer stays the same, only that an older one does no harm.
mod fresh {
    /// It changes with the binary only.
    pub(super) const PAGE: u64 = 3_600_000;
    /// It changes with a restart only.
    pub(super) const CONFIG: u64 = 60_000;
    /// Somebody may pull a model.
    pub(super) const MODEL: u64 = 10_000;
    /// It changes with every call.
    pub(super) const AUDIT: u64 = 0;
}

/// A family of resources.
#[derive(Debug)]
pub struct Template {
    /// The URI with its variable, as RFC 6570 has it.
    pub uri: &'static str,
    name: &'static str,
    title: &'static str,
    description: &'static str,
    mime: &'static str,
    variable: &'static str,
    choices: Choices,
}

/// What a template's variable could be; `None` when it has no variable of that name.
///
/// # Errors
/// −32602 when there is no such template.
pub fn choices(template: &str, variable: &str) -> Result<Option<Choices>, ErrorData> {
    let mut known = TEMPLATES.iter();
    let template = known.find(|known| known.uri == template).ok_or_else(|| {
        let said = "there is no such template: resources/templates/list shows what there is";
        ErrorData::invalid_params(said, None)
    })?;
    Ok((variable == template.variable).then_some(template.choices))
}

/// Every family, in the order in which they are listed.
pub const TEMPLATES: &[Template] = &[
    Template {
        uri: "docs://{page}",
        name: "docs",
        title: "A page of the learning path",
        description: "The pages that teach MCP with this project, as Markdown.",
        mime: MARKDOWN,
        variable: "page",
        choices: Choices::Pages,
    },
    Template {
        uri: "models://{name}",
        name: "models",
        title: "A language model",
        description: "What is known of a model that ollama-chat can use: its size and what it can do.",
        mime: JSON,
        variable: "name",
        choices: Choices::Models,
    },
];

/// What reading takes: the parts of the server that resources tell of.
pub struct Library {
    config: Arc<Config>,
    provider: Arc<dyn Provider>,
    journal: Arc<Journal>,
}

impl std::fmt::Debug for Library {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Library")
    }
}

/// Every resource that has a URI of its own.
pub fn all() -> Vec<Resource> {
    let page = |page: &pages::Page| {
        let resource = Resource::new(format!("{DOCS}{}", page.name), page.name)
            .with_title(title(page))
            .with_description(format!("{} of the learning path.", page.file))
            .with_mime_type(MARKDOWN);
        resource.with_size(page.text.len() as u64)
    };
    let mut all = vec![
        Resource::new(CONFIG, "server-config")
            .with_title("Server configuration")
            .with_description("How this server is set up: its mode, its limits and what it enforces. No secrets, no addresses.")
            .with_mime_type(JSON),
        Resource::new(AUDIT, "my-record")
            .with_title("My own record")
            .with_description("The last requests of yours that this server recorded, at most 100, oldest first. Names of arguments, never their values. Subscribe to hear of new ones.")
            .with_mime_type(JSON),
    ];
    all.extend(pages::all().map(page));
    all
}

/// Every family of resources, as clients see it.
pub fn templates() -> Vec<ResourceTemplate> {
    let template = |template: &Template| {
        ResourceTemplate::new(template.uri, template.name)
            .with_title(template.title)
            .with_description(template.description)
            .with_mime_type(template.mime)
    };
    TEMPLATES.iter().map(template).collect()
}

fn title(page: &pages::Page) -> String {
    let heading = page.text.lines().find_map(|line| line.strip_prefix("# "));
    heading.unwrap_or(page.name).trim().to_owned()
}

impl Library {
    /// A library of these parts.
    pub fn new(config: Arc<Config>, provider: Arc<dyn Provider>, journal: Arc<Journal>) -> Self {
        Self {
            config,
            provider,
            journal,
        }
    }

    /// Reads a resource.
    ///
    /// # Errors
    /// −32002 (−32602 since 2026-07-28) when there is none with this URI; an internal error when
    /// the language model's engine can't be asked.
    pub async fn read(
        &self,
        uri: &str,
        reader: Option<&Principal>,
        transport: &str,
    ) -> Result<ReadResourceResult, ErrorData> {
        if uri == CONFIG {
            return in_json(uri, &public(&self.config, transport), fresh::CONFIG);
        }
        if uri == AUDIT {
            let records = reader.map_or_else(Vec::new, |it| self.journal.recent(it.label()));
            let records: Vec<Value> = records
                .iter()
                .filter_map(|line| serde_json::from_str(line).ok())
                .collect();
            return in_json(uri, &json!({ "records": records }), fresh::AUDIT);
        }
        if let Some(page) = uri.strip_prefix(DOCS).and_then(pages::get) {
            let contents = ResourceContents::text(page.text, uri).with_mime_type(MARKDOWN);
            return Ok(ReadResourceResult::new(vec![contents]).with_ttl_ms(fresh::PAGE));
        }
        if let Some(name) = uri.strip_prefix(MODELS)
            && let Some(model) = self.model(name).await?
        {
            return in_json(uri, &model, fresh::MODEL);
        }
        Err(ErrorData::resource_not_found(
            "there is no such resource: resources/list and resources/templates/list show what there is",
            Some(json!({ "uri": uri })),
        ))
    }

    async fn model(&self, name: &str) -> Result<Option<Value>, ErrorData> {
        // A model's name may hold `:` and `/`, which clients may or may not encode.
        let Ok(name) = percent_decode_str(name).decode_utf8() else {
            return Ok(None);
        };
        let failed = |error: mcp_llm::ProviderError| {
            tracing::warn!(error = error.internal(), "the models can't be listed");
            ErrorData::internal_error(error.public, None)
        };
        let models = self.provider.models().await.map_err(failed)?;
        let Some(mut model) = models.into_iter().find(|model| model.name == name) else {
            return Ok(None);
        };
        let health = self.provider.health().await.map_err(failed)?;
        let is_default = model.name == health.default_model;
        untrusted::model(&mut model);
        Ok(Some(json!({
            "name": model.name,
            "provider": health.provider,
            "default": is_default,
            "size": model.size,
            "parameters": model.parameters,
            "quantization": model.quantization,
            "capabilities": model.capabilities,
        })))
    }
}

fn in_json(uri: &str, value: &Value, ttl_ms: u64) -> Result<ReadResourceResult, ErrorData> {
    let text = serde_json::to_string_pretty(value)
        .map_err(|error| ErrorData::internal_error(error.to_string(), None))?;
    let contents = ResourceContents::text(text, uri).with_mime_type(JSON);
    Ok(ReadResourceResult::new(vec![contents]).with_ttl_ms(ttl_ms))
}

/// What a client may know. Every field is chosen here by hand, so a new setting stays private
/// until somebody decides otherwise.
fn public(config: &Config, transport: &str) -> Value {
    json!({
        "name": "mcp-server",
        "version": env!("CARGO_PKG_VERSION"),
        "mode": config.server.mode,
        "transport": transport,
        "keys_needed": !config.anonymous(),
        "audited": config.audit.stderr || config.audit.file.is_some(),
        "limits": {
            "per_minute": config.limits.per_minute,
            "burst": config.limits.burst,
            "concurrent": config.limits.concurrent,
            "max_body_bytes": config.server.max_body_bytes,
            "request_timeout_ms": config.server.request_timeout_ms,
        },
        "llm": { "provider": config.llm.provider },
    })
}
