//! What a request may cost in memory, measured from outside: the server in a process of its own, and
//! the most that it held while a request was on its way. Linux alone tells that of a process.

use std::{
    fmt::Write as _,
    fs,
    io::{Read as _, Write as _},
    net::TcpStream,
    time::Duration,
};

use crate::support::{Process, keys};

const MB: usize = 1 << 20;
/// A caller without rights costs no more than this, whatever it sends.
const A_STRANGERS: usize = 16 * MB;
/// One with rights costs so many times what it sends.
const TIMES_ITS_SIZE: usize = 8;
/// And a hundred at once this.
const ALL_AT_ONCE: usize = 256 * MB;

/// Where a server listens.
struct Address(String);

struct Measured {
    process: Process,
    at: Address,
    _folder: tempfile::TempDir,
}

impl Measured {
    /// A server that `ada` and three others may ask for everything, and `nobody` for nothing.
    fn start() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let everything = ["ada", "bea", "cat", "dan"].map(|name| (name, "\"*\""));
        let nobody = [("nobody", "\"tools:none:none\"")];
        let file = folder.path().join("keys.toml");
        fs::write(file, keys(&everything) + &keys(&nobody)).unwrap();
        let process = Process::start(
            folder.path(),
            &[
                ("MCP_AUTH__KEYS_FILE", "keys.toml"),
                ("MCP_AUDIT__STDERR", "false"),
                ("MCP_AUDIT__FILE", "audit.jsonl"),
            ],
        );
        let at = Address(process.url_after("listening on ").replace("http://", ""));
        let server = Self {
            process,
            at,
            _folder: folder,
        };
        // What a first call sets up isn't a call's cost.
        for name in ["ada", "nobody"] {
            server.at.post(name, &call("hello"));
            server.at.post(name, &the_long_way(&call("hello")));
        }
        server
    }

    /// How much more it held at most while this was done than before.
    fn cost(&self, what: impl FnOnce()) -> usize {
        let of = |field: &str| {
            let path = format!("/proc/{}/status", self.process.id());
            let status = fs::read_to_string(path).unwrap();
            let line = status.lines().find(|line| line.starts_with(field)).unwrap();
            line.split_whitespace()
                .nth(1)
                .unwrap()
                .parse::<usize>()
                .unwrap()
                << 10
        };
        // From here on the most is noted again.
        fs::write(format!("/proc/{}/clear_refs", self.process.id()), "5").unwrap();
        let before = of("VmRSS");
        what();
        of("VmHWM").saturating_sub(before)
    }
}

impl Address {
    fn connect(&self) -> TcpStream {
        let stream = TcpStream::connect(&self.0).unwrap();
        stream
            .set_read_timeout(Some(Duration::from_secs(60)))
            .unwrap();
        stream
    }

    /// Posts a body, and gives the status.
    fn post(&self, key: &str, body: &str) -> u16 {
        let mut stream = self.connect();
        let head = head(key, &format!("content-length: {}", body.len()));
        stream.write_all(head.as_bytes()).unwrap();
        // A server that refuses early may hang up.
        let _ = stream.write_all(body.as_bytes());
        status(&mut stream)
    }

    /// Posts a body one byte a chunk.
    fn trickle(&self, key: &str, body: &str) -> u16 {
        let mut stream = self.connect();
        let head = head(key, "transfer-encoding: chunked");
        stream.write_all(head.as_bytes()).unwrap();
        let mut chunks = String::new();
        for byte in body.chars() {
            let _ = write!(chunks, "1\r\n{byte}\r\n");
        }
        let _ = stream.write_all(chunks.as_bytes());
        let _ = stream.write_all(b"0\r\n\r\n");
        status(&mut stream)
    }
}

fn head(key: &str, length: &str) -> String {
    let key = match key {
        "" => String::new(),
        key => format!("authorization: Bearer {key}\r\n"),
    };
    format!(
        "POST /mcp HTTP/1.1\r\nhost: localhost\r\n{key}accept: application/json, text/event-stream\r\ncontent-type: application/json\r\nmcp-protocol-version: 2026-07-28\r\nmcp-method: tools/call\r\nmcp-name: echo\r\nconnection: close\r\n{length}\r\n\r\n"
    )
}

fn status(stream: &mut TcpStream) -> u16 {
    let (mut answer, mut chunk) = (Vec::new(), [0; 64 << 10]);
    while let Ok(read @ 1..) = stream.read(&mut chunk) {
        if answer.len() < 12 {
            answer.extend_from_slice(&chunk[..read]);
        }
    }
    let status = answer.get(9..12).unwrap_or_default();
    String::from_utf8_lossy(status).parse().unwrap_or(0)
}

