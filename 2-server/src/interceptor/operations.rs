//! Every operation of the protocol, one line each: its method, what it takes and gives, and what
//! it acts on. An operation that isn't here can't pass, because [`Guard`](super::Guard) has no
//! other way to its handler.
#![expect(
    deprecated,
    reason = "older protocol versions still send what the newest one deprecates"
)]

use std::{borrow::Cow, sync::Arc};

use rmcp::{
    ErrorData, RoleServer, ServerHandler,
    model::{
        CacheScope, CallToolRequestParams, CallToolResponse, CancelTaskParams,
        CancelledNotificationParam, CompleteRequestParams, CompleteResult, CustomNotification,
        CustomRequest, CustomResult, DiscoverResult, ErrorCode, GetPromptRequestParams,
        GetPromptResponse, GetSkillRequestParams, GetSkillResult, GetTaskParams, GetTaskResult,
        InitializeRequestParams, InitializeResult, JsonObject, ListPromptsResult,
        ListResourceTemplatesResult, ListResourcesResult, ListSkillsResult, ListToolsResult,
        PaginatedRequestParams, ProgressNotificationParam, ReadResourceDirectoryRequestParams,
        ReadResourceDirectoryResult, ReadResourceRequestParams, ReadResourceResponse, Reference,
        SetLevelRequestParams, SubscribeRequestParams, Task, UnsubscribeRequestParams,
        UpdateTaskParams,
    },
    service::{NotificationContext, RequestContext, SubscriptionContext},
};

use super::{
    call::Operation,
    catalogue::{Catalogue, Target},
    scope::Scope,
};

