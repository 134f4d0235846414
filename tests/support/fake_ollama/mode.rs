//! The scripts that the fake knows, by name.

/// What the fake does with a chat.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Mode {
    /// As the model's name says.
    ByModel,
    /// Answers, and calls a tool when the question is about one.
    Normal,
    /// Thinks, then answers.
    Thinking,
    /// Calls the first tool that is offered, in a line of its own.
    Tools,
    /// Calls the first tool in the line that says `done`.
    ToolsInDone,
    /// Puts the last text into the line that says `done`.
    ContentInDone,
    /// Cuts lines into pieces, also inside characters, and puts several into one piece.
    Split,
    /// Says three words, then sends an error as a line.
    ErrorMidStream,
    /// Sends an error as the first line, under status 200.
    ErrorFirst,
    /// Ends the body without `done`.
    Cut,
    /// Breaks the connection in the middle.
    Reset,
    /// Sends nothing for a while, then answers.
    Slow,
    /// Accepts the request and never answers.
    Hang,
    /// Says three words and then nothing, for ever.
    Stall,
    /// Sends single spaces for ever, and no line.
    Drip,
    /// Is busy twice, then answers.
    Busy,
    /// Is always busy.
    Full,
    /// Fails to run the model.
    Crash,
    /// Wants a credential.
    Unauthorized,
    /// Is a web page, with status 200.
    Html,
    /// Is a proxy's error page.
    BadGateway,
    /// Points elsewhere.
    Redirect,
    /// Sends a line without end.
    LongLine,
    /// Sends a line that isn't JSON.
    Garbage,
    /// Sends a number as a string.
    Strings,
    /// Leaves out every field that it can.
    Sparse,
    /// Says that the prompt is too long.
    ContextFull,
    /// Sends as many tokens as it is told.
    Flood,
}

impl Mode {
    pub const ALL: [(&'static str, Self); 28] = [
        ("by-model", Self::ByModel),
        ("normal", Self::Normal),
        ("thinking", Self::Thinking),
        ("tools", Self::Tools),
        ("tools-in-done", Self::ToolsInDone),
        ("content-in-done", Self::ContentInDone),
        ("split", Self::Split),
        ("error-mid-stream", Self::ErrorMidStream),
        ("error-first", Self::ErrorFirst),
        ("cut", Self::Cut),
        ("reset", Self::Reset),
        ("slow", Self::Slow),
        ("hang", Self::Hang),
        ("stall", Self::Stall),
        ("drip", Self::Drip),
        ("busy", Self::Busy),
        ("full", Self::Full),
        ("crash", Self::Crash),
        ("unauthorized", Self::Unauthorized),
        ("html", Self::Html),
        ("bad-gateway", Self::BadGateway),
        ("redirect", Self::Redirect),
        ("long-line", Self::LongLine),
        ("garbage", Self::Garbage),
        ("strings", Self::Strings),
        ("sparse", Self::Sparse),
        ("context-full", Self::ContextFull),
        ("flood", Self::Flood),
    ];

    /// The mode of that name.
    pub fn named(name: &str) -> Option<Self> {
        Self::ALL
            .iter()
            .find(|(known, _)| *known == name)
            .map(|(_, mode)| *mode)
    }

    /// The mode that a model's name asks for: `fake-cut:latest` is cut, and the usual models do
    /// what their namesakes do.
    pub fn of_model(full_name: &str) -> Self {
        let base = full_name.split(':').next().unwrap_or_default();
        match base.strip_prefix("fake-") {
            Some(mode) => Self::named(mode).unwrap_or(Self::Normal),
            None if base == "qwen3" => Self::Thinking,
            None => Self::Normal,
        }
    }
}
