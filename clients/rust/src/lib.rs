//! Client of authd, the daemon that owns the API credentials of this machine.
//!
//! ```no_run
//! use authd::{Client, Request};
//!
//! let client = Client::new();
//! // Headers that are ready to send:
//! let token = client.get_token("labelf")?;
//! // Or authd sends the request, and this process never sees the token:
//! let url = "https://api.app.labelf.ai/v2/models";
//! let response = client.request(&Request::new("labelf", "GET", url))?;
//! println!("{} {}", response.status, response.text());
//! # Ok::<(), authd::Error>(())
//! ```
//!
//! The crate uses the standard library alone. [`Client`] keeps a connection and may be shared by threads.
//! A program that asks once can do with a [`Connection`], which starts no thread.

#![deny(missing_docs)]

pub mod base64;
mod client;
mod connection;
mod error;
mod get_token;
mod json;
#[cfg(windows)]
mod pipe;
mod socket;
mod wire;

pub use client::{Cancellation, Client, Notification, Request, Response, Stream, Subscription, Token, Watch};
pub use connection::{answer_to, Connection};
pub use error::{Error, Oauth, Reason};
pub use get_token::GetToken;
pub use json::Json;
pub use socket::default_socket_path;
