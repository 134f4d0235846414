//! Who is calling? Each way to sign in is an [`Authenticate`], and what they all give is a
//! [`Principal`]: plain data, which knows nothing of keys or tokens.

// What every way to sign in gives,
pub(crate) mod principal;
// and what it is.
pub(crate) mod authenticate;
// All ways together,
pub(crate) mod sign_in;
// and what failing costs.
pub(crate) mod failed_sign_ins;
// The way that everybody has: keys,
pub mod keys;
// what one of them is,
mod key;
// what an operator writes for them,
mod keys_file;
// and how an edit is noticed.
pub(crate) mod followed_file;

pub use authenticate::{Authenticate, Challenge, Credential};
pub use failed_sign_ins::FailedSignIns;
pub use keys::KeyStore;
pub use principal::{Identity, Peer, Principal};
pub use sign_in::SignIn;
