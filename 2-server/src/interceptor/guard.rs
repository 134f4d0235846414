//! [`Guard`] stands in front of any rmcp handler. It has no way to the handler but through the
//! pipeline, and a method that it doesn't forward stays refused.
#![expect(
    deprecated,
    reason = "older protocol versions still send what the newest one deprecates"
)]

use std::{borrow::Cow, sync::Arc};

use rmcp::{
    ErrorData, RoleServer, ServerHandler,
    model::{
        CallToolRequestParams, CallToolResponse, CancelTaskParams, CancelledNotificationParam,
        CompleteRequestParams, CompleteResult, CustomNotification, CustomRequest, CustomResult,
        DiscoverResult, GetPromptRequestParams, GetPromptResponse, GetSkillRequestParams,
        GetSkillResult, GetTaskParams, GetTaskResult, InitializeRequestParams, InitializeResult,
        ListPromptsResult, ListResourceTemplatesResult, ListResourcesResult, ListSkillsResult,
        ListToolsResult, PaginatedRequestParams, ProgressNotificationParam, ProtocolVersion,
        ReadResourceDirectoryRequestParams, ReadResourceDirectoryResult, ReadResourceRequestParams,
        ReadResourceResponse, ServerConfig, SetLevelRequestParams, SubscribeRequestParams,
        SubscriptionFilter, Tool, UnsubscribeRequestParams, UpdateTaskParams,
    },
    service::{NotificationContext, RequestContext, SubscriptionContext},
};
use tower::{Layer as _, Service as _};

use super::{
    Layers, Pipeline, Stack,
    audit::Journal,
    authenticate::Authenticator,
    call::{Arrival, Call, Context as _, Facts, Failure, Operation},
    catalogue::Catalogue,
    denial::{Denial, DenialKind},
    dispatch::Dispatch,
    funnel::Entrance,
    operations as op,
    trace::Trace,
};

/// A handler behind the pipeline. Cheap to clone: build it once and hand out clones.
#[derive(Debug)]
pub struct Guard<H: ServerHandler> {
    core: Arc<Core<H>>,
    arrival: Option<Arrival>,
}

/// What all clones share. One pointer to it, because rmcp clones a handler for every request.
#[derive(Debug)]
pub(super) struct Core<H: ServerHandler> {
    handler: Arc<H>,
    stack: Stack<H>,
    authenticator: Arc<Authenticator>,
    catalogue: Arc<Catalogue>,
    journal: Arc<Journal>,
}

impl<H: ServerHandler> Clone for Guard<H> {
    fn clone(&self) -> Self {
        Self {
            core: Arc::clone(&self.core),
            arrival: self.arrival.clone(),
        }
    }
}

impl<H: ServerHandler> Guard<H> {
    /// Puts a handler behind the pipeline.
    pub fn new(handler: H, pipeline: &Pipeline) -> Self {
        let handler = Arc::new(handler);
        let layers: Layers = pipeline.layers();
        let core = Core {
            stack: layers.layer(Dispatch::new(Arc::clone(&handler), pipeline.time_out)),
            handler,
            authenticator: Arc::clone(&pipeline.authenticator),
            catalogue: Arc::clone(&pipeline.catalogue),
            journal: Arc::clone(&pipeline.journal),
        };
        Self {
            core: Arc::new(core),
            arrival: None,
        }
    }

    /// The same guard for a transport that has one caller for its whole life, such as stdio: what
    /// arrives without a word about its caller arrived like this.
    #[must_use]
    pub fn arriving(mut self, arrival: Arrival) -> Self {
        self.arrival = Some(arrival);
        self
    }

    /// Signs callers in; transports use it.
    pub fn authenticator(&self) -> &Arc<Authenticator> {
        &self.core.authenticator
    }

    /// Where records go; transports write there what the pipeline never sees.
    pub fn journal(&self) -> &Arc<Journal> {
        &self.core.journal
    }

    async fn pass<Op: Operation>(
        &self,
        params: Op::Params,
        context: Op::Context,
    ) -> Result<Op::Output, ErrorData> {
        let arrival = Arrival::of(context.extensions())
            .or(self.arrival.as_ref())
            .cloned();
        self.core.pass::<Op>(arrival, params, context).await
    }
}

