//! Connects to authd, the daemon that owns this machine's API credentials.
//!
//! ```no_run
//! use authd_client::{answer_to, default_socket_path, Connection, GetToken};
//!
//! let request = GetToken::of("github");
//! let deadline = std::time::Instant::now() + request.patience();
//! let mut connection = Connection::open(&default_socket_path())?;
//! let id = connection.send("getToken", request.params())?;
//! let token = loop {
//!     let message = connection.read(deadline, "getToken")?;
//!     if let Some(answer) = answer_to(id, &message) {
//!         break answer?;
//!     }
//! };
//! println!("{}", token.str("accessToken").unwrap_or_default());
//! # Ok::<(), authd_client::Error>(())
//! ```
//!
//! The crate uses the standard library alone. The native command is built on it.

mod connection;
mod error;
mod get_token;
pub mod json;
mod socket;

pub use connection::{answer_to, Connection};
pub use error::{Error, ErrorKind};
pub use get_token::GetToken;
pub use json::Json;
pub use socket::default_socket_path;
