//! Where a credential stands in a request: `Authorization: Bearer`, `X-MCP-Client-Key` or
//! `X-API-Key`. Never in the URL, which ends up in logs and histories.

use http::{HeaderMap, Uri, header};

use super::headers;
use crate::interceptor::{Credential, Denial};

/// Finds what a caller shows to sign in.
///
/// # Errors
/// 401 when a credential is malformed, in the URL, or there are two that differ: which of them
/// counts must not be a guess.
pub(super) fn find<'a>(uri: &Uri, headers: &'a HeaderMap) -> Result<Credential<'a>, Denial> {
    if uri.query().is_some_and(holds_key) {
        return Err(Denial::unauthorized(
            "a key in a URL is refused, because URLs are logged: send it as Authorization: Bearer <key>, and ask the operator for a new one",
        ));
    }
    let mut found = None;
    let bearers = headers.get_all(header::AUTHORIZATION).iter().map(|value| {
        let text = value.to_str().ok()?;
        let (scheme, key) = text.split_once(' ')?;
        scheme.eq_ignore_ascii_case("bearer").then_some(key.trim())
    });
    let plain = headers::KEYS
        .iter()
        .flat_map(|name| headers.get_all(name))
        .map(|value| value.to_str().ok().map(str::trim));
    for key in bearers.chain(plain) {
        let key = key.filter(|key| !key.is_empty()).ok_or_else(|| {
            Denial::unauthorized("the credential can't be read: send Authorization: Bearer <key>")
        })?;
        if found.is_some_and(|found| found != key) {
            return Err(Denial::unauthorized(
                "two credentials that differ: send one",
            ));
        }
        found = Some(key);
    }
    Ok(found.map_or_else(Credential::none, Credential::secret))
}

/// Takes the credentials out.
pub(super) fn forget(headers: &mut HeaderMap) {
    headers.remove(header::AUTHORIZATION);
    for name in &headers::KEYS {
        headers.remove(name);
    }
}

/// Whether a query string has a parameter that is named like a credential.
fn holds_key(query: &str) -> bool {
    url::form_urlencoded::parse(query.as_bytes()).any(|(name, _)| {
        let name = name.to_ascii_lowercase();
        ["key", "token", "auth", "secret", "password"]
            .iter()
            .any(|word| name.contains(word))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn found(uri: &'static str, pairs: &[(&'static str, &str)]) -> Result<Option<String>, String> {
        let headers: HeaderMap = pairs
            .iter()
            .map(|(name, value)| (http::HeaderName::from_static(name), value.parse().unwrap()))
            .collect();
        find(&Uri::from_static(uri), &headers)
            .map(|credential| credential.secret.map(str::to_owned))
            .map_err(|denial| denial.reason)
    }

    #[test]
    fn each_header_is_understood() {
        for (name, value) in [
            ("authorization", "Bearer abc"),
            ("authorization", "bearer  abc "),
            ("x-mcp-client-key", "abc"),
            ("x-api-key", "abc"),
        ] {
            assert_eq!(
                found("/mcp", &[(name, value)]),
                Ok(Some("abc".to_owned())),
                "{name}: {value}"
            );
        }
        assert_eq!(found("/mcp", &[]), Ok(None));
    }

    #[test]
    fn what_is_ambiguous_or_malformed_is_refused() {
        assert!(
            found("/mcp", &[("authorization", "Bearer a"), ("x-api-key", "b")])
                .unwrap_err()
                .contains("differ")
        );
        assert_eq!(
            found("/mcp", &[("authorization", "Bearer a"), ("x-api-key", "a")]),
            Ok(Some("a".to_owned()))
        );
        assert!(
            found(
                "/mcp",
                &[("authorization", "Bearer a"), ("authorization", "Bearer b")]
            )
            .is_err()
        );
        for malformed in ["Basic abc", "abc", "Bearer ", "Bearer"] {
            assert!(
                found("/mcp", &[("authorization", malformed)]).is_err(),
                "{malformed}"
            );
        }
    }

    #[test]
    fn a_key_in_the_url_is_refused() {
        for uri in [
            "/mcp?key=abc",
            "/mcp?a=b&API_KEY=abc",
            "/mcp?access_token=abc",
            "/mcp?api%5Fkey=abc",
        ] {
            let refused = found(uri, &[("authorization", "Bearer abc")]).unwrap_err();
            assert!(
                refused.contains("URL") && !refused.contains("abc"),
                "{uri}: {refused}"
            );
        }
        assert!(found("/messages?sessionId=1", &[]).is_ok());
    }
}
