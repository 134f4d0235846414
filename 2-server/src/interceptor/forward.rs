//! Each method of a handler, forwarded through the pipeline. One that isn't here stays refused.
#![expect(
    deprecated,
    reason = "older protocol versions still send what the newest one deprecates"
)]

use std::borrow::Cow;

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

use super::{guard::Guard, protocol::methods as op};

type Page = Option<PaginatedRequestParams>;
type Request = RequestContext<RoleServer>;
type Note = NotificationContext<RoleServer>;

impl<H: ServerHandler> ServerHandler for Guard<H> {
    async fn initialize(
        &self,
        params: InitializeRequestParams,
        context: Request,
    ) -> Result<InitializeResult, ErrorData> {
        let mut result = self.pass::<op::Initialize>(params, context).await?;
        self.announce(&mut result.capabilities);
        Ok(result)
    }
    async fn discover(&self, context: Request) -> Result<DiscoverResult, ErrorData> {
        let mut result = self.pass::<op::Discover>((), context).await?;
        self.announce(&mut result.capabilities);
        Ok(result)
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
        let session = context.clone();
        if self.pass::<op::Initialized>((), context).await.is_ok() {
            self.follow_rights(&session);
        }
    }
    async fn on_roots_list_changed(&self, context: Note) {
        let _ = self.pass::<op::RootsListChanged>((), context).await;
    }
    async fn on_custom_notification(&self, params: CustomNotification, context: Note) {
        let _ = self.pass::<op::CustomNote>(params, context).await;
    }

    // What the transport must know before there is a call: the same for every caller.
    fn get_info(&self) -> ServerConfig {
        let mut info = self.handler().get_info();
        self.announce(&mut info.capabilities);
        info
    }
    fn supported_protocol_versions(&self) -> Cow<'static, [ProtocolVersion]> {
        self.handler().supported_protocol_versions()
    }
    fn get_tool(&self, name: &str) -> Option<Tool> {
        self.handler().get_tool(name)
    }
    fn accepted_subscription_filter(
        &self,
        requested: &SubscriptionFilter,
    ) -> Option<SubscriptionFilter> {
        self.accepted(requested)
    }
}
