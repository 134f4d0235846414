//! A row of the catalogue.

use futures_util::future::BoxFuture;

use super::target::Target;
use super::verdict::Finding;

/// Tries an attack on a server. It ends by itself, and leaves the server as it was.
pub(super) type Run = for<'a> fn(&'a Target) -> BoxFuture<'a, Finding>;

/// An attack: its description, and the function that tries it.
#[derive(Debug, Clone, Copy)]
pub struct Row {
    /// Its name on the command line and in reports.
    pub id: &'static str,
    /// The file that it stands in.
    pub family: &'static str,
    /// The attack in a few words.
    pub title: &'static str,
    /// What is tried, in a sentence.
    pub tried: &'static str,
    /// Why it works elsewhere, in a sentence.
    pub elsewhere: &'static str,
    /// Where that is written down.
    pub advisory: &'static str,
    /// The change to a server that stops it.
    pub remedy: &'static str,
    /// The attack itself.
    pub run: Run,
}
