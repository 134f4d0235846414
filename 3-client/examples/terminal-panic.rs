//! Takes the terminal over as the chat does, then panics: the shell behind it must be usable again.
//! `tests/tmux/client.sh` runs it and looks.

#[expect(clippy::panic, reason = "this is what it is for")]
fn main() -> std::io::Result<()> {
    let (_terminal, _guard) = mcp_client::terminal::take(true)?;
    panic!("on purpose");
}
