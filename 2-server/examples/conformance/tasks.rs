//! Tools whose work goes on after their first answer (the tasks extension). rmcp keeps the tasks;
//! this file adds what it leaves to its user: a task is there only for the caller that began it,
//! and there are only so many.

use std::{
    collections::HashMap,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use rmcp::{
    ErrorData, RoleServer,
    model::{
        CallToolRequestParams, CallToolResponse, CallToolResult, ClientCapabilities, ContentBlock,
        CreateTaskResult, GetTaskResult, InputRequiredResult, JsonObject, Tool, UpdateTaskParams,
    },
    service::RequestContext,
    task_manager::{TaskContext, TaskExit, TaskManager, TaskOptions},
};
use serde_json::{Value, json};

use crate::{
    common::{caller, no_arguments, text, tool},
    input_required::{ask, form, given},
};

/// Tasks that may be remembered at once; beyond it, a new one is refused.
const MOST: usize = 256;
/// The longest that `slow_compute` computes.
const SLOWEST: Duration = Duration::from_secs(30);

pub(crate) fn tools() -> Vec<Tool> {
    let plain = |name, description| tool(name, description, no_arguments());
    let with = |name, description, properties| {
        tool(
            name,
            description,
            json!({ "type": "object", "properties": properties }),
        )
    };
    vec![
        with(
            "greet",
            "Greets; never a task",
            json!({ "name": { "type": "string" } }),
        ),
        with(
            "slow_compute",
            "Takes some seconds; a task if the client knows them",
            json!({ "seconds": { "type": "number" }, "label": { "type": "string" } }),
        ),
        plain(
            "protocol_error_job",
            "Breaks off; a task if the client knows them",
        ),
        plain("failing_job", "Fails; always a task"),
        with(
            "confirm_delete",
            "Asks the user while it runs; always a task",
            json!({ "filename": { "type": "string" } }),
        ),
        plain(
            "multi_input",
            "Asks the user twice at once while it runs; always a task",
        ),
        plain(
            "test_tool_with_task",
            "Asks for a name, then becomes a task",
        ),
    ]
}

/// What a tool's work comes to.
type Outcome = Result<CallToolResult, TaskExit>;

/// The tasks, and whose they are.
#[derive(Default)]
pub(crate) struct Tasks {
    manager: TaskManager,
    owners: Mutex<HashMap<String, Arc<str>>>,
}

impl Tasks {
    /// Answers, when it is one of these tools.
    pub(crate) async fn call(
        &self,
        params: &CallToolRequestParams,
        arguments: &JsonObject,
        context: &RequestContext<RoleServer>,
    ) -> Result<Option<CallToolResponse>, ErrorData> {
        let knows_tasks = context
            .client_capabilities()
            .is_some_and(|client| client.supports_tasks());
        let owner = caller(context)?;
        let response = match &*params.name {
            "greet" => done(format!("Hello, {}!", text(arguments, "name", "friend"))).into(),
            "slow_compute" => {
                let label = text(arguments, "label", "compute").to_owned();
                let seconds = arguments
                    .get("seconds")
                    .and_then(Value::as_f64)
                    .unwrap_or(1.0);
                let time = Duration::try_from_secs_f64(seconds)
                    .unwrap_or(SLOWEST)
                    .min(SLOWEST);
                if knows_tasks {
                    self.begin(owner, move |task| compute(label, time, task))?
                } else {
                    tokio::time::sleep(time).await;
                    done(format!("{label} took {} s", time.as_secs_f64())).into()
                }
            }
            "protocol_error_job" => {
                let broken = || ErrorData::internal_error("this job breaks off on purpose", None);
                if !knows_tasks {
                    return Err(broken());
                }
                self.begin(owner, move |_task| async move { Err(broken().into()) })?
            }
            // The rest can't be done without a task.
            "failing_job" | "confirm_delete" | "multi_input" | "test_tool_with_task"
                if !knows_tasks =>
            {
                let needed = ClientCapabilities::builder().enable_tasks().build();
                return Err(ErrorData::missing_required_client_capability(needed));
            }
            "failing_job" => {
                let why = vec![ContentBlock::text("this job fails on purpose")];
                self.begin(
                    owner,
                    move |_task| async move { Ok(CallToolResult::error(why)) },
                )?
            }
            "confirm_delete" => {
                let file = text(arguments, "filename", "file.txt").to_owned();
                self.begin(owner, move |task| confirm(file, task))?
            }
            "multi_input" => self.begin(owner, ask_twice)?,
            "test_tool_with_task" => match given(params.input_responses.as_ref(), "user_name") {
                None => {
                    let question = ask("user_name", "What is your name?", "name", "string");
                    InputRequiredResult::from_input_requests(question).into()
                }
                Some(answer) => {
                    let name = field(answer, "name");
                    self.begin(owner, move |_task| async move {
                        Ok(done(format!("Hello, {name}!")))
                    })?
                }
            },
            _ => return Ok(None),
        };
        Ok(Some(response))
    }

    fn begin<F>(
        &self,
        owner: Arc<str>,
        work: impl FnOnce(TaskContext) -> F,
    ) -> Result<CallToolResponse, ErrorData>
    where
        F: Future<Output = Outcome> + Send + 'static,
    {
        let mut owners = self.owners();
        // rmcp forgets a task some time after its end; so does this table, when it must.
        if owners.len() >= MOST {
            owners.retain(|id, _| self.manager.get_task(id).is_ok());
        }
        if owners.len() >= MOST {
            let text = "too many tasks: wait until some of them have ended";
            return Err(ErrorData::internal_error(text, None));
        }
        let task = self
            .manager
            .spawn(TaskOptions::default(), |task| Box::pin(work(task)));
        owners.insert(task.task_id.clone(), owner);
        Ok(CreateTaskResult::new(task).into())
    }

    pub(crate) fn get(&self, id: &str, caller: &Arc<str>) -> Result<GetTaskResult, ErrorData> {
        let task = self.manager.get_task(self.seen_by(caller, id))?;
        Ok(GetTaskResult::new(task))
    }

    pub(crate) fn update(
        &self,
        params: UpdateTaskParams,
        caller: &Arc<str>,
    ) -> Result<(), ErrorData> {
        let id = self.seen_by(caller, &params.task_id);
        self.manager.update_task(id, params.input_responses)
    }

    pub(crate) fn cancel(&self, id: &str, caller: &Arc<str>) -> Result<(), ErrorData> {
        self.manager.cancel_task(self.seen_by(caller, id))
    }

    /// The task's id, or one that no task has: someone else's task is as unknown as none.
    fn seen_by<'a>(&self, caller: &Arc<str>, id: &'a str) -> &'a str {
        if self.owners().get(id) == Some(caller) {
            id
        } else {
            ""
        }
    }

    fn owners(&self) -> MutexGuard<'_, HashMap<String, Arc<str>>> {
        self.owners.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

