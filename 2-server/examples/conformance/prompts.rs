//! Prompts, and completion for their arguments.

use rmcp::{
    ErrorData,
    model::{
        CompleteRequestParams, CompleteResult, CompletionInfo, ContentBlock,
        GetPromptRequestParams, GetPromptResponse, GetPromptResult, ImageContent,
        InputRequiredResult, Prompt, PromptArgument, PromptMessage, Reference, ResourceContents,
        Role,
    },
};

use crate::{
    common::text,
    content::IMAGE,
    input_required::{ask, given},
    resources,
};

const WORDS: [&str; 4] = ["test", "testing", "tested", "value"];

pub(crate) fn all() -> Vec<Prompt> {
    let argument = |name, description, required| {
        PromptArgument::new(name)
            .with_description(description)
            .with_required(required)
    };
    vec![
        Prompt::new("test_simple_prompt", Some("One message"), None),
        Prompt::new(
            "test_prompt_with_arguments",
            Some("A message that repeats its arguments"),
            Some(vec![
                argument("arg1", "The first", true),
                argument("arg2", "The second", false),
            ]),
        ),
        Prompt::new(
            "test_prompt_with_embedded_resource",
            Some("A message with a resource in it"),
            Some(vec![argument("resourceUri", "The resource", true)]),
        ),
        Prompt::new(
            "test_prompt_with_image",
            Some("A message with an image"),
            None,
        ),
        Prompt::new(
            "test_input_required_result_prompt",
            Some("Asks for a context before it answers"),
            None,
        ),
    ]
}

pub(crate) fn get(params: &GetPromptRequestParams) -> Result<GetPromptResponse, ErrorData> {
    let arguments = params.arguments.clone().unwrap_or_default();
    let said = |text: String| PromptMessage::new_text(Role::User, text);
    let messages = match params.name.as_str() {
        "test_simple_prompt" => vec![said("This is a simple prompt for testing.".to_owned())],
        "test_prompt_with_arguments" => {
            let (first, second) = (text(&arguments, "arg1", ""), text(&arguments, "arg2", ""));
            vec![said(format!(
                "Prompt with arguments: arg1='{first}', arg2='{second}'"
            ))]
        }
        "test_prompt_with_embedded_resource" => {
            let uri = text(&arguments, "resourceUri", resources::TEXT);
            let contents = ResourceContents::text("Embedded resource content for testing.", uri)
                .with_mime_type("text/plain");
            vec![
                PromptMessage::new(Role::User, ContentBlock::resource(contents)),
                said("Please process the embedded resource above.".to_owned()),
            ]
        }
        "test_prompt_with_image" => vec![
            PromptMessage::new(
                Role::User,
                ContentBlock::Image(ImageContent::new(IMAGE, "image/png")),
            ),
            said("Please analyze the image above.".to_owned()),
        ],
        "test_input_required_result_prompt" => {
            let Some(context) = given(params.input_responses.as_ref(), "user_context") else {
                let question = ask("user_context", "Which context?", "context", "string");
                return Ok(InputRequiredResult::from_input_requests(question).into());
            };
            let context = context
                .pointer("/content/context")
                .and_then(|value| value.as_str());
            vec![said(format!(
                "In the context of {}",
                context.unwrap_or("nothing")
            ))]
        }
        unknown => {
            return Err(ErrorData::invalid_params(
                format!("unknown prompt: {unknown}"),
                None,
            ));
        }
    };
    Ok(GetPromptResult::new(messages).into())
}

pub(crate) fn complete(params: &CompleteRequestParams) -> Result<CompleteResult, ErrorData> {
    let begun = &params.argument.value;
    let words: &[&str] = match &params.r#ref {
        Reference::Prompt(_) => &WORDS,
        _ => &[],
    };
    let fitting = words.iter().filter(|word| word.starts_with(begun.as_str()));
    let values = fitting.map(|word| (*word).to_owned()).collect();
    let completion = CompletionInfo::with_all_values(values)
        .map_err(|error| ErrorData::internal_error(error, None))?;
    Ok(CompleteResult::new(completion))
}
