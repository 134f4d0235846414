//! A turn: from Enter to the end of the last answer, with the calls in between.

use super::conversation::{Answer, CallState, Closing, Ended};
use super::*;
use crate::agent::READ_RESOURCE;
use crate::catalog::Tool;
use crate::chat::{Message, Reply, Role};

/// What a running turn is doing. Each looks different on screen.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Phase {
    /// Sent; nothing has come back yet.
    Sent,
    /// The server has it waiting, at this place.
    Queued(String),
    /// The model is being loaded.
    Loading,
    /// The model thinks.
    Thinking,
    /// Text is coming.
    Answering,
    /// A person decides.
    Deciding,
    /// A tool is running.
    Calling(String),
}

/// A running turn.
#[derive(Debug, Clone, PartialEq)]
pub struct Running {
    /// Its number.
    pub turn: u64,
    /// What it is doing.
    pub phase: Phase,
    /// Since when it does that.
    pub since: Duration,
    /// When this model call began.
    pub asked: Duration,
    /// When its first text came.
    pub first_token: Option<Duration>,
    /// The entry that is being written.
    pub answer: Option<u64>,
    /// Calls and their entries.
    pub calls: Vec<(u32, u64, Duration)>,
    /// The model sums the chat up: what it says is no answer.
    pub sums_up: bool,
}

impl App {
    /// Puts the person's message up and starts the turn.
    pub(super) fn say(&mut self, chat: usize, text: String) -> Vec<Command> {
        let attached = std::mem::take(&mut self.chats[chat].attached);
        self.push(chat, Body::User { text, attached });
        self.start(chat)
    }

    /// Starts a turn from the chat as it stands.
    pub(super) fn start(&mut self, chat: usize) -> Vec<Command> {
        self.start_with(chat, None)
    }

    /// Starts a turn; with `sum_up`, one in which the model is asked for that alone, and has no tools.
    pub(super) fn start_with(&mut self, chat: usize, sum_up: Option<&str>) -> Vec<Command> {
        let place = self.chat_server();
        let connection = self.servers.first().map(|s| &s.connection);
        let (Some(server), Some(Connection::Ready)) = (place, connection) else {
            let failure = match connection {
                Some(Connection::Down(failure, _)) => failure.clone(),
                Some(Connection::Connecting) => {
                    Failure::Away("the connection is being made".into())
                }
                Some(Connection::Ready) | None => Failure::Here(format!(
                    "{} has no tool named {}, so it can't chat; name another server under [chat], or call tools by hand",
                    self.servers
                        .first()
                        .map_or("the server", |s| s.name.as_str()),
                    self.chat_tool
                )),
            };
            self.push(chat, Body::Trouble(Trouble::from(&failure)));
            return Vec::new();
        };
        let own = &self.servers[server];
        let chat_fingerprint = match own.catalog.tool(&self.chat_tool) {
            Some(tool) if !own.held.covers(&tool.name) => tool.fingerprint(&own.catalog.owner()),
            _ => {
                let failure = Failure::Held(format!(
                    "{} or its tool {} isn't what you looked at. It is held back, and nothing was sent to it",
                    own.name, self.chat_tool
                ));
                self.push(chat, Body::Trouble(Trouble::from(&failure)));
                return Vec::new();
            }
        };
        // What is held back is no tool of this model until a person says so.
        let servers = self.servers.iter().enumerate();
        let ready = servers
            .filter(|(_, s)| s.connection == Connection::Ready && !s.held.is_whole())
            .map(|(place, s)| Source {
                server: place,
                name: &s.name,
                catalog: &s.catalog,
                tools: {
                    let is_off = |t: &&Tool| self.pins.is_off(&s.address, &t.name);
                    let tools = s.catalog.tools.iter();
                    let tools = tools.filter(|t| !s.held.covers(&t.name) && !is_off(t));
                    tools.collect()
                },
                reads: !self.pins.is_off(&s.address, READ_RESOURCE),
            });
        let offered = match sum_up {
            None => offers(ready, self.servers.len() > 1),
            Some(_) => Vec::new(),
        };
        let turn = self.id();
        let now = self.now;
        let state = &mut self.chats[chat];
        let mut messages = conversation::messages(self.system.as_deref(), &state.entries);
        messages.extend(sum_up.map(|words| Message::new(Role::User, words)));
        let ask = Turn {
            server,
            chat_tool: self.chat_tool.clone(),
            ask: Ask {
                messages,
                model: state.model.clone(),
                ..Ask::default()
            },
            chat_fingerprint,
            window: conversation::context(&state.entries).map(|context| context.size),
            offered,
            rounds: self.limits.rounds,
            time: self.limits.turn(),
        };
        state.running = Some(Running {
            turn,
            phase: Phase::Sent,
            since: now,
            asked: now,
            first_token: None,
            answer: None,
            calls: Vec::new(),
            sums_up: sum_up.is_some(),
        });
        vec![Command::Start {
            chat: state.id,
            turn,
            ask: Box::new(ask),
        }]
    }