impl<H: ServerHandler> Core<H> {
    /// The one way to the handler.
    pub(super) async fn pass<Op: Operation>(
        self: &Arc<Self>,
        arrival: Option<Arrival>,
        params: Op::Params,
        mut context: Op::Context,
    ) -> Result<Op::Output, ErrorData> {
        if let Some(ticket) = arrival.as_ref().and_then(|arrival| arrival.ticket.as_ref()) {
            ticket.take();
        }
        let principal = self.identify(arrival.as_ref());
        let unknown = Op::unknown(&params);
        let trace = Trace::of(context.meta(), self.journal.opens_spans());
        let mut facts = Facts::gather::<Op>(
            &params,
            &context,
            arrival.as_ref(),
            principal,
            &self.catalogue,
        );
        if let (Some(trace), Some(request)) = (&trace, context.request()) {
            request.extensions.insert(trace.clone());
        }
        facts.trace = trace;
        if Op::NESTS
            && let (Some(arrival), Some(request)) = (&arrival, context.request())
            && arrival.parent.is_none()
        {
            let entrance = Entrance::new(Arc::clone(self), arrival.clone(), facts.id());
            request.extensions.insert(entrance);
        }
        let result = self
            .stack
            .clone()
            .call(Call::<Op> {
                params,
                context,
                facts: Arc::new(facts),
            })
            .await;
        result.map_err(|failure| match failure {
            Failure::Failed(error) => error,
            Failure::Cancelled => ErrorData::internal_error("cancelled", None),
            Failure::Denied(denial) => {
                if let (DenialKind::Forbidden, Some(unknown)) = (denial.kind, unknown) {
                    return unknown;
                }
                let error = denial.to_error();
                if let Some(slot) = arrival.and_then(|arrival| arrival.slot) {
                    slot.put(denial);
                }
                error
            }
        })
    }

    fn identify(&self, arrival: Option<&Arrival>) -> Result<super::Principal, Denial> {
        match arrival.and_then(|arrival| arrival.principal.as_ref()) {
            Some(principal) => self.authenticator.current(principal),
            // A transport that signs nobody in must not become an open door.
            None => Err(Denial::unauthorized("nobody signed in for this message")),
        }
    }
}

type Page = Option<PaginatedRequestParams>;
type Request = RequestContext<RoleServer>;
type Note = NotificationContext<RoleServer>;

impl<H: ServerHandler> ServerHandler for Guard<H> {
    async fn initialize(
        &self,
        params: InitializeRequestParams,
        context: Request,
    ) -> Result<InitializeResult, ErrorData> {
        self.pass::<op::Initialize>(params, context).await
    }
    async fn discover(&self, context: Request) -> Result<DiscoverResult, ErrorData> {
        self.pass::<op::Discover>((), context).await
    }
    async fn ping(&self, context: Request) -> Result<(), ErrorData> {
        self.pass::<op::Ping>((), context).await
    }
    async fn set_level(
        &self,
        params: SetLevelRequestParams,
        context: Request,
    ) -> Result<(), ErrorData> {
        self.pass::<op::SetLevel>(params, context).await
    }

    async fn list_tools(
        &self,
        params: Page,
        context: Request,
    ) -> Result<ListToolsResult, ErrorData> {
        self.pass::<op::ListTools>(params, context).await
    }
    async fn call_tool(
        &self,
        params: CallToolRequestParams,
        context: Request,
    ) -> Result<CallToolResponse, ErrorData> {
        self.pass::<op::CallTool>(params, context).await
    }

