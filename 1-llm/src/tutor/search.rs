//! A ranked search over the pages: BM25, over sections.
//!
//! The formula is a dozen lines and stands here. The crate `bm25` counts words whole, so that a
//! heading couldn't weigh more than a code block, and it doesn't say how much of a question a
//! section covers, which is what lets the tutor admit that it doesn't know. The stemmer, which is
//! thousands of lines, is a crate.

use std::collections::{BTreeMap, HashMap};

use rust_stemmers::{Algorithm, Stemmer};

use super::passages::Passage;

/// How fast a repeated word stops counting, and how much a long section is held back: the usual values.
const K1: f64 = 1.2;
const B: f64 = 0.75;
/// A word in the heading says more about a section than one in its text.
const HEADING_WEIGHT: f64 = 3.0;
/// A term in emphasis is being explained; one in a code block is only being used.
const EXPLAINED: f64 = 3.0;
const IN_CODE: f64 = 0.3;
/// A section whose heading is just what was asked for ("what is a tool?" and "Tool").
const SAME_AS_HEADING: f64 = 2.0;
/// A long section is cut; what it is about is said where it begins.
const CONTINUED: f64 = 0.6;

/// Words that say nothing about a topic.
const STOP_WORDS: &str = "a about all also am an and any are as at be been but by can could did do does for \
    from give got had has have he her here him his how i if in into is it its just know let like make may me \
    mean means might more much must my need no not of on one or our out over please say see shall she should \
    show so some tell than that the their them then there these they thing this those to up us use used very \
    want was way we were what whats when where which who whom why will with work works would you your explain \
    describe exist exists there don doesn isn hello hi hey hej thanks thank ok okay yes help";

/// Finds the stems of the words that carry meaning.
struct Stems {
    stemmer: Stemmer,
    stop: Vec<&'static str>,
}

impl Stems {
    fn new() -> Self {
        let mut stop: Vec<_> = STOP_WORDS.split_whitespace().collect();
        stop.sort_unstable();
        Self {
            stemmer: Stemmer::create(Algorithm::English),
            stop,
        }
    }

    /// The stems of a text, without the words that say nothing.
    fn stems(&self, text: &str) -> Vec<String> {
        self.weighted_stems(text)
            .into_iter()
            .map(|(word, _)| word)
            .collect()
    }

    /// The stems of a page's text, each with what it counts.
    fn weighted_stems(&self, text: &str) -> Vec<(String, f64)> {
        let mut out = Vec::new();
        let mut in_code = false;
        for line in text.lines() {
            if line.trim_start().starts_with("```") {
                in_code = !in_code;
                continue;
            }
            for written in line.split_whitespace() {
                let weight = match written.as_bytes() {
                    _ if in_code => IN_CODE,
                    [b'*', next, ..] if *next != b'*' => EXPLAINED,
                    _ => 1.0,
                };
                for part in written.split(|c: char| !c.is_alphanumeric() && c != '\'' && c != '’')
                {
                    let word = part.to_lowercase().replace('’', "'");
                    let word = word.trim_matches('\'').trim_end_matches("'s");
                    if word.chars().nth(1).is_some() && self.stop.binary_search(&word).is_err() {
                        out.push((self.stemmer.stem(word).into_owned(), weight));
                    }
                }
            }
        }
        out
    }
}

/// A section that fits a question.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Hit {
    /// Which passage, by its place in the list.
    pub(super) passage: usize,
    /// How well it fits, for comparison only.
    pub(super) score: f64,
    /// The share of the question that it has, from 0 to 1; rare words count more.
    pub(super) covered: f64,
    /// Whether its heading has a word of the question: then it is about that, whatever else it
    /// says.
    pub(super) titled: bool,
}

/// The index over all passages, built once.
pub(super) struct Index {
    stemmer: Stems,
    // word → (passage, weighted count), in the order of passages.
    postings: HashMap<String, Vec<(usize, f64)>>,
    lengths: Vec<f64>,
    average: f64,
    headings: Vec<Vec<String>>,
    // Whether a passage goes on with the section of the one before it.
    continued: Vec<bool>,
}