/// Writes an operation out: `Name = "method", (what it takes) -> what it gives, by handler method`,
/// and in braces what differs from the default.
macro_rules! operation {
    ($(#[$doc:meta])* $name:ident = $method:literal, $context:ty, ($($params:ty)?) -> $output:ty, $run:ident $({ $($more:tt)* })?) => {
        $(#[$doc])*
        #[derive(Debug)]
        pub struct $name;

        impl Operation for $name {
            type Params = operation!(@params $($params)?);
            type Output = $output;
            type Context = $context;

            fn method(_params: &Self::Params) -> Cow<'static, str> {
                Cow::Borrowed($method)
            }

            fn run<H: ServerHandler>(
                handler: &H,
                params: Self::Params,
                context: Self::Context,
            ) -> impl Future<Output = Result<Self::Output, ErrorData>> + Send {
                operation!(@run handler, $run, params, context, $($params)?)
            }

            $($($more)*)?
        }
    };
    (@params) => { () };
    (@params $params:ty) => { $params };
    (@run $handler:ident, $run:ident, $params:ident, $context:ident,) => {{
        let () = $params;
        $handler.$run($context)
    }};
    (@run $handler:ident, $run:ident, $params:ident, $context:ident, $type:ty) => { $handler.$run($params, $context) };
}

/// The same for notifications, which have no answer.
macro_rules! notification {
    ($(#[$doc:meta])* $name:ident = $method:literal, ($($params:ty)?), $run:ident) => {
        $(#[$doc])*
        #[derive(Debug)]
        pub struct $name;

        impl Operation for $name {
            type Params = operation!(@params $($params)?);
            type Output = ();
            type Context = NotificationContext<RoleServer>;

            fn method(_params: &Self::Params) -> Cow<'static, str> {
                Cow::Borrowed($method)
            }

            async fn run<H: ServerHandler>(handler: &H, params: Self::Params, context: Self::Context) -> Result<(), ErrorData> {
                operation!(@run handler, $run, params, context, $($params)?).await;
                Ok(())
            }
        }
    };
}

type Request = RequestContext<RoleServer>;
type Page = Option<PaginatedRequestParams>;

// The lifecycle: an identity, and no scope.
operation!(/** The handshake of the versions before 2026-07-28. */
    Initialize = "initialize", Request, (InitializeRequestParams) -> InitializeResult, initialize);
operation!(/** The handshake's successor: what the server is and can do. */
    Discover = "server/discover", Request, () -> DiscoverResult, discover);
operation!(/** Are you there? */
    Ping = "ping", Request, () -> (), ping);
operation!(/** How much the client wants to be told; deprecated in 2026-07-28. */
    SetLevel = "logging/setLevel", Request, (SetLevelRequestParams) -> (), set_level);

// Tools.
operation!(/** Which tools are there? Shows what the caller may call. */
    ListTools = "tools/list", Request, (Page) -> ListToolsResult, list_tools {
    fn prune(output: &mut ListToolsResult, may_use: &dyn Fn(Target<'_>) -> bool) {
        output.tools.retain(|tool| may_use(Target::Tool(&tool.name)));
        output.cache_scope = Some(CacheScope::Private);
    }
});
operation!(/** Do it. */
    CallTool = "tools/call", Request, (CallToolRequestParams) -> CallToolResponse, call_tool {
    fn target(params: &CallToolRequestParams) -> Option<Target<'_>> {
        Some(Target::Tool(&params.name))
    }

    fn arguments(params: &CallToolRequestParams) -> Option<&JsonObject> {
        params.arguments.as_ref()
    }

    fn failed(output: &CallToolResponse) -> bool {
        matches!(output, CallToolResponse::Complete(result) if result.is_error == Some(true))
    }

    const NESTS: bool = true;

    fn began(output: &CallToolResponse) -> Option<&Task> {
        match output {
            CallToolResponse::Task(created) => Some(&created.task),
            _ => None,
        }
    }
});

// Resources.
operation!(/** Which resources are there? Shows what the caller may read. */
    ListResources = "resources/list", Request, (Page) -> ListResourcesResult, list_resources {
    fn prune(output: &mut ListResourcesResult, may_use: &dyn Fn(Target<'_>) -> bool) {
        output.resources.retain(|resource| may_use(Target::Resource(&resource.uri)));
        output.cache_scope = Some(CacheScope::Private);
    }
});
operation!(/** Which families of resources are there? */
    ListResourceTemplates = "resources/templates/list", Request, (Page) -> ListResourceTemplatesResult, list_resource_templates {
    fn prune(output: &mut ListResourceTemplatesResult, may_use: &dyn Fn(Target<'_>) -> bool) {
        output.resource_templates.retain(|template| may_use(Target::Resource(&template.uri_template)));
        output.cache_scope = Some(CacheScope::Private);
    }
});
operation!(/** Give me that resource. */
    ReadResource = "resources/read", Request, (ReadResourceRequestParams) -> ReadResourceResponse, read_resource {
    fn target(params: &ReadResourceRequestParams) -> Option<Target<'_>> {
        Some(Target::Resource(&params.uri))
    }

    // What one caller may read, another may not: it must not sit in a shared cache.
    fn prune(output: &mut ReadResourceResponse, _may_use: &dyn Fn(Target<'_>) -> bool) {
        if let ReadResourceResponse::Complete(result) = output {
            result.cache_scope = Some(CacheScope::Private);
        }
    }
});
operation!(/** Tell me when that resource changes; before 2026-07-28. */
    Subscribe = "resources/subscribe", Request, (SubscribeRequestParams) -> (), subscribe {
    fn target(params: &SubscribeRequestParams) -> Option<Target<'_>> {
        Some(Target::Resource(&params.uri))
    }
});
operation!(/** No longer tell me; before 2026-07-28. */
    Unsubscribe = "resources/unsubscribe", Request, (UnsubscribeRequestParams) -> (), unsubscribe {
    fn target(params: &UnsubscribeRequestParams) -> Option<Target<'_>> {
        Some(Target::Resource(&params.uri))
    }
});
operation!(/** The children of a directory resource. */
    ReadResourceDirectory = "resources/directory/read", Request,
    (ReadResourceDirectoryRequestParams) -> ReadResourceDirectoryResult, read_resource_directory {
    fn target(params: &ReadResourceDirectoryRequestParams) -> Option<Target<'_>> {
        Some(Target::Resource(&params.uri))
    }

    fn prune(output: &mut ReadResourceDirectoryResult, may_use: &dyn Fn(Target<'_>) -> bool) {
        output.resources.retain(|resource| may_use(Target::Resource(&resource.uri)));
        output.cache_scope = Some(CacheScope::Private);
    }
});
operation!(/** Keep telling me what changes; 2026-07-28. */
    Listen = "subscriptions/listen", SubscriptionContext, () -> (), listen {
    const LASTS: bool = true;

    // A stream may watch several resources, and takes the scopes of all of them.
    fn requires(_params: &(), context: &SubscriptionContext, catalogue: &Catalogue) -> Arc<[Scope]> {
        let watched = context.requested().resource_subscriptions.as_deref().unwrap_or_default();
        let mut scopes: Vec<Scope> = watched.iter().flat_map(|uri| catalogue.needs(Target::Resource(uri)).to_vec()).collect();
        scopes.sort();
        scopes.dedup();
        scopes.into()
    }
});

// Prompts, and completion for both kinds.
operation!(/** Which prompts are there? Shows what the caller may get. */
    ListPrompts = "prompts/list", Request, (Page) -> ListPromptsResult, list_prompts {
    fn prune(output: &mut ListPromptsResult, may_use: &dyn Fn(Target<'_>) -> bool) {
        output.prompts.retain(|prompt| may_use(Target::Prompt(&prompt.name)));
        output.cache_scope = Some(CacheScope::Private);
    }
});
operation!(/** Give me that prompt. */
    GetPrompt = "prompts/get", Request, (GetPromptRequestParams) -> GetPromptResponse, get_prompt {
    fn target(params: &GetPromptRequestParams) -> Option<Target<'_>> {
        Some(Target::Prompt(&params.name))
    }

    fn arguments(params: &GetPromptRequestParams) -> Option<&JsonObject> {
        params.arguments.as_ref()
    }
});
operation!(/** What could this argument be? Takes the scope of what it completes. */
    Complete = "completion/complete", Request, (CompleteRequestParams) -> CompleteResult, complete {
    fn target(params: &CompleteRequestParams) -> Option<Target<'_>> {
        match &params.r#ref {
            Reference::Prompt(prompt) => Some(Target::Prompt(&prompt.name)),
            Reference::Resource(resource) => Some(Target::Resource(&resource.uri)),
            // A kind that this version doesn't know must not slip through without a scope.
            other => Some(Target::Custom(other.reference_type())),
        }
    }
});

