//! The attack lab against servers with one defence less each: the guarded server is green, and every
//! weakened one is red on exactly the rows that its missing defence would have stopped.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "the whole binary is tests"
)]

use std::time::Duration;

use futures_util::{StreamExt as _, stream};
use mcp_client::attack::report::Report;
use mcp_client::attack::run::{Choice, run};
use mcp_client::attack::target::Given;
use mcp_client::attack::trail::Trail;
use mcp_client::raw::{Budget, Wire};
use mcp_client::secret::Secret;
use mcp_server::lab::{self, Defence, Settings};
use tokio::net::TcpListener;
use tokio_util::sync::CancellationToken;

const ADMIN: &str = "admin-key-of-the-lab";
const VIEWER: &str = "viewer-key-of-the-lab";

struct Run {
    report: Report,
    _folder: tempfile::TempDir,
}

/// Attacks a server that misses this defence.
async fn attacked(defence: &str, skip: &[&str], recorded: bool) -> Run {
    let folder = tempfile::tempdir().unwrap();
    let audit_file = folder.path().join("audit.jsonl");
    std::fs::write(&audit_file, "").unwrap();
    let settings = Settings {
        defence: lab::find(defence).unwrap_or_else(|| panic!("no defence {defence}")),
        admin_key: ADMIN.into(),
        viewer_key: VIEWER.into(),
        audit_file: Some(audit_file.clone()),
    };
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}/mcp", listener.local_addr().unwrap());
    let shutdown = CancellationToken::new();
    let served = tokio::spawn(lab::serve(listener, settings, shutdown.clone()));
    let given = Given {
        wire: Wire::new(&url, Budget::new(3000)).unwrap(),
        key: Secret::new(ADMIN),
        second: Secret::new(VIEWER),
        trail: if recorded {
            Trail::file(audit_file)
        } else {
            Trail::None
        },
        patience: Duration::from_secs(24),
        pins: None,
    };
    let skip: Vec<String> = skip.iter().map(|row| (*row).to_owned()).collect();
    let report = tokio::time::timeout(
        Duration::from_secs(240),
        run(given, &Choice::new(&[], &skip).unwrap(), &mut |_, _| {}),
    )
    .await
    .expect("the run ends by itself")
    .expect("a server");
    shutdown.cancel();
    served.await.unwrap().unwrap();
    Run {
        report,
        _folder: folder,
    }
}

fn told(report: &Report) -> String {
    report
        .outcomes
        .iter()
        .map(|outcome| {
            format!(
                "{:<22} {:<8} {:>6} ms {}\n",
                outcome.about.id,
                outcome.verdict.word(),
                outcome.took_ms,
                outcome.verdict.evidence()
            )
        })
        .collect()
}

#[tokio::test]
async fn the_guarded_server_holds_every_row_and_records_each_refusal() {
    // Headers have a minute, which is the product's own limit; `make attack` waits for it.
    let run = attacked("none", &["slow-headers"], true).await;
    let report = &run.report;
    assert_eq!(
        report.rows("broken"),
        Vec::<&str>::new(),
        "{}",
        told(report)
    );
    assert_eq!(
        report.rows("unclear"),
        Vec::<&str>::new(),
        "{}",
        told(report)
    );
    assert!(report.rows("not applicable").len() <= 1, "{}", told(report));
    assert!(
        report.passes() && report.counts()[0] >= 55,
        "{}",
        told(report)
    );
    for row in [
        "foreign-host",
        "wrong-key",
        "hidden-tool",
        "session-theft",
        "call-flood",
        "brute-force",
    ] {
        let outcome = report
            .outcomes
            .iter()
            .find(|outcome| outcome.about.id == row)
            .unwrap();
        assert!(outcome.record.is_some(), "{row} left no record");
    }
    let said = report.to_json().to_string();
    assert!(
        !said.contains(ADMIN) && !said.contains(VIEWER),
        "a key is in the report"
    );
}

/// Slow connections take their time, so only their own test waits for them.
const SLOW: &[&str] = &["slow-headers", "slow-body"];

/// What is wrong about the attacks' findings on this server.
async fn surprise(defence: &'static Defence) -> Option<String> {
    let recorded = defence.name.starts_with("record-");
    let skip = if defence.rows.contains(&"slow-body") {
        &SLOW[..1]
    } else {
        SLOW
    };
    let run = attacked(defence.name, skip, recorded).await;
    let mut broken = run.report.rows("broken");
    let mut expected = defence.rows.to_vec();
    broken.sort_unstable();
    expected.sort_unstable();
    let unclear = run.report.rows("unclear");
    if broken == expected && unclear.is_empty() && !run.report.passes() {
        return None;
    }
    Some(format!(
        "{}: broken {broken:?}, expected {expected:?}, unclear {unclear:?}\n{}",
        defence.name,
        told(&run.report)
    ))
}

/// They wait more than they work (for limits to pass, for sessions to be refused), so several run at
/// once.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_weakened_server_is_red_on_exactly_its_rows() {
    let surprises: Vec<String> = stream::iter(lab::all())
        .map(surprise)
        .buffer_unordered(16)
        .filter_map(|surprise| async { surprise })
        .collect()
        .await;
    assert!(surprises.is_empty(), "{}", surprises.join("\n"));
}

/// The commands of the chapters, `make attack DEFENCE=… ONLY=…`.
fn commands() -> Vec<(String, Option<String>, Option<String>)> {
    let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/../2-server/defences");
    let mut found = Vec::new();
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        let text = std::fs::read_to_string(&path).unwrap();
        for rest in text.split("make attack ").skip(1) {
            let end = rest.find(['`', '\n']).unwrap();
            let value = |name: &str| {
                rest[..end]
                    .split_whitespace()
                    .find_map(|word| word.strip_prefix(name)?.strip_prefix('='))
                    .map(str::to_owned)
            };
            let page = path.file_name().unwrap().to_string_lossy().into_owned();
            found.push((page, value("DEFENCE"), value("ONLY")));
        }
    }
    found
}

#[test]
fn every_defence_that_can_be_off_stands_in_a_chapter_with_an_attack_that_it_stops() {
    let commands = commands();
    for defence in lab::all() {
        let shown = commands.iter().any(|(_, off, only)| {
            off.as_deref() == Some(defence.name)
                && only
                    .as_deref()
                    .is_some_and(|only| defence.rows.contains(&only))
        });
        assert!(shown, "no chapter shows {}", defence.name);
    }
    let rows: Vec<&str> = lab::all()
        .iter()
        .flat_map(|defence| defence.rows)
        .copied()
        .collect();
    for (page, off, only) in &commands {
        let scene = |name: &str| {
            let path = format!("{}/../scripts/scenes/{name}.sh", env!("CARGO_MANIFEST_DIR"));
            std::path::Path::new(&path).is_file()
        };
        match (off.as_deref(), only.as_deref()) {
            (Some(off), Some(only)) => assert!(
                lab::find(off).is_some_and(|defence| defence.rows.contains(&only)),
                "{page}: {only} isn't what {off} stops"
            ),
            (Some(off), None) => assert!(scene(off), "{page}: {off}"),
            (None, Some(only)) => assert!(rows.contains(&only) || scene(only), "{page}: {only}"),
            (None, None) => {}
        }
    }
}
