//! A web page that its user visits must not reach a server on the user's machine.

use http::Method;

use super::row::{Row, Run};
use super::target::Target;
use super::verdict::{Finding, broken, held, must_be_refused, unclear};

const ELSEWHERE: &str = "A page's script may send requests to any address; a server on loopback that looks at neither Host nor Origin answers it with the user's rights.";
const ADVISORIES: &str =
    "CVE-2026-42559 (rmcp), CVE-2025-66416 (Python SDK), CVE-2025-49596 (Inspector)";
const REMEDY: &str = "check Host and Origin against lists before any handler, and answer 403";

/// A row about a good request with forged headers.
const fn forged(id: &'static str, title: &'static str, tried: &'static str, run: Run) -> Row {
    Row {
        id,
        family: "rebinding",
        title,
        tried,
        elsewhere: ELSEWHERE,
        advisory: ADVISORIES,
        remedy: REMEDY,
        run,
    }
}

pub(super) const ROWS: &[Row] = &[
    forged(
        "foreign-host",
        "DNS rebinding",
        "A good request whose Host is a name that an attacker owns, as after DNS rebinding.",
        |target| Box::pin(with_headers(target, &[("host", "rebound.example")])),
    ),
    forged(
        "lookalike-host",
        "A Host that only begins like loopback",
        "A Host that a check by prefix would take for loopback: 127.0.0.1.rebound.example.",
        |target| {
            Box::pin(with_headers(
                target,
                &[("host", "127.0.0.1.rebound.example")],
            ))
        },
    ),
    forged(
        "rebound-page",
        "DNS rebinding, Host and Origin agreeing",
        "What a browser sends after rebinding: Host and Origin are the same foreign name, so a check that only compares them is content.",
        |target| {
            Box::pin(with_headers(
                target,
                &[
                    ("host", "rebound.example"),
                    ("origin", "http://rebound.example"),
                ],
            ))
        },
    ),
    forged(
        "foreign-origin",
        "A foreign web page",
        "A good request with the Origin of a foreign web page.",
        |target| Box::pin(with_headers(target, &[("origin", "https://evil.example")])),
    ),
    forged(
        "lookalike-origin",
        "An Origin that only begins like loopback",
        "An Origin that a check by prefix would take for loopback: http://localhost.evil.example.",
        |target| {
            Box::pin(with_headers(
                target,
                &[("origin", "http://localhost.evil.example")],
            ))
        },
    ),
    forged(
        "null-origin",
        "A sandboxed frame",
        "A good request with the Origin null, which every sandboxed frame and file page has.",
        |target| Box::pin(with_headers(target, &[("origin", "null")])),
    ),
    Row {
        id: "two-hosts",
        family: "rebinding",
        title: "Two Host headers",
        tried: "A request with a good Host and a foreign one, so that two readers see two hosts.",
        elsewhere: "A proxy checks one of the headers and the server the other.",
        advisory: "RFC 9112 section 3.2 (400 is a must), CWE-444",
        remedy: "refuse a request with more than one Host",
        run: |target| Box::pin(two_hosts(target)),
    },
    Row {
        id: "missing-origin",
        family: "rebinding",
        title: "A cross-site form without an Origin",
        tried: "A POST as a cross-site form can send it without a preflight: text/plain, no Origin.",
        elsewhere: "Browsers send simple requests without asking first, and some without Origin; a server that parses any body as JSON obeys them.",
        advisory: "CVE-2025-49596 (Inspector), CWE-352",
        remedy: "take messages only as application/json, which a browser asks leave for first",
        run: |target| Box::pin(missing_origin(target)),
    },
    Row {
        id: "open-preflight",
        family: "rebinding",
        title: "CORS open to every page",
        tried: "The question that a browser asks before a foreign page may call: OPTIONS with a foreign Origin.",
        elsewhere: "Servers answer Access-Control-Allow-Origin: * to make a demo work, and so let every page read their answers.",
        advisory: "CVE-2025-49596 (Inspector), CWE-942",
        remedy: "allow no origin that isn't listed",
        run: |target| Box::pin(open_preflight(target)),
    },
];

/// Asks for the tools with these headers.
async fn with_headers(target: &Target, headers: &[(&'static str, &str)]) -> Finding {
    let mut request = target.prepare_list(&target.owner).await.request;
    for (name, value) in headers {
        request = request.set(name, value);
    }
    must_be_refused(&request.send().await)
}

async fn two_hosts(target: &Target) -> Finding {
    let good = target.wire.url[url::Position::BeforeHost..url::Position::AfterPort].to_owned();
    let request = target.prepare_list(&target.owner).await.request;
    let request = request.set("host", &good).add("host", "rebound.example");
    must_be_refused(&request.send().await)
}

async fn missing_origin(target: &Target) -> Finding {
    let request = target.prepare_list(&target.owner).await.request;
    let request = request
        .set("content-type", "text/plain")
        .set("sec-fetch-site", "cross-site");
    must_be_refused(&request.send().await)
}

async fn open_preflight(target: &Target) -> Finding {
    let answer = target
        .wire
        .request(Method::OPTIONS)
        .set("origin", "https://evil.example")
        .set("access-control-request-method", "POST")
        .set(
            "access-control-request-headers",
            "authorization,content-type",
        )
        .send()
        .await;
    let allowed = answer.header("access-control-allow-origin");
    if allowed == "*" || allowed.contains("evil.example") {
        broken(format!(
            "a foreign page may call: Access-Control-Allow-Origin: {allowed}"
        ))
    } else if answer.status == 0 {
        unclear(answer.brief())
    } else {
        held(format!(
            "no foreign page is allowed: HTTP {}",
            answer.status
        ))
    }
}