async fn compute(label: String, time: Duration, task: TaskContext) -> Outcome {
    tokio::select! {
        () = task.cancelled() => Err(TaskExit::Cancelled),
        () = tokio::time::sleep(time) => Ok(done(format!("{label} took {} s", time.as_secs_f64()))),
    }
}

async fn confirm(file: String, task: TaskContext) -> Outcome {
    let question = form(&format!("Delete {file}?"), "confirm", "boolean");
    let answer = task.request_input("confirm", question).await?;
    let sure = answer.pointer("/content/confirm").and_then(Value::as_bool) == Some(true);
    Ok(done(format!("{file} confirmed: {sure}")))
}

async fn ask_twice(task: TaskContext) -> Outcome {
    let question = |key, text| task.request_input(key, form(text, "value", "string"));
    let (first, second) = tokio::join!(
        question("input-a", "The first?"),
        question("input-b", "The second?")
    );
    let (first, second) = (field(&first?, "value"), field(&second?, "value"));
    Ok(done(format!("{first} and {second}")))
}

fn field(answer: &Value, name: &str) -> String {
    let content = answer.get("content").and_then(|content| content.get(name));
    content
        .and_then(Value::as_str)
        .unwrap_or("nothing")
        .to_owned()
}

fn done(text: String) -> CallToolResult {
    CallToolResult::success(vec![ContentBlock::text(text)])
}
