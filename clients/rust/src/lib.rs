//! A client of authd, the daemon that owns this machine's API credentials.
//!
//! ```no_run
//! let mut authd = authd_client::Client::new();
//! let token = authd.get_token(&authd_client::GetToken::of("github"))?;
//! println!("{}", token.access_token);
//! # Ok::<(), authd_client::Error>(())
//! ```
//!
//! The crate uses the standard library alone. A [`Client`] keeps one connection, makes a new one after
//! the daemon was restarted, and may be sent to another thread; give each thread its own.

pub mod base64;
mod client;
mod connection;
mod error;
pub mod json;
mod socket;

pub use client::{Client, GetToken, Request, Response, Token};
pub use connection::{answer_to, Connection, Notification};
pub use error::{Error, ErrorKind};
pub use json::Json;
pub use socket::default_socket_path;
