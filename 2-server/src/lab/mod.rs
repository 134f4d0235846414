//! Servers that are weak on purpose, for the attack lab: each has one defence less than the product.
//!
//! This module is behind the cargo feature `lab`, which nothing that people run is built with: a
//! switch that turns security off must not exist there. None of the product's code knows of it
//! either. A defence is taken away from the outside, by a setting that `Config` would refuse or by
//! rewriting messages in front of the real router, so what the lab attacks is the real server.

mod defences;
mod message;
mod weaken;

use std::{
    collections::HashMap,
    net::SocketAddr,
    path::PathBuf,
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

use axum::{
    Router,
    extract::{Request, State},
    middleware::{self, Next},
    response::Response,
};
use rmcp::ServerHandler as _;
use tokio::net::TcpListener;
use tokio_util::sync::CancellationToken;

use crate::{
    app::App,
    config::{Config, Mode},
    features::handler::Handler,
    interceptor::{Guard, keys::fingerprint},
    transport::http::{
        self,
        listener::{self, Bounds},
    },
};

pub use defences::{Defence, GUARDED, all, find};
use message::{Message, Reply};

/// What a weakened server is started with.
#[derive(Clone)]
pub struct Settings {
    /// Which defence is off; [`GUARDED`] has all of them.
    pub defence: &'static Defence,
    /// The key of somebody who may do everything.
    pub admin_key: String,
    /// The key of somebody who may only echo.
    pub viewer_key: String,
    /// Where the record goes.
    pub audit_file: Option<PathBuf>,
}

impl std::fmt::Debug for Settings {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        // No keys.
        write!(f, "Settings({})", self.defence.name)
    }
}

/// What the weakening remembers between messages.
struct Lab {
    settings: Settings,
    guard: Guard<Handler>,
    max_body: usize,
    lists: AtomicU64,
    names: AtomicU64,
    // A session's name, and what belongs to it. Bounded, as everything that a stranger can grow.
    sessions: Mutex<HashMap<String, String>>,
}

const MAX_SESSIONS: usize = 2048;
/// As long as the product waits for a body.
const BODY_TIME_OUT: Duration = Duration::from_secs(20);

impl Lab {
    fn sessions(&self) -> MutexGuard<'_, HashMap<String, String>> {
        self.sessions.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn remember(&self, session: &str, belongs: &str) {
        let mut sessions = self.sessions();
        if sessions.len() < MAX_SESSIONS {
            sessions.insert(session.to_owned(), belongs.to_owned());
        }
    }

    fn next_list(&self) -> u64 {
        self.lists.fetch_add(1, Ordering::Relaxed)
    }

    fn has_tool(&self, name: &str) -> bool {
        self.guard.get_tool(name).is_some()
    }
}

/// Serves until `shutdown` fires.
///
/// # Errors
/// When the address can be reached from another machine, or a part can't be built.
pub async fn serve(
    listener: TcpListener,
    settings: Settings,
    shutdown: CancellationToken,
) -> anyhow::Result<()> {
    let address = listener.local_addr()?;
    refuse_strangers(address)?;
    let folder = tempfile::tempdir()?;
    let mut config = config(&settings, &folder)?;
    (settings.defence.setting)(&mut config);
    let server = config.http_settings();
    let app = App::build(config, &|_name| None)?;
    let router = http::router(&app.guard, &server, shutdown.clone()).0;
    let defence = settings.defence;
    let lab = Arc::new(Lab {
        settings,
        guard: app.guard.clone(),
        max_body: server.max_body_bytes,
        lists: AtomicU64::new(0),
        names: AtomicU64::new(0),
        sessions: Mutex::default(),
    });
    let router = if defence.is_at_the_door() {
        weakened(router, lab)
    } else {
        router
    };
    let journal = Arc::clone(app.pipeline.journal());
    let bounds = Bounds {
        connections: server.max_connections,
        grace: Duration::from_secs(1),
    };
    listener::serve(None, listener, router, bounds, shutdown).await;
    // The last records must be on disk before anybody reads them.
    tokio::task::spawn_blocking(move || journal.shut_down()).await?;
    Ok(())
}

/// A weakened server answers nobody but its own machine, whatever it was told.
///
/// # Errors
/// For every address that isn't loopback.
pub fn refuse_strangers(address: SocketAddr) -> anyhow::Result<()> {
    anyhow::ensure!(
        address.ip().is_loopback(),
        "{address} can be reached from other machines, and this server is weak on purpose: it listens on 127.0.0.1 and nowhere else"
    );
    Ok(())
}

/// The product's `prod` mode, with two keys and the tutor behind it.
fn config(settings: &Settings, folder: &tempfile::TempDir) -> anyhow::Result<Config> {
    let keys = folder.path().join("keys.toml");
    let entry = |name: &str, key: &str, scope: &str| {
        format!(
            "[[key]]\nname = \"{name}\"\nsha256 = \"{}\"\nscopes = [\"{scope}\"]\n",
            fingerprint(key)
        )
    };
    let text = entry("admin", &settings.admin_key, "*")
        + &entry("viewer", &settings.viewer_key, "tools:util:echo");
    std::fs::write(&keys, text)?;
    let mut config = Config::default();
    config.server.mode = Mode::Prod;
    config.auth.keys_file = Some(keys);
    config.llm.provider = serde_json::from_str("\"tutor\"")?;
    // Standard error has a warning in front of each line, which a record must not have.
    config.audit.stderr = false;
    let unseen = folder.path().join("audit.jsonl");
    config.audit.file = Some(settings.audit_file.clone().unwrap_or(unseen));
    Ok(config)
}

fn weakened(router: Router, lab: Arc<Lab>) -> Router {
    router.layer(middleware::from_fn_with_state(lab, pass))
}

/// Rewrites a request, lets the real server answer it, and rewrites the answer.
async fn pass(State(lab): State<Arc<Lab>>, request: Request, next: Next) -> Response {
    let defence = lab.settings.defence;
    let (max, wait) = defence.body_bounds.unwrap_or((lab.max_body, BODY_TIME_OUT));
    let mut message = match Message::read(request, defence.reads_body, max, wait).await {
        Ok(message) => message,
        Err(refusal) => return *refusal,
    };
    if let Some(weaken) = defence.request {
        weaken(&lab, &mut message);
    }
    let asked = message.outline();
    let response = next.run(message.into_request()).await;
    match defence.reply {
        Some(weaken) => {
            let mut reply = Reply::read(response).await;
            weaken(&lab, &asked, &mut reply);
            reply.into_response()
        }
        None => response,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_loopback_is_listened_on() {
        for good in ["127.0.0.1:0", "[::1]:80"] {
            assert!(refuse_strangers(good.parse().unwrap()).is_ok(), "{good}");
        }
        for bad in [
            "0.0.0.0:80",
            "192.168.0.1:80",
            "[::]:80",
            "[::ffff:127.0.0.1]:80",
        ] {
            assert!(refuse_strangers(bad.parse().unwrap()).is_err(), "{bad}");
        }
    }

    #[test]
    fn every_weak_server_says_what_is_missing_and_which_attacks_succeed() {
        let mut names: Vec<&str> = all().iter().map(|defence| defence.name).collect();
        assert!(names.len() >= 25);
        names.sort_unstable();
        names.dedup();
        assert_eq!(names.len(), all().len(), "two of one name");
        for defence in all() {
            assert!(
                !defence.gone.is_empty() && !defence.rows.is_empty(),
                "{}",
                defence.name
            );
        }
    }
}