    /// Stops the turn on screen: at once here, and the server is told.
    pub(super) fn stop_current(&mut self) -> Vec<Command> {
        let chat = self.current;
        let Some(running) = self.chats[chat].running.take() else {
            return Vec::new();
        };
        self.close_turn(chat, &running, "stopped by you");
        // What was queued comes back for editing rather than being sent after a stop.
        let state = &mut self.chats[chat];
        if !state.queue.is_empty() {
            let mut waiting: Vec<String> = state.queue.drain(..).collect();
            if !state.input.is_blank() {
                waiting.push(state.input.text().to_owned());
            }
            state.input.set(waiting.join("\n"));
        }
        vec![Command::Stop { turn: running.turn }]
    }

    /// Marks whatever was unfinished.
    fn close_turn(&mut self, chat: usize, running: &Running, why: &str) {
        let state = &mut self.chats[chat];
        state.pending = None;
        for entry in state.entries.iter_mut().rev() {
            match &mut entry.body {
                Body::Answer(answer)
                    if Some(entry.id) == running.answer && answer.ended.is_none() =>
                {
                    answer.ended = Some(Ended::Cut(why.to_owned()));
                    entry.rev += 1;
                }
                Body::Call(card)
                    if matches!(card.state, CallState::Waiting | CallState::Running) =>
                {
                    card.state = CallState::Stopped;
                    entry.rev += 1;
                }
                Body::User { .. } => break,
                _ => {}
            }
        }
    }

    pub(super) fn entry_mut(&mut self, chat: usize, id: u64) -> Option<&mut Entry> {
        self.chats[chat]
            .entries
            .iter_mut()
            .rev()
            .find(|e| e.id == id)
    }

    /// Applies one event of a turn.
    pub(super) fn agent(&mut self, chat: u64, turn: u64, event: AgentEvent) -> Vec<Command> {
        let Some(chat) = self.chats.iter().position(|c| c.id == chat) else {
            return Vec::new();
        };
        let now = self.now;
        let state = &mut self.chats[chat];
        let Some(running) = state.running.as_mut().filter(|r| r.turn == turn) else {
            return Vec::new();
        };
        state.unsaved = true;
        match event {
            AgentEvent::Asking { left_out } => {
                (running.asked, running.first_token, running.answer) = (now, None, None);
                self.phase(chat, Phase::Sent);
                self.leaves_out(chat, left_out);
            }
            AgentEvent::Progress(piece) => self.piece(chat, piece.kind, &piece.text),
            AgentEvent::Answered(reply) => self.answered(chat, *reply),
            AgentEvent::Wanted(wanted) => return self.wanted(chat, turn, wanted),
            AgentEvent::Calling(number, arguments) => {
                let id =
                    running
                        .calls
                        .iter_mut()
                        .find(|(n, ..)| *n == number)
                        .map(|(_, id, began)| {
                            *began = now;
                            *id
                        });
                if let Some(Entry {
                    body: Body::Call(card),
                    rev,
                    ..
                }) = id.and_then(|id| self.entry_mut(chat, id))
                {
                    card.call.arguments = arguments;
                    card.state = CallState::Running;
                    *rev += 1;
                    let name = card.title();
                    self.phase(chat, Phase::Calling(name));
                }
            }
            AgentEvent::Called(number, result) => {
                let call = running.calls.iter().find(|(n, ..)| *n == number).copied();
                if let Some((_, id, began)) = call
                    && let Some(Entry {
                        body: Body::Call(card),
                        rev,
                        ..
                    }) = self.entry_mut(chat, id)
                {
                    card.state = match result {
                        Ok(result) => CallState::Done(result, now.saturating_sub(began)),
                        Err(failure) => CallState::Failed(Trouble::from(&failure)),
                    };
                    *rev += 1;
                }
            }
            AgentEvent::Failed(failure) => {
                let running = running.clone();
                self.chats[chat].running = None;
                self.chats[chat].retry_at = failure.retry_after().map(|wait| now + wait);
                // Why stands below it, with what to do.
                self.close_turn(chat, &running, "");
                self.push(chat, Body::Trouble(Trouble::from(&failure)));
                return self.next_in_queue(chat, &failure);
            }
            AgentEvent::Done => {
                self.chats[chat].running = None;
                if let Some(text) = self.chats[chat].queue.pop_front() {
                    return self.say(chat, text);
                }
            }
        }
        Vec::new()
    }