/// A call of `echo` with this message.
fn call(message: &str) -> String {
    whole(&format!(r#""{message}""#))
}

fn whole(message: &str) -> String {
    let meta = r#""io.modelcontextprotocol/protocolVersion":"2026-07-28","io.modelcontextprotocol/clientInfo":{"name":"m","version":"0"},"io.modelcontextprotocol/clientCapabilities":{}"#;
    format!(
        r#"{{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{{"_meta":{{{meta}}},"name":"echo","arguments":{{"message":{message}}}}}}}"#
    )
}

/// The same call through rmcp, because it asks for word of its progress.
fn the_long_way(call: &str) -> String {
    call.replacen("{\"io.", "{\"progressToken\":1,\"io.", 1)
}

/// Nearly as large as a body may be, of small values.
fn small_values(unit: &str) -> String {
    whole(&format!(
        "[{}]",
        vec![unit; 4_100_000 / (unit.len() + 1)].join(",")
    ))
}

/// What this costs a server that has done nothing yet: what an allocator keeps from before would
/// hide it.
fn costs(what: impl FnOnce(&Address)) -> usize {
    let server = Measured::start();
    server.cost(|| what(&server.at))
}

#[test]
fn small_values_cost_no_more_than_their_bytes() {
    for unit in ["0", "{}", "[0]", "{\"\":0}"] {
        let body = small_values(unit);
        for (key, wanted) in [("nobody", 413), ("ada", 413)] {
            let cost = costs(|at| assert_eq!(at.post(key, &body), wanted, "{key} {unit}"));
            eprintln!(
                "{} bytes of {unit} from {key:?}: {} KB",
                body.len(),
                cost >> 10
            );
            assert!(cost < A_STRANGERS, "{key} {unit}: {cost}");
        }
    }
    // As many values as there may be, and as large as that may get.
    let most = whole(&format!("[{}]", vec!["{\"\":0}"; 10_900].join(",")));
    for key in ["nobody", "ada"] {
        let cost = costs(|at| assert_ne!(at.post(key, &most), 413, "{key}"));
        eprintln!(
            "{} bytes of the most values from {key:?}: {} KB",
            most.len(),
            cost >> 10
        );
        assert!(cost < A_STRANGERS, "{key}: {cost}");
    }
}

#[test]
fn a_large_body_costs_a_few_times_its_size_however_it_arrives() {
    let short = call(&"x".repeat(4_100_000));
    let long = the_long_way(&short);
    for (way, body) in [("short", short), ("long", long)] {
        let cost = costs(|at| assert_eq!(at.post("ada", &body), 200));
        eprintln!(
            "{} bytes from ada, the {way} way: {} KB",
            body.len(),
            cost >> 10
        );
        assert!(cost < TIMES_ITS_SIZE * body.len(), "{way}: {cost}");
        let cost = costs(|at| assert_eq!(at.post("nobody", &body), 403));
        eprintln!(
            "{} bytes from nobody, the {way} way: {} KB",
            body.len(),
            cost >> 10
        );
        assert!(cost < A_STRANGERS, "{way}: {cost}");
    }

    let body = call(&"x".repeat(200_000));
    let cost = costs(|at| {
        std::thread::scope(|scope| {
            for _ in 0..8 {
                scope.spawn(|| at.trickle("nobody", &body));
            }
        });
    });
    eprintln!(
        "8 times {} bytes, one a chunk, from nobody: {} KB",
        body.len(),
        cost >> 10
    );
    assert!(cost < A_STRANGERS, "{cost}");
}

#[test]
fn a_hundred_large_bodies_at_once_stay_within_what_all_may_take() {
    let server = Measured::start();
    let body = call(&"x".repeat(4_100_000));
    let cost = server.cost(|| {
        let mut statuses: Vec<u16> = std::thread::scope(|scope| {
            let posts: Vec<_> = (0..100)
                .map(|n| {
                    let (at, body) = (&server.at, &body);
                    let key = ["ada", "bea", "cat", "dan"][n % 4];
                    scope.spawn(move || at.post(key, body))
                })
                .collect();
            posts.into_iter().map(|it| it.join().unwrap()).collect()
        });
        statuses.sort_unstable();
        let count = |wanted: u16| statuses.iter().filter(|it| **it == wanted).count();
        eprintln!(
            "{} × 200, {} × 429, {} × 503",
            count(200),
            count(429),
            count(503)
        );
        assert!(count(200) >= 8, "{statuses:?}");
        assert_eq!(count(200) + count(429) + count(503), 100, "{statuses:?}");
    });
    eprintln!("100 times {} bytes: {} KB", body.len(), cost >> 10);
    assert!(cost < ALL_AT_ONCE, "{cost}");
    // And afterwards there is room again.
    assert_eq!(server.at.post("ada", &body), 200);
}
