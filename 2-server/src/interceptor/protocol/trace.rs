//! Which larger work does a call belong to? W3C Trace Context, which MCP carries in `_meta`
//! (2026-07-28, basic, "`_meta`": `traceparent` and `tracestate`).
//!
//! A call that came with a trace passes it on to what it sets in motion: a model's engine, a nested
//! call. Where the server reports spans of its own, it passes on its own place in the trace, and
//! begins a trace where there was none.

use rmcp::model::JsonObject;

/// How long a `tracestate` may be. The standard asks to carry at least 512 characters, and a longer
/// one is the caller's way to swell our requests.
const MAX_STATE: usize = 512;

/// A call's place in a trace.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Trace {
    /// The whole work.
    pub trace_id: [u8; 16],
    /// What asked for this call; `None` where the trace begins here.
    pub parent: Option<[u8; 8]>,
    /// This call; the same as `parent` where the server reports no spans.
    pub span_id: [u8; 8],
    /// Bit 0: somebody keeps this trace.
    pub flags: u8,
    state: Option<Box<str>>,
}

impl Trace {
    /// The trace that a message's metadata names, if it does so by the rules; `opens` says that the
    /// server reports a span for the call.
    pub(in super::super) fn of(meta: &JsonObject, opens: bool) -> Option<Self> {
        let parent = meta.get("traceparent").and_then(|it| it.as_str());
        let came = parent.and_then(parse).map(|mut trace| {
            let state = meta.get("tracestate").and_then(|it| it.as_str());
            trace.state = state
                .filter(|state| state.len() <= MAX_STATE && state.is_ascii())
                .map(Into::into);
            trace
        });
        if !opens {
            return came;
        }
        let span_id = random()?;
        match came {
            Some(came) => Some(Self { span_id, ..came }),
            None => Some(Self {
                trace_id: random()?,
                parent: None,
                span_id,
                flags: 1,
                state: None,
            }),
        }
    }

    /// The place that a `traceparent` names.
    pub fn at(parent: &str) -> Option<Self> {
        parse(parent)
    }

    /// The place below this one, for work that is done for this call.
    pub fn child(&self) -> Option<Self> {
        Some(Self {
            parent: Some(self.span_id),
            span_id: random()?,
            ..self.clone()
        })
    }

    /// `traceparent` for what this call sets in motion.
    pub fn header(&self) -> String {
        let (trace, span) = (hex::encode(self.trace_id), hex::encode(self.span_id));
        format!("00-{trace}-{span}-{:02x}", self.flags)
    }

    /// `tracestate`, passed on as it came.
    pub fn state(&self) -> Option<&str> {
        self.state.as_deref()
    }
}

/// Reads a `traceparent`. One that is wrong counts as none, as the standard asks; a version to come
/// may add fields at the end.
fn parse(text: &str) -> Option<Trace> {
    if text.bytes().any(|byte| byte.is_ascii_uppercase()) {
        return None;
    }
    let mut fields = text.split('-');
    let [version] = unhex(fields.next()?)?;
    let trace_id = unhex(fields.next()?)?;
    let span_id = unhex(fields.next()?)?;
    let [flags] = unhex(fields.next()?)?;
    let is_valid = version != 0xff
        && (version != 0 || fields.next().is_none())
        && trace_id != [0; 16]
        && span_id != [0; 8];
    is_valid.then_some(Trace {
        trace_id,
        parent: Some(span_id),
        span_id,
        flags: flags & 1,
        state: None,
    })
}

fn unhex<const N: usize>(text: &str) -> Option<[u8; N]> {
    let mut bytes = [0; N];
    hex::decode_to_slice(text, &mut bytes).ok()?;
    Some(bytes)
}

fn random<const N: usize>() -> Option<[u8; N]> {
    let mut bytes = [0; N];
    getrandom::fill(&mut bytes).ok()?;
    Some(bytes)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    const PARENT: &str = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01";

    fn of(parent: &str, opens: bool) -> Option<Trace> {
        let meta = json!({ "traceparent": parent, "tracestate": "vendor=1" });
        Trace::of(meta.as_object().unwrap(), opens)
    }

    #[test]
    fn a_trace_is_passed_on_as_it_came() {
        let trace = of(PARENT, false).unwrap();
        assert_eq!(trace.header(), PARENT);
        assert_eq!(trace.state(), Some("vendor=1"));
    }

    #[test]
    fn a_server_that_reports_spans_passes_on_its_own_place() {
        let trace = of(PARENT, true).unwrap();
        assert_eq!(trace.header()[..36], PARENT[..36], "the same trace");
        assert_ne!(trace.header(), PARENT, "another span");
        assert_eq!(trace.parent, of(PARENT, false).unwrap().parent);
        let begun = Trace::of(&JsonObject::new(), true).unwrap();
        assert_eq!((begun.parent, begun.flags), (None, 1));
        assert_eq!(Trace::of(&JsonObject::new(), false), None);
    }

    #[test]
    fn what_breaks_the_rules_counts_as_none() {
        for wrong in [
            "",
            "00",
            "00-0AF7651916CD43DD8448EB211C80319C-b7ad6b7169203331-01",
            "00-00000000000000000000000000000000-b7ad6b7169203331-01",
            "00-0af7651916cd43dd8448eb211c80319c-0000000000000000-01",
            "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01-more",
            "ff-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01",
            "00-0af7651916cd43dd8448eb211c8031é-b7ad6b7169203331-01",
        ] {
            assert_eq!(of(wrong, false), None, "{wrong:?}");
        }
        let later = "01-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01-more";
        assert_eq!(of(later, false).unwrap().header(), PARENT);
    }
}