/// rmcp's own words for a task that isn't there: nobody can tell it from one that isn't theirs.
fn unknown_task(id: &str) -> ErrorData {
    ErrorData::invalid_params(format!("unknown task: {id}"), None)
}

// Tasks and skills, the extensions. A task is there only for its owner: see `own_tasks.rs`.
operation!(/** How is that task? */
    GetTask = "tasks/get", Request, (GetTaskParams) -> GetTaskResult, get_task {
    fn task(params: &GetTaskParams) -> Option<&str> {
        Some(&params.task_id)
    }

    fn unknown(params: &GetTaskParams) -> Option<ErrorData> {
        Some(unknown_task(&params.task_id))
    }
});
operation!(/** What that task asked for. */
    UpdateTask = "tasks/update", Request, (UpdateTaskParams) -> (), update_task {
    fn task(params: &UpdateTaskParams) -> Option<&str> {
        Some(&params.task_id)
    }

    fn unknown(params: &UpdateTaskParams) -> Option<ErrorData> {
        Some(unknown_task(&params.task_id))
    }
});
operation!(/** Stop that task. */
    CancelTask = "tasks/cancel", Request, (CancelTaskParams) -> (), cancel_task {
    fn task(params: &CancelTaskParams) -> Option<&str> {
        Some(&params.task_id)
    }

    fn unknown(params: &CancelTaskParams) -> Option<ErrorData> {
        Some(unknown_task(&params.task_id))
    }
});
operation!(/** Which skills are there? Shows what the caller may read. */
    ListSkills = "skills/list", Request, (Page) -> ListSkillsResult, list_skills {
    fn prune(output: &mut ListSkillsResult, may_use: &dyn Fn(Target<'_>) -> bool) {
        output.skills.retain(|skill| may_use(Target::Resource(&skill.uri)));
    }
});
operation!(/** Give me that skill. */
    GetSkill = "skills/get", Request, (GetSkillRequestParams) -> GetSkillResult, get_skill {
    fn target(params: &GetSkillRequestParams) -> Option<Target<'_>> {
        Some(Target::Resource(&params.uri))
    }
});

/// A request that the specification doesn't know, or that the caller's version no longer has. Takes
/// `custom:<method>:call`, and without it there is no such method.
#[derive(Debug)]
pub struct Custom;

impl Operation for Custom {
    type Params = CustomRequest;
    type Output = CustomResult;
    type Context = Request;

    fn method(params: &CustomRequest) -> Cow<'static, str> {
        Cow::Owned(super::call::cut(&params.method, 64).to_owned())
    }

    fn target(params: &CustomRequest) -> Option<Target<'_>> {
        Some(Target::Custom(&params.method))
    }

    // A client asks for such a method to find out whether it is there: "forbidden" would tell it
    // that it is. The same words as rmcp's, so that nobody can tell the two apart.
    fn unknown(params: &CustomRequest) -> Option<ErrorData> {
        let method = params.method.clone();
        Some(ErrorData::new(ErrorCode::METHOD_NOT_FOUND, method, None))
    }

    fn run<H: ServerHandler>(
        handler: &H,
        params: CustomRequest,
        context: Request,
    ) -> impl Future<Output = Result<CustomResult, ErrorData>> + Send {
        handler.on_custom_request(params, context)
    }
}

// Notifications: an identity, and no scope.
notification!(/** I no longer wait for that. rmcp has already stopped it. */
    Cancelled = "notifications/cancelled", (CancelledNotificationParam), on_cancelled);
notification!(/** How far I am with what you asked of me. */
    Progress = "notifications/progress", (ProgressNotificationParam), on_progress);
notification!(/** The handshake is done. */
    Initialized = "notifications/initialized", (), on_initialized);
notification!(/** My roots changed; deprecated in 2026-07-28. */
    RootsListChanged = "notifications/roots/list_changed", (), on_roots_list_changed);

/// A notification that the specification doesn't know. Takes `custom:<method>:call`.
#[derive(Debug)]
pub struct CustomNote;

impl Operation for CustomNote {
    type Params = CustomNotification;
    type Output = ();
    type Context = NotificationContext<RoleServer>;

    fn method(params: &CustomNotification) -> Cow<'static, str> {
        Cow::Owned(super::call::cut(&params.method, 64).to_owned())
    }

    fn target(params: &CustomNotification) -> Option<Target<'_>> {
        Some(Target::Custom(&params.method))
    }

    async fn run<H: ServerHandler>(
        handler: &H,
        params: CustomNotification,
        context: Self::Context,
    ) -> Result<(), ErrorData> {
        handler.on_custom_notification(params, context).await;
        Ok(())
    }
}
