//! The tests' scripted server on a port of its own, for looking at the client without a real one:
//! `cargo run -p mcp-client --example scripted-server -- 8099 [key]`

#[path = "../tests/support/mod.rs"]
mod support;

#[tokio::main]
async fn main() {
    let port = std::env::args()
        .nth(1)
        .and_then(|p| p.parse().ok())
        .unwrap_or(0);
    let key = std::env::args().nth(2).map(|k| &*k.leak());
    let server = support::Server::start_on(key, port).await;
    println!("{}", server.url);
    let _ = tokio::signal::ctrl_c().await;
}
