//! HTTP: what answers to which path, and where it listens.

// Connections, as many as there are descriptors for, and word of what goes wrong with them.
mod descriptors;
pub mod listener;
mod seldom;
pub mod tls;

use std::{
    io,
    net::{IpAddr, SocketAddr},
    sync::Arc,
};

use axum::{Json, Router, middleware, routing::get};
use rmcp::ServerHandler;
use serde_json::json;
use tokio::net::TcpListener;
use tokio_util::sync::CancellationToken;

use self::{listener::Bounds, tls::Tls};
use super::{
    ServeError,
    edge::{self, Edge},
    follow,
    mcp::{self, Shortcut},
    origin::{self, Site},
    proxies::Proxies,
    room::Room,
    settings::HttpSettings,
    sse,
};
use crate::interceptor::{Guard, Journal, SignIn};

/// How many sessions are open.
pub type Sessions = Arc<dyn Fn() -> usize + Send + Sync>;

/// A guard that listens on HTTP, and is still to be run.
pub struct Server {
    listener: TcpListener,
    address: SocketAddr,
    tls: Option<Arc<Tls>>,
    router: Router,
    sessions: Sessions,
    bounds: Bounds,
    shutdown: CancellationToken,
    authenticator: Arc<SignIn>,
    journal: Arc<Journal>,
}

impl Server {
    /// Listens. When `shutdown` fires, streams that would last end, and calls have the time that the
    /// settings give them.
    ///
    /// # Errors
    /// [`ServeError`] when the address can't be listened on, or the certificate can't be served.
    pub async fn bind<H: ServerHandler>(
        guard: &Guard<H>,
        settings: HttpSettings,
        shutdown: CancellationToken,
    ) -> Result<Self, ServeError> {
        let tls = match &settings.tls {
            Some((cert, key)) => Some(Arc::new(Tls::open(cert, key)?)),
            None => None,
        };
        let listener = listen(settings.host, settings.port).await?;
        let address = listener.local_addr().map_err(|source| ServeError::Listen {
            why: "the system gives no address to the listener".to_owned(),
            source,
        })?;
        let (router, sessions) = router(guard, &settings, shutdown.clone());
        let connections = descriptors::make_room_for(settings.max_connections);
        Ok(Self {
            listener,
            address,
            tls,
            router,
            sessions,
            bounds: Bounds {
                connections,
                grace: settings.shutdown_timeout,
            },
            shutdown,
            authenticator: Arc::clone(guard.authenticator()),
            journal: Arc::clone(guard.journal()),
        })
    }

    /// Where it listens.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// What a client is given: `http://127.0.0.1:8080/mcp`.
    pub fn url(&self) -> String {
        let scheme = if self.tls.is_some() { "https" } else { "http" };
        format!("{scheme}://{}/mcp", self.address)
    }

    /// How many sessions are open.
    pub fn sessions(&self) -> Sessions {
        Arc::clone(&self.sessions)
    }

    /// Serves further paths on the same address. They are not behind the guard.
    #[must_use]
    pub fn also(mut self, paths: Router) -> Self {
        self.router = self.router.merge(paths);
        self
    }

    /// Serves until `shutdown` fires. What one connection does ends no other, and not the server.
    pub async fn run(self) {
        let certificate = self.tls.clone();
        let followed = async move {
            if let Some(tls) = certificate {
                tls.follow().await;
            }
            std::future::pending::<()>().await;
        };
        let serving = listener::serve(
            self.tls,
            self.listener,
            self.router,
            self.bounds,
            self.shutdown,
        );
        let serving = follow::while_serving(&self.authenticator, serving);
        tokio::select! {
            () = serving => {}
            () = followed => {}
        }
        self.journal.settled().await;
    }
}

/// Listens on an address.
///
/// # Errors
/// [`ServeError::Listen`], which says what to do.
pub async fn listen(host: IpAddr, port: u16) -> Result<TcpListener, ServeError> {
    TcpListener::bind((host, port)).await.map_err(|source| {
        let why = match source.kind() {
            io::ErrorKind::AddrInUse => format!(
                "port {port} is in use: stop what listens there, or choose another, such as {}",
                port.saturating_add(1)
            ),
            io::ErrorKind::PermissionDenied => {
                format!(
                    "port {port} needs more rights than this process has: choose one above 1023"
                )
            }
            _ => format!("can't listen on {host}:{port}: {source}"),
        };
        ServeError::Listen { why, source }
    })
}

/// Everything that the server answers to: `/mcp`; `/sse` and `/messages`, where they are switched
/// on; and `/healthz` for whoever watches it. It comes with a way to count the sessions that are
/// open. When `shutdown` fires, streams that would last end, and calls go on; when the router is
/// dropped, so do they.
pub fn router<H: ServerHandler>(
    guard: &Guard<H>,
    settings: &HttpSettings,
    shutdown: CancellationToken,
) -> (Router, Sessions) {
    build_router(guard, settings, shutdown, Shortcut::On)
}

pub(super) fn build_router<H: ServerHandler>(
    guard: &Guard<H>,
    settings: &HttpSettings,
    shutdown: CancellationToken,
    shortcut: Shortcut,
) -> (Router, Sessions) {
    let site = Site::new(&settings.allowed_hosts, &settings.allowed_origins);
    let ended = CancellationToken::new();
    let (mcp, sessions) = mcp::service(guard, settings, &site, shortcut, ended.clone());
    let edge = Arc::new(Edge {
        guard: guard.clone(),
        site: site.clone(),
        sessions: Arc::clone(&sessions),
        proxies: Proxies::new(settings),
        max_body: settings.max_body_bytes,
        room: Room::new(settings.max_body_bytes),
        closing: shutdown.clone(),
        _ended: ended.drop_guard(),
    });
    let mut paths = Router::new().route_service("/mcp", mcp);
    let mut streams = None;
    if settings.sse {
        let (old_paths, open) = sse::routes(guard, settings, shutdown);
        paths = paths.merge(old_paths);
        streams = Some(open);
    }
    let mut paths = paths.layer(middleware::from_fn_with_state(edge, edge::handle::<H>));
    let site = Arc::new(site);
    if !settings.allowed_origins.is_empty() {
        let site = Arc::clone(&site);
        paths = paths.layer(middleware::from_fn_with_state(site, origin::cors));
    }
    // Behind no key: it tells nothing but that the server is there.
    let health = Router::new()
        .route(
            "/healthz",
            get(|| async { Json(json!({ "status": "ok" })) }),
        )
        .layer(middleware::from_fn_with_state(
            site,
            origin::reject_browsers,
        ));
    let count = move || sessions.count() + streams.as_ref().map_or(0, |open| open.count());
    (paths.merge(health), Arc::new(count))
}
