//! **The table of methods**: every method of the protocol, one entry each, with what it takes, what
//! it gives, which function of a handler does it, and what it acts on. The guard, the metrics,
//! `policy explain` and the tests read it. A method that isn't here can't pass, because
//! [`Guard`](crate::interceptor::Guard) has no other way to its handler.
#![expect(
    deprecated,
    reason = "older protocol versions still send what the newest one deprecates"
)]

use std::{borrow::Cow, sync::Arc};

use futures_util::{FutureExt as _, future::BoxFuture};
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

use super::operation::Operation;
use crate::interceptor::{
    access::{
        catalogue::{Catalogue, Target},
        scope::Scope,
    },
    text::cut,
};

/// What a method acts on, and so how its scope follows.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum TargetKind {
    /// Nothing that requires a scope: any known caller may do it.
    Nothing,
    /// A tool, by name.
    Tool,
    /// A resource or resource template, by URI.
    Resource,
    /// A prompt, by name.
    Prompt,
    /// A task, which is there for its owner alone.
    Task,
    /// What a completion is for: a prompt or a resource template.
    Reference,
}

/// A line of the table.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct MethodInfo {
    /// The method, as it is on the wire.
    pub name: &'static str,
    /// What it acts on.
    pub target: TargetKind,
    /// Whether it is a notification, which has no answer.
    pub is_notification: bool,
    /// Whether it lasts as long as its caller listens.
    pub lasts: bool,
}

/// The line of a method; `None` for one that the specification doesn't know.
pub fn method(name: &str) -> Option<&'static MethodInfo> {
    METHODS.iter().find(|method| method.name == name)
}

