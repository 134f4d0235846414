//! Signing in: without a key, with a wrong one, with one in the wrong place.

use super::row::Row;
use super::target::Target;
use super::verdict::{Finding, must_be_refused};
use crate::raw::Request;
use crate::secret::Secret;

pub(super) const ROWS: &[Row] = &[
    Row {
        id: "no-key",
        family: "credentials",
        title: "No key",
        tried: "A good request without any credential.",
        elsewhere: "Authentication is an option that the quick start leaves off, and nothing reminds anyone to turn it on.",
        advisory: "OWASP MCP Top 10: insufficient authentication; CWE-306",
        remedy: "ask for a credential on every request, and refuse to start where none is set up",
        run: |target| Box::pin(sign_in(target, no_key)),
    },
    Row {
        id: "wrong-key",
        family: "credentials",
        title: "A wrong key",
        tried: "A good request with a key that nobody was given.",
        elsewhere: "A server looks whether there is a credential and not whether it is good.",
        advisory: "CWE-287",
        remedy: "look every credential up, by digest, in constant time",
        run: |target| Box::pin(sign_in(target, wrong_key)),
    },
    Row {
        id: "empty-key",
        family: "credentials",
        title: "An empty key",
        tried: "A good request with Authorization: Bearer and nothing behind it.",
        elsewhere: "An unset secret is compared with an empty credential, and both are the same.",
        advisory: "CWE-287, CWE-258",
        remedy: "an empty credential is a malformed one",
        run: |target| Box::pin(sign_in(target, empty_key)),
    },
    Row {
        id: "shortened-key",
        family: "credentials",
        title: "Most of a key",
        tried: "The right key without its last character.",
        elsewhere: "Keys are compared up to the shorter length, or searched for with a prefix query.",
        advisory: "CWE-697",
        remedy: "compare digests of the whole key",
        run: |target| Box::pin(sign_in(target, shortened)),
    },
    Row {
        id: "key-in-url",
        family: "credentials",
        title: "A key in the address",
        tried: "The right key as a query parameter instead of a header.",
        elsewhere: "Addresses end up in logs, histories and Referer headers; a server that takes keys from them teaches its users to leak them.",
        advisory: "the specification forbids it (authorization, access token usage); CWE-598",
        remedy: "take credentials from headers only",
        run: |target| Box::pin(sign_in(target, in_url)),
    },
    Row {
        id: "two-keys",
        family: "credentials",
        title: "Two keys that differ",
        tried: "One request with the right key and a wrong one.",
        elsewhere: "A proxy checks one of the headers and the server the other, so each trusts what the other would refuse.",
        advisory: "CWE-436",
        remedy: "refuse a request with two credentials that differ",
        run: |target| Box::pin(sign_in(target, two_keys)),
    },
    Row {
        id: "unsigned-token",
        family: "credentials",
        title: "A token that says so itself",
        tried: "A JSON Web Token without a signature (alg none) that claims to be admin with every scope.",
        elsewhere: "Libraries that take the algorithm from the token accept one that asks not to be checked.",
        advisory: "CVE-2015-9235 (jsonwebtoken), CWE-347",
        remedy: "verify the signature with an algorithm that the server chooses, and the audience",
        run: |target| Box::pin(sign_in(target, unsigned)),
    },
];

/// A good request whose credential is changed.
async fn sign_in(target: &Target, change: fn(Request, &Secret) -> Request) -> Finding {
    let key = target.keyed()?;
    let request = target.prepare_list(&target.owner).await.request;
    must_be_refused(&change(request, key).send().await)
}

/// Base64url of `{"alg":"none"}`, of `{"sub":"admin","scope":"*"}`, and no signature.
const UNSIGNED: &str = "eyJhbGciOiJub25lIn0.eyJzdWIiOiJhZG1pbiIsInNjb3BlIjoiKiJ9.";

fn no_key(request: Request, _key: &Secret) -> Request {
    request.key(None)
}

fn wrong_key(request: Request, _key: &Secret) -> Request {
    request.set("authorization", "Bearer a-key-that-nobody-has")
}

fn empty_key(request: Request, _key: &Secret) -> Request {
    request.set("authorization", "Bearer ")
}

/// Its beginning proves that it isn't compared as a prefix; its case, that it is compared exactly.
fn shortened(request: Request, key: &Secret) -> Request {
    let key = key.expose();
    let end = key.char_indices().last().map_or(0, |(end, _)| end);
    request.set("authorization", &format!("Bearer {}", &key[..end]))
}

fn in_url(request: Request, key: &Secret) -> Request {
    let query = url::form_urlencoded::Serializer::new(String::new())
        .append_pair("api_key", key.expose())
        .append_pair("access_token", key.expose())
        .finish();
    request.key(None).query(&query)
}

fn two_keys(request: Request, key: &Secret) -> Request {
    request
        .key(Some(key))
        .add("authorization", "Bearer a-key-that-nobody-has")
}

fn unsigned(request: Request, _key: &Secret) -> Request {
    request.set("authorization", &format!("Bearer {UNSIGNED}"))
}
