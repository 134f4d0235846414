//! Who is calling? Each way to sign in is an [`Authenticate`], and what they all give is a
//! [`Principal`]: plain data, which knows nothing of keys or tokens.

// What every way gives, and what it is.
pub(crate) mod authenticate;
pub(crate) mod layer;
pub(crate) mod principal;
// The way that everybody has: keys, what an operator writes for it, and how an edit is noticed.
pub(crate) mod followed_file;
mod key;
pub mod keys;
mod keys_file;
// All ways together, and what failing costs.
pub(crate) mod failed_sign_ins;
pub(crate) mod sign_in;

pub use authenticate::{Authenticate, Challenge, Credential};
pub use failed_sign_ins::FailedSignIns;
pub use keys::KeyStore;
pub use principal::{Identity, Peer, Principal};
pub use sign_in::SignIn;