    async fn list_resources(
        &self,
        params: Page,
        context: Request,
    ) -> Result<ListResourcesResult, ErrorData> {
        self.pass::<op::ListResources>(params, context).await
    }
    async fn list_resource_templates(
        &self,
        params: Page,
        context: Request,
    ) -> Result<ListResourceTemplatesResult, ErrorData> {
        self.pass::<op::ListResourceTemplates>(params, context)
            .await
    }
    async fn read_resource(
        &self,
        params: ReadResourceRequestParams,
        context: Request,
    ) -> Result<ReadResourceResponse, ErrorData> {
        self.pass::<op::ReadResource>(params, context).await
    }
    async fn subscribe(
        &self,
        params: SubscribeRequestParams,
        context: Request,
    ) -> Result<(), ErrorData> {
        self.pass::<op::Subscribe>(params, context).await
    }
    async fn unsubscribe(
        &self,
        params: UnsubscribeRequestParams,
        context: Request,
    ) -> Result<(), ErrorData> {
        self.pass::<op::Unsubscribe>(params, context).await
    }
    async fn read_resource_directory(
        &self,
        params: ReadResourceDirectoryRequestParams,
        context: Request,
    ) -> Result<ReadResourceDirectoryResult, ErrorData> {
        self.pass::<op::ReadResourceDirectory>(params, context)
            .await
    }
    async fn listen(&self, context: SubscriptionContext) -> Result<(), ErrorData> {
        self.pass::<op::Listen>((), context).await
    }

    async fn list_prompts(
        &self,
        params: Page,
        context: Request,
    ) -> Result<ListPromptsResult, ErrorData> {
        self.pass::<op::ListPrompts>(params, context).await
    }
    async fn get_prompt(
        &self,
        params: GetPromptRequestParams,
        context: Request,
    ) -> Result<GetPromptResponse, ErrorData> {
        self.pass::<op::GetPrompt>(params, context).await
    }
    async fn complete(
        &self,
        params: CompleteRequestParams,
        context: Request,
    ) -> Result<CompleteResult, ErrorData> {
        self.pass::<op::Complete>(params, context).await
    }

    async fn get_task(
        &self,
        params: GetTaskParams,
        context: Request,
    ) -> Result<GetTaskResult, ErrorData> {
        self.pass::<op::GetTask>(params, context).await
    }
    async fn update_task(
        &self,
        params: UpdateTaskParams,
        context: Request,
    ) -> Result<(), ErrorData> {
        self.pass::<op::UpdateTask>(params, context).await
    }
    async fn cancel_task(
        &self,
        params: CancelTaskParams,
        context: Request,
    ) -> Result<(), ErrorData> {
        self.pass::<op::CancelTask>(params, context).await
    }
    async fn list_skills(
        &self,
        params: Page,
        context: Request,
    ) -> Result<ListSkillsResult, ErrorData> {
        self.pass::<op::ListSkills>(params, context).await
    }
    async fn get_skill(
        &self,
        params: GetSkillRequestParams,
        context: Request,
    ) -> Result<GetSkillResult, ErrorData> {
        self.pass::<op::GetSkill>(params, context).await
    }
    async fn on_custom_request(
        &self,
        params: CustomRequest,
        context: Request,
    ) -> Result<CustomResult, ErrorData> {
        self.pass::<op::Custom>(params, context).await
    }

    // A notification has no answer, so a refusal is only recorded, and the handler never hears it.
    async fn on_cancelled(&self, params: CancelledNotificationParam, context: Note) {
        let _ = self.pass::<op::Cancelled>(params, context).await;
    }
    async fn on_progress(&self, params: ProgressNotificationParam, context: Note) {
        let _ = self.pass::<op::Progress>(params, context).await;
    }
    async fn on_initialized(&self, context: Note) {
        let _ = self.pass::<op::Initialized>((), context).await;
    }
    async fn on_roots_list_changed(&self, context: Note) {
        let _ = self.pass::<op::RootsListChanged>((), context).await;
    }
    async fn on_custom_notification(&self, params: CustomNotification, context: Note) {
        let _ = self.pass::<op::CustomNote>(params, context).await;
    }

    // What the transport must know before there is a call: the same for every caller.
    fn get_info(&self) -> ServerConfig {
        self.core.handler.get_info()
    }
    fn supported_protocol_versions(&self) -> Cow<'static, [ProtocolVersion]> {
        self.core.handler.supported_protocol_versions()
    }
    fn get_tool(&self, name: &str) -> Option<Tool> {
        self.core.handler.get_tool(name)
    }
    fn accepted_subscription_filter(
        &self,
        requested: &SubscriptionFilter,
    ) -> Option<SubscriptionFilter> {
        self.core.handler.accepted_subscription_filter(requested)
    }
}