impl Index {
    pub(super) fn new(passages: &[Passage]) -> Self {
        let stemmer = Stems::new();
        let mut postings: HashMap<String, Vec<(usize, f64)>> = HashMap::new();
        let (mut lengths, mut headings, mut continued) = (Vec::new(), Vec::new(), Vec::new());
        for (at, passage) in passages.iter().enumerate() {
            let before = at.checked_sub(1).and_then(|at| passages.get(at));
            continued.push(before.is_some_and(|before| {
                before.page == passage.page && before.headings == passage.headings
            }));
            let mut counts: BTreeMap<String, f64> = BTreeMap::new();
            let text = stemmer.weighted_stems(&passage.text);
            lengths.push(text.iter().map(|(_, weight)| weight).sum());
            for (word, weight) in text {
                *counts.entry(word).or_default() += weight;
            }
            for word in stemmer.stems(&passage.trail()) {
                *counts.entry(word).or_default() += HEADING_WEIGHT;
            }
            headings.push(sorted(stemmer.stems(passage.heading())));
            for (word, count) in counts {
                postings.entry(word).or_default().push((at, count));
            }
        }
        #[allow(
            clippy::cast_precision_loss,
            reason = "there are some hundred sections"
        )]
        let average = lengths.iter().sum::<f64>() / (lengths.len().max(1) as f64);
        Self {
            stemmer,
            postings,
            lengths,
            average: average.max(1.0),
            headings,
            continued,
        }
    }

    /// The stems of a question, without the words that say nothing.
    pub(super) fn stems(&self, text: &str) -> Vec<String> {
        self.stemmer.stems(text)
    }

    /// The passages that fit, best first. Each word comes with its weight: what is asked now
    /// counts fully, what was asked before less.
    pub(super) fn search(&self, question: &[(String, f64)]) -> Vec<Hit> {
        let mut found: BTreeMap<usize, (f64, f64)> = BTreeMap::new();
        let mut whole = 0.0;
        for (word, weight) in question {
            let postings = self.postings.get(word).map_or(&[][..], Vec::as_slice);
            let rarity = self.rarity(postings.len()) * weight;
            whole += rarity;
            for &(at, count) in postings {
                let long = 1.0 - B + B * self.lengths[at] / self.average;
                let entry = found.entry(at).or_default();
                entry.0 += rarity * count * (K1 + 1.0) / (count + K1 * long);
                entry.1 += rarity;
            }
        }
        let asked = sorted(question.iter().map(|(word, _)| word.clone()).collect());
        let mut hits: Vec<Hit> = found
            .into_iter()
            .map(|(passage, (score, covered))| {
                let same = !asked.is_empty() && asked == self.headings[passage];
                let same = if same { SAME_AS_HEADING } else { 1.0 };
                let part = if self.continued[passage] {
                    CONTINUED
                } else {
                    1.0
                };
                Hit {
                    passage,
                    score: score * same * part,
                    covered: covered / whole,
                    titled: self.headings[passage]
                        .iter()
                        .any(|word| asked.contains(word)),
                }
            })
            .collect();
        // Equal scores keep the reading order: the same question always has the same answer.
        hits.sort_by(|a, b| b.score.total_cmp(&a.score).then(a.passage.cmp(&b.passage)));
        hits
    }

    /// Inverse document frequency, in the form that is never negative.
    #[allow(
        clippy::cast_precision_loss,
        reason = "there are some hundred sections"
    )]
    fn rarity(&self, holding: usize) -> f64 {
        let (all, holding) = (self.lengths.len() as f64, holding as f64);
        (1.0 + (all - holding + 0.5) / (holding + 0.5)).ln()
    }
}

fn sorted(mut words: Vec<String>) -> Vec<String> {
    words.sort_unstable();
    words.dedup();
    words
}
