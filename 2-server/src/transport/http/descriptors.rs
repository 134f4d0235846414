//! Every connection takes a descriptor, and so does every file that the server must read again, such
//! as the keys: whoever could take the last one would keep a revoked key alive.

/// Descriptors that connections leave to everything else: files, the log, an engine, services.
const RESERVE: usize = 128;

/// Raises the limit of open files as far as the system lets this process, and gives how many
/// connections it can hold, which is no more than `wanted`.
pub(super) fn make_room_for(wanted: usize) -> usize {
    let Some(limit) = raise() else { return wanted };
    let room = connections(limit, wanted);
    if room < wanted {
        tracing::warn!(
            "only {room} connections at once instead of {wanted}: this process may open {limit} files. Raise its hard limit to {} (ulimit -Hn, LimitNOFILE), or lower server.max_connections",
            wanted + RESERVE
        );
    }
    room
}

/// How many connections go into a limit.
fn connections(limit: usize, wanted: usize) -> usize {
    // A limit so low that the reserve would take all of it is shared.
    let reserve = RESERVE.min(limit / 2);
    wanted.min((limit - reserve).max(1))
}

/// Raises the soft limit to the hard one, and gives what it is now; `None` where there is none.
#[cfg(unix)]
fn raise() -> Option<usize> {
    use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
    let before = getrlimit(Resource::Nofile);
    let raised = Rlimit {
        current: before.maximum,
        ..before
    };
    let now = match setrlimit(Resource::Nofile, raised) {
        Ok(()) => before.maximum,
        Err(error) => {
            tracing::debug!(%error, "the limit of open files stays as it was");
            before.current
        }
    };
    now.map(|limit| usize::try_from(limit).unwrap_or(usize::MAX))
}

#[cfg(not(unix))]
fn raise() -> Option<usize> {
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn connections_leave_descriptors_to_the_rest() {
        assert_eq!(connections(1_048_576, 4096), 4096);
        assert_eq!(connections(4096 + RESERVE, 4096), 4096);
        assert_eq!(connections(1024, 4096), 896);
        assert_eq!(connections(100, 4096), 50);
        assert_eq!(connections(0, 4096), 1);
    }
}
