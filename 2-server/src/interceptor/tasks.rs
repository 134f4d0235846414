//! Whose task is it? A task (the tasks extension) is there only for the identity whose call began
//! it: for anyone else it is unknown, whatever its id. rmcp keeps tasks, and leaves their owners to
//! its user.

use std::{
    collections::HashMap,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::{Duration, Instant},
};

use super::denial::{Denial, DenialKind};

/// Tasks that are remembered at once, in all and of one identity.
const MOST: usize = 4096;
const MOST_OF_ONE: usize = 64;
/// A task that sets no time for itself is forgotten after this.
const USUAL_TIME: Duration = Duration::from_secs(24 * 3600);

/// The owners of tasks. Clones are the same table.
#[derive(Debug, Clone, Default)]
pub(super) struct TaskOwners(Arc<Mutex<HashMap<Box<str>, Owner>>>);

#[derive(Debug)]
struct Owner {
    label: Arc<str>,
    since: Instant,
    until: Instant,
}

impl TaskOwners {
    /// How many tasks are remembered.
    pub(super) fn len(&self) -> usize {
        let now = Instant::now();
        let mut table = self.table();
        table.retain(|_, owner| owner.until > now);
        table.len()
    }

    fn table(&self) -> MutexGuard<'_, HashMap<Box<str>, Owner>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn owns(&self, label: &str, task: &str) -> bool {
        let now = Instant::now();
        self.table()
            .get(task)
            .is_some_and(|owner| *owner.label == *label && owner.until > now)
    }

    /// Lets a task be asked about by its owner alone.
    ///
    /// # Errors
    /// 403, which its caller sees as a task that isn't there.
    pub(super) fn check(&self, label: &str, task: &str) -> Result<(), Denial> {
        if self.owns(label, task) {
            return Ok(());
        }
        Err(Denial::new(
            DenialKind::Forbidden,
            "the task is unknown, or belongs to somebody else",
        ))
    }

    /// Notes whose a new task is.
    ///
    /// # Errors
    /// 429 when too many are remembered, 503 when its id is somebody else's.
    pub(super) fn begin(
        &self,
        label: &Arc<str>,
        task: &str,
        time: Option<Duration>,
    ) -> Result<(), Denial> {
        let now = Instant::now();
        let mut table = self.table();
        if table.len() >= MOST {
            table.retain(|_, owner| owner.until > now);
        }
        if table.len() >= MOST {
            let wait = Duration::from_secs(30);
            return Err(Denial::throttled(
                "too many tasks are remembered: wait until some end",
                wait,
            ));
        }
        let own = || table.iter().filter(|(_, owner)| owner.label == *label);
        if own().count() >= MOST_OF_ONE {
            // Its own oldest one, so that nobody loses a task to somebody else.
            let oldest = own().min_by_key(|(_, owner)| owner.since);
            let oldest = oldest.map(|(task, _)| task.clone());
            oldest.map(|task| table.remove(&task));
        }
        let until = now.checked_add(time.unwrap_or(USUAL_TIME).min(USUAL_TIME));
        let owner = Owner {
            label: Arc::clone(label),
            since: now,
            until: until.unwrap_or(now),
        };
        // An id that is there already belongs to whoever has it: a handler that gives the same one
        // to two callers must not hand the first one's task to the second.
        if table
            .get(task)
            .is_some_and(|known| known.label != owner.label && known.until > now)
        {
            return Err(Denial::new(
                DenialKind::Unavailable,
                "the server gave this task an id that is taken",
            ));
        }
        table.insert(task.into(), owner);
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_identity_cant_fill_the_table_and_a_task_that_ran_out_makes_room() {
        let tasks = TaskOwners::default();
        let (ada, bob): (Arc<str>, Arc<str>) = ("key:ada".into(), "key:bob".into());
        for task in 0..MOST_OF_ONE {
            tasks.begin(&ada, &format!("a{task}"), None).unwrap();
        }
        tasks.begin(&ada, "more", None).unwrap();
        assert_eq!(tasks.table().len(), MOST_OF_ONE, "its oldest went");
        assert!(tasks.owns(&ada, "more") && !tasks.owns(&ada, "a0"));
        tasks.begin(&bob, "b", Some(Duration::ZERO)).unwrap();
        assert!(!tasks.owns(&bob, "b"), "its time is over");
        assert!(tasks.owns(&ada, "a1") && !tasks.owns(&bob, "a1"));
    }

    #[test]
    fn an_id_that_is_taken_isnt_handed_to_somebody_else() {
        let tasks = TaskOwners::default();
        let (ada, bob): (Arc<str>, Arc<str>) = ("key:ada".into(), "key:bob".into());
        tasks.begin(&ada, "1", None).unwrap();
        assert!(tasks.begin(&bob, "1", None).is_err());
        assert!(tasks.owns(&ada, "1") && !tasks.owns(&bob, "1"));
    }
}