/// Writes the table out. A request is `Name = "method" (takes) -> gives, context, function`, then
/// what it acts on (`tool name` reads: a tool, whose name is in the field `name`), and in braces
/// what differs from the default. A notification has no answer, and acts on nothing.
macro_rules! methods {
    (
        requests { $($(#[$doc:meta])* $name:ident = $method:literal ($($params:ty)?) -> $output:ty, $context:ty, $run:ident, $kind:ident $($field:ident)? $({ $($more:tt)* })?;)* }
        notifications { $($(#[$ndoc:meta])* $nname:ident = $nmethod:literal ($($nparams:ty)?), $nrun:ident;)* }
    ) => {
        /// The table.
        pub const METHODS: &[MethodInfo] = &[
            $(MethodInfo { name: $method, target: methods!(@kind $kind), is_notification: false, lasts: <$name as Operation>::LASTS },)*
            $(MethodInfo { name: $nmethod, target: TargetKind::Nothing, is_notification: true, lasts: false },)*
        ];

        $(
            $(#[$doc])*
            #[derive(Debug)]
            pub(crate) struct $name;

            impl Operation for $name {
                type Params = methods!(@params $($params)?);
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
                    methods!(@run handler, $run, params, context, $($params)?)
                }

                methods!(@target $kind $($field)?);
                $($($more)*)?
            }
        )*
        $(
            $(#[$ndoc])*
            #[derive(Debug)]
            pub(crate) struct $nname;

            impl Operation for $nname {
                type Params = methods!(@params $($nparams)?);
                type Output = ();
                type Context = NotificationContext<RoleServer>;

                fn method(_params: &Self::Params) -> Cow<'static, str> {
                    Cow::Borrowed($nmethod)
                }

                async fn run<H: ServerHandler>(handler: &H, params: Self::Params, context: Self::Context) -> Result<(), ErrorData> {
                    methods!(@run handler, $nrun, params, context, $($nparams)?).await;
                    Ok(())
                }
            }
        )*
    };
    (@params) => { () };
    (@params $params:ty) => { $params };
    (@run $handler:ident, $run:ident, $params:ident, $context:ident,) => {{
        let () = $params;
        $handler.$run($context)
    }};
    (@run $handler:ident, $run:ident, $params:ident, $context:ident, $type:ty) => { $handler.$run($params, $context) };
    (@kind nothing) => { TargetKind::Nothing };
    (@kind tool) => { TargetKind::Tool };
    (@kind resource) => { TargetKind::Resource };
    (@kind prompt) => { TargetKind::Prompt };
    (@kind task) => { TargetKind::Task };
    (@kind reference) => { TargetKind::Reference };
    (@target nothing) => {};
    (@target reference) => {};
    (@target tool $field:ident) => { methods!(@is Tool $field); };
    (@target resource $field:ident) => { methods!(@is Resource $field); };
    (@target prompt $field:ident) => { methods!(@is Prompt $field); };
    (@target task $field:ident) => {
        fn task(params: &Self::Params) -> Option<&str> {
            Some(&params.$field)
        }

        // rmcp's own words for a task that isn't there: nobody can tell it from one that isn't
        // theirs.
        fn unknown(params: &Self::Params) -> Option<ErrorData> {
            Some(ErrorData::invalid_params(format!("unknown task: {}", params.$field), None))
        }
    };
    (@is $target:ident $field:ident) => {
        fn target(params: &Self::Params) -> Option<Target<'_>> {
            Some(Target::$target(&params.$field))
        }
    };
}

/// Takes out of the list `$list` of an answer what its caller couldn't use. What is left is its
/// caller's own, and must not sit in a cache that others share.
macro_rules! only_usable {
    ($list:ident, $target:ident, $field:ident) => {
        fn prune(output: &mut Self::Output, may_use: MayUse<'_>) {
            output
                .$list
                .retain(|item| may_use(Target::$target(&item.$field)));
            output.cache_scope = Some(CacheScope::Private);
        }
    };
}

type Request = RequestContext<RoleServer>;
type Page = Option<PaginatedRequestParams>;
type MayUse<'a> = &'a (dyn Fn(Target<'_>) -> bool + Sync);

methods! {
    requests {
        // The lifecycle: an identity, and no scope.
        /** The handshake of the versions before 2026-07-28. */
        Initialize = "initialize" (InitializeRequestParams) -> InitializeResult, Request, initialize, nothing;
        /** The handshake's successor: what the server is and can do. */
        Discover = "server/discover" () -> DiscoverResult, Request, discover, nothing;
        /** Are you there? */
        Ping = "ping" () -> (), Request, ping, nothing;
        /** How much the client wants to hear; deprecated in 2026-07-28. */
        SetLevel = "logging/setLevel" (SetLevelRequestParams) -> (), Request, set_level, nothing;

        // Tools.
        /** Which tools are there? Shows what the caller may call. */
        ListTools = "tools/list" (Page) -> ListToolsResult, Request, list_tools, nothing {
            only_usable!(tools, Tool, name);
        };
        /** Runs a tool. */
        CallTool = "tools/call" (CallToolRequestParams) -> CallToolResponse, Request, call_tool, tool name {
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
        };

        // Resources.
        /** Which resources are there? Shows what the caller may read. */
        ListResources = "resources/list" (Page) -> ListResourcesResult, Request, list_resources, nothing {
            only_usable!(resources, Resource, uri);
        };
        /** Which families of resources are there? */
        ListResourceTemplates = "resources/templates/list" (Page) -> ListResourceTemplatesResult, Request, list_resource_templates, nothing {
            only_usable!(resource_templates, Resource, uri_template);
        };
        /** Gives a resource. */
        ReadResource = "resources/read" (ReadResourceRequestParams) -> ReadResourceResponse, Request, read_resource, resource uri {
            // What one caller may read, another may not: it must not sit in a shared cache.
            fn prune(output: &mut ReadResourceResponse, _may_use: MayUse<'_>) {
                if let ReadResourceResponse::Complete(result) = output {
                    result.cache_scope = Some(CacheScope::Private);
                }
            }
        };
        /** Announces when that resource changes; before 2026-07-28. */
        Subscribe = "resources/subscribe" (SubscribeRequestParams) -> (), Request, subscribe, resource uri;
        /** Ends a subscription; before 2026-07-28. */
        Unsubscribe = "resources/unsubscribe" (UnsubscribeRequestParams) -> (), Request, unsubscribe, resource uri;
        /** The children of a directory resource. */
        ReadResourceDirectory = "resources/directory/read" (ReadResourceDirectoryRequestParams) -> ReadResourceDirectoryResult, Request, read_resource_directory, resource uri {
            only_usable!(resources, Resource, uri);
        };
        /** A stream of what changes; 2026-07-28. */
        Listen = "subscriptions/listen" () -> (), SubscriptionContext, listen, nothing {
            const LASTS: bool = true;

            // A stream may watch several resources, and requires the scopes of all of them.
            fn requires(_params: &(), context: &SubscriptionContext, catalogue: &Catalogue) -> Arc<[Scope]> {
                let watched = context.requested().resource_subscriptions.as_deref().unwrap_or_default();
                let mut scopes: Vec<Scope> = watched.iter().flat_map(|uri| catalogue.needs(Target::Resource(uri)).to_vec()).collect();
                scopes.sort();
                scopes.dedup();
                scopes.into()
            }

            // It was opened with rights that have ended. Every list may look different now; the
            // client may open another stream.
            fn farewell(context: &SubscriptionContext) -> Option<BoxFuture<'static, ()>> {
                let sink = context.sink().clone();
                Some(async move {
                    // What the client didn't ask for is refused by the sink: that is no failure.
                    let _ = futures_util::join!(
                        sink.notify_tool_list_changed(),
                        sink.notify_prompt_list_changed(),
                        sink.notify_resource_list_changed(),
                    );
                }.boxed())
            }
        };

        // Prompts, and completion for both kinds.
        /** Which prompts are there? Shows what the caller may get. */
        ListPrompts = "prompts/list" (Page) -> ListPromptsResult, Request, list_prompts, nothing {
            only_usable!(prompts, Prompt, name);
        };
        /** Gives a prompt. */
        GetPrompt = "prompts/get" (GetPromptRequestParams) -> GetPromptResponse, Request, get_prompt, prompt name {
            fn arguments(params: &GetPromptRequestParams) -> Option<&JsonObject> {
                params.arguments.as_ref()
            }
        };
        /** What could this argument be? Requires the scope of what it completes. */
        Complete = "completion/complete" (CompleteRequestParams) -> CompleteResult, Request, complete, reference {
            fn target(params: &CompleteRequestParams) -> Option<Target<'_>> {
                match &params.r#ref {
                    Reference::Prompt(prompt) => Some(Target::Prompt(&prompt.name)),
                    Reference::Resource(resource) => Some(Target::Resource(&resource.uri)),
                    // A kind that this version doesn't know must not slip through without a scope.
                    other => Some(Target::Custom(other.reference_type())),
                }
            }
        };

        // Tasks and skills, the extensions.
        /** How is that task? */
        GetTask = "tasks/get" (GetTaskParams) -> GetTaskResult, Request, get_task, task task_id;
        /** Gives a task what it asked for. */
        UpdateTask = "tasks/update" (UpdateTaskParams) -> (), Request, update_task, task task_id;
        /** Stops a task. */
        CancelTask = "tasks/cancel" (CancelTaskParams) -> (), Request, cancel_task, task task_id;
        /** Which skills are there? Shows what the caller may read. */
        ListSkills = "skills/list" (Page) -> ListSkillsResult, Request, list_skills, nothing {
            fn prune(output: &mut ListSkillsResult, may_use: MayUse<'_>) {
                output.skills.retain(|skill| may_use(Target::Resource(&skill.uri)));
            }
        };
        /** Gives a skill. */
        GetSkill = "skills/get" (GetSkillRequestParams) -> GetSkillResult, Request, get_skill, resource uri;
    }
    // An identity, and no scope.
    notifications {
        /** The client no longer waits for that. rmcp has already stopped it. */
        Cancelled = "notifications/cancelled" (CancelledNotificationParam), on_cancelled;
        /** How far the client is with what the server asked of it. */
        Progress = "notifications/progress" (ProgressNotificationParam), on_progress;
        /** The handshake is done. */
        Initialized = "notifications/initialized" (), on_initialized;
        /** The client's roots changed; deprecated in 2026-07-28. */
        RootsListChanged = "notifications/roots/list_changed" (), on_roots_list_changed;
    }
}

/// How long a method that isn't in the table may be.
const MAX_METHOD: usize = 64;

/// A request that the specification doesn't know, or that the caller's version no longer has.
/// Requires `custom:<method>:call`, and without it there is no such method.
#[derive(Debug)]
pub(crate) struct Custom;

impl Operation for Custom {
    type Params = CustomRequest;
    type Output = CustomResult;
    type Context = Request;

    fn method(params: &CustomRequest) -> Cow<'static, str> {
        Cow::Owned(cut(&params.method, MAX_METHOD).to_owned())
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

/// A notification that the specification doesn't know. Requires `custom:<method>:call`.
#[derive(Debug)]
pub(crate) struct CustomNote;

impl Operation for CustomNote {
    type Params = CustomNotification;
    type Output = ();
    type Context = NotificationContext<RoleServer>;

    fn method(params: &CustomNotification) -> Cow<'static, str> {
        Cow::Owned(cut(&params.method, MAX_METHOD).to_owned())
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
