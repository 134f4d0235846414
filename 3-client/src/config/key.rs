//! Keys from where only their owner can read them.

use std::path::Path;
use std::time::Duration;

use crate::secret::Secret;

/// Reads a key from a file that nobody else may read.
pub(super) fn read(path: &Path) -> Result<Secret, String> {
    let shown = path.display();
    let meta = std::fs::metadata(path).map_err(|e| format!("can't read key_file {shown}: {e}"))?;
    #[cfg(unix)]
    {
        use std::os::unix::fs::PermissionsExt as _;
        if meta.permissions().mode() & 0o077 != 0 {
            return Err(format!(
                "key_file {shown} can be read by others: run `chmod 600 {shown}`"
            ));
        }
    }
    if meta.len() > 4096 {
        return Err(format!("key_file {shown} is too large to be a key"));
    }
    let text =
        std::fs::read_to_string(path).map_err(|e| format!("can't read key_file {shown}: {e}"))?;
    Secret::new(&text).ok_or_else(|| format!("key_file {shown} is empty"))
}

/// How long a keyring may take; some ask their owner to unlock them first.
const KEYRING_WAIT: Duration = Duration::from_secs(60);

/// Asks a keyring's own program, such as `secret-tool lookup service learn-mcp`, `pass show mcp` or
/// `security find-generic-password -w -s mcp`. No shell is involved.
pub(super) fn ask(command: &[String]) -> Result<Secret, String> {
    use std::io::Read as _;
    let [program, args @ ..] = command else {
        return Err("key_command is empty".into());
    };
    let mut child = std::process::Command::new(program)
        .args(args)
        .stdout(std::process::Stdio::piped())
        .spawn()
        .map_err(|e| format!("key_command {program:?} can't be started: {e}"))?;
    let Some(stdout) = child.stdout.take() else {
        return Err("key_command has no output".into());
    };
    let (sender, receiver) = std::sync::mpsc::sync_channel(1);
    std::thread::spawn(move || {
        let mut text = String::new();
        let read = stdout.take(4097).read_to_string(&mut text);
        let _ = sender.send(read.map(|_| text));
    });
    let answer = receiver.recv_timeout(KEYRING_WAIT);
    if answer.is_err() {
        let _ = child.kill();
    }
    let status = child.wait().map_err(|e| format!("key_command: {e}"))?;
    match answer {
        Ok(Ok(text)) if status.success() && text.len() <= 4096 => {
            Secret::new(&text).ok_or_else(|| "key_command printed nothing".into())
        }
        Ok(_) => Err(format!("key_command {program:?} ended with {status}")),
        Err(_) => Err(format!(
            "key_command {program:?} took longer than {} s",
            KEYRING_WAIT.as_secs()
        )),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[cfg(unix)]
    #[test]
    fn a_key_file_that_others_can_read_is_refused_with_the_cure() {
        use std::os::unix::fs::PermissionsExt as _;
        let file = tempfile::NamedTempFile::new().unwrap();
        std::fs::write(file.path(), "abc\n").unwrap();
        std::fs::set_permissions(file.path(), std::fs::Permissions::from_mode(0o644)).unwrap();
        assert!(read(file.path()).unwrap_err().contains("chmod 600"));
        std::fs::set_permissions(file.path(), std::fs::Permissions::from_mode(0o600)).unwrap();
        assert_eq!(read(file.path()).unwrap().expose(), "abc");
    }

    #[cfg(unix)]
    #[test]
    fn a_keyrings_program_can_give_the_key_and_its_failure_stops_the_start() {
        let command =
            |words: &[&str]| ask(&words.iter().map(|w| (*w).to_owned()).collect::<Vec<_>>());
        assert_eq!(command(&["echo", "abc"]).unwrap().expose(), "abc");
        assert!(command(&["false"]).unwrap_err().contains("ended with"));
        assert!(
            command(&["no-such-keyring"])
                .unwrap_err()
                .contains("can't be started")
        );
    }
}
