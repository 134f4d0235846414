//! What is held back, line by line: shown with numbers, and accepted by them.

use super::{quote, say};
use crate::{
    app::{App, pins::Held},
    untrusted::name,
};

/// What `/changes` showed last, numbered over all servers. Nothing else can be accepted.
#[derive(Default)]
pub(super) struct LookedAt(Vec<(usize, Held)>);

impl LookedAt {
    pub(super) fn tell(&mut self, app: &App) {
        let servers = app.servers.iter().enumerate();
        let all = servers.flat_map(|(at, s)| s.held.items().iter().map(move |held| (at, held)));
        self.0 = all.map(|(at, held)| (at, held.clone())).collect();
        if self.0.is_empty() {
            say("Nothing is held back.");
            return;
        }
        for (n, (place, held)) in self.0.iter().enumerate() {
            let server = &app.servers[*place].name;
            let what = name(held.name());
            say(&format!("{}. {server}, {what}: {}", n + 1, held.about()));
            quote(&held.difference());
        }
        say("/accept and a number accepts one of them, /accept all accepts them all.");
    }

    pub(super) fn accept(&mut self, app: &mut App, which: &str) {
        let chosen: Vec<(usize, Held)> = match (which.trim(), which.trim().parse::<usize>()) {
            ("all", _) => self.0.clone(),
            (_, Ok(n)) => self.0.get(n.wrapping_sub(1)).cloned().into_iter().collect(),
            _ => Vec::new(),
        };
        if chosen.is_empty() {
            say("Look with /changes first; then /accept and one of its numbers, or /accept all.");
            return;
        }
        let accepted: usize = chosen
            .into_iter()
            .map(|(place, held)| app.accept(place, vec![held]))
            .sum();
        say(&format!(
            "{accepted} accepted; from now on the model is offered it."
        ));
    }
}
