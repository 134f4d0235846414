//! `audit verify`: one chain over all files.

use std::{io::BufReader, path::PathBuf, process::ExitCode};

use super::{
    super::{Misuse, answer, say},
    files::{Lines, open},
};
use crate::interceptor::audit::{Verdict, verify};

/// A file, the link that its first line goes on from, and what was found in it.
struct Checked {
    path: PathBuf,
    previous: String,
    verdict: Verdict,
}

pub(super) fn run(files: Vec<PathBuf>, after: Option<&str>) -> anyhow::Result<ExitCode> {
    let is_link = |text: &&str| text.len() == 64 && text.bytes().all(|it| it.is_ascii_hexdigit());
    if let Some(wrong) = after.filter(|text| !is_link(text)) {
        return Err(Misuse(format!(
            "--after {wrong}: a link has 64 hex digits, as verify prints it"
        ))
        .into());
    }
    let mut checked = Vec::with_capacity(files.len());
    for path in files {
        checked.push(check(path)?);
    }
    let mut before: Option<String> = after.map(str::to_ascii_lowercase);
    for file in in_order(checked) {
        let path = file.path.display();
        let (mut line, mut what) = (0, None);
        if before.is_some_and(|before| before != file.previous) {
            what = Some(
                "it doesn't follow the one before it: a file is missing between them, or this is another server's",
            );
        } else if let Some(fault) = &file.verdict.fault {
            (line, what) = (fault.line, Some(fault.what));
        } else if file.verdict.lines == 0 {
            what = Some("it is empty, and the first line of every file is there from the start");
        }
        if let Some(what) = what {
            say(format_args!("{path}:{}: BROKEN: {what}", line.max(1)));
            if line > 0 {
                say(format_args!(
                    "{} lines before it hold; the last good link is {}",
                    file.verdict.lines, file.verdict.last
                ));
            }
            return Ok(ExitCode::FAILURE);
        }
        // Whoever stops reading, such as `head`, must not turn what is broken into a success.
        let _ = answer(format_args!(
            "{path}: {} lines hold; the last link is {}",
            file.verdict.lines, file.verdict.last
        ));
        before = Some(file.verdict.last);
    }
    Ok(ExitCode::SUCCESS)
}

fn check(path: PathBuf) -> anyhow::Result<Checked> {
    let verdict = verify(BufReader::new(open(&path)?), None)?;
    let first = Lines::of(&path)?.next().transpose()?.unwrap_or_default();
    let header: serde_json::Value = serde_json::from_str(&first).unwrap_or_default();
    let previous = header["previous"].as_str().unwrap_or_default().to_owned();
    Ok(Checked {
        path,
        previous,
        verdict,
    })
}

/// Each file after the one that it goes on from. Where none does, by age, so that a gap is found
/// where it is.
fn in_order(mut files: Vec<Checked>) -> Vec<Checked> {
    let mut ordered: Vec<Checked> = Vec::with_capacity(files.len());
    while !files.is_empty() {
        let next = match ordered.last() {
            Some(last) => files.iter().position(|it| it.previous == last.verdict.last),
            None => files.iter().position(|it| {
                let mut others = files.iter();
                !others.any(|other| other.verdict.last == it.previous)
            }),
        };
        ordered.push(files.remove(next.unwrap_or(0)));
    }
    ordered
}