    /// After a failure the waiting messages come back to the input: sending them into the same
    /// trouble one after the other would help nobody.
    fn next_in_queue(&mut self, chat: usize, _failure: &Failure) -> Vec<Command> {
        let state = &mut self.chats[chat];
        if !state.queue.is_empty() && state.input.is_blank() {
            let waiting: Vec<String> = state.queue.drain(..).collect();
            state.input.set(waiting.join("\n"));
        }
        Vec::new()
    }

    pub(super) fn phase(&mut self, chat: usize, phase: Phase) {
        let now = self.now;
        if let Some(running) = &mut self.chats[chat].running
            && running.phase != phase
        {
            running.phase = phase;
            running.since = now;
        }
    }

    /// The entry being written, made when its first piece comes.
    fn writing(&mut self, chat: usize) -> Option<&mut Entry> {
        let id = match self.chats[chat].running.as_ref()?.answer {
            Some(id) => id,
            None => {
                let id = self.push(chat, Body::Answer(Answer::default()));
                self.chats[chat].running.as_mut()?.answer = Some(id);
                id
            }
        };
        self.entry_mut(chat, id)
    }

    fn piece(&mut self, chat: usize, kind: ProgressKind, text: &str) {
        let phase = match kind {
            ProgressKind::Queued => Phase::Queued(crate::untrusted::label(text, 40)),
            ProgressKind::Loading => Phase::Loading,
            ProgressKind::Thinking => Phase::Thinking,
            ProgressKind::Content => Phase::Answering,
            ProgressKind::Tool => Phase::Calling(crate::untrusted::label(text, 60)),
            ProgressKind::Other => return,
        };
        let now = self.now;
        let sums_up = self.chats[chat].running.as_ref().is_some_and(|r| r.sums_up);
        if !sums_up && matches!(kind, ProgressKind::Thinking | ProgressKind::Content) {
            if let Some(running) = &mut self.chats[chat].running {
                running.first_token.get_or_insert(now);
            }
            if let Some(Entry {
                body: Body::Answer(answer),
                rev,
                ..
            }) = self.writing(chat)
            {
                if kind == ProgressKind::Thinking {
                    answer.thinking.push_str(text);
                } else {
                    answer.text.push_str(text);
                }
                *rev += 1;
            }
        }
        self.phase(chat, phase);
    }

    fn answered(&mut self, chat: usize, reply: Reply) {
        let now = self.now;
        let Some((asked, first)) = self.chats[chat]
            .running
            .as_ref()
            .map(|r| (r.asked, r.first_token))
        else {
            return;
        };
        if self.chats[chat].running.as_ref().is_some_and(|r| r.sums_up) {
            self.summed_up(chat, &reply.message.content);
            return;
        }
        let (usage, timings) = (reply.usage, reply.timings);
        let speed = (timings.answer_ms > 0.0 && usage.completion_tokens > 0).then(|| {
            #[expect(
                clippy::cast_precision_loss,
                reason = "a token count is far below 2^52"
            )]
            let tokens = usage.completion_tokens as f64;
            tokens / (timings.answer_ms / 1000.0)
        });
        let closing = Closing {
            provider: crate::untrusted::label(&reply.provider, 40),
            model: crate::untrusted::label(&reply.model, 60),
            first_token: first.map(|at| at.saturating_sub(asked)),
            total: now.saturating_sub(asked),
            tokens: usage.completion_tokens,
            speed,
            context: reply.context.filter(|c| c.size > 0),
            stopped: reply
                .done_reason
                .filter(|r| r != "stop")
                .map(|r| crate::untrusted::label(&r, 40)),
            warnings: reply
                .warnings
                .iter()
                .take(8)
                .map(|w| crate::untrusted::label(w, 300))
                .collect(),
        };
        if let Some(place) = self.chat_server()
            && !closing.provider.is_empty()
        {
            self.servers[place]
                .catalog
                .models
                .provider
                .clone_from(&closing.provider);
        }
        if let Some(Entry {
            body: Body::Answer(answer),
            rev,
            ..
        }) = self.writing(chat)
        {
            // The result is the truth; the pieces were only its preview.
            answer.text = reply.message.content;
            if let Some(thinking) = reply.message.thinking {
                answer.thinking = thinking;
            }
            answer.calls = reply.message.tool_calls;
            answer.ended = Some(Ended::Whole(Box::new(closing)));
            *rev += 1;
        }
        if let Some(running) = &mut self.chats[chat].running {
            running.answer = None;
        }
    }
}
