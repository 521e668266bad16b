//! Errors, by the reason that the daemon names.

use crate::json::Json;
use std::fmt;
use std::io;
use std::sync::Arc;

/// JSON-RPC 2.0, section 5.1.
const METHOD_NOT_FOUND: i64 = -32601;
/// Said where the daemon does not know what this client asks for.
const OLDER: &str = "The running authd is of an older version than this command: end it (authd stop) and start it again, or authd service install.";

macro_rules! reasons {
    ($($(#[doc = $doc:literal])* $name:ident = $text:literal,)*) => {
        /// What programs go by: one of the protocol's reasons, or of this client's.
        #[derive(Debug, Clone, PartialEq, Eq)]
        #[non_exhaustive]
        pub enum Reason {
            $($(#[doc = $doc])* $name,)*
            /// One that a later version of the daemon has added.
            Other(String),
        }

        impl Reason {
            /// The reason as the protocol spells it: `login_required`.
            pub fn as_str(&self) -> &str {
                match self {
                    $(Reason::$name => $text,)*
                    Reason::Other(text) => text,
                }
            }

            fn of(text: &str) -> Reason {
                match text {
                    $($text => Reason::$name,)*
                    other => Reason::Other(other.to_string()),
                }
            }
        }
    };
}

reasons! {
    /// The call is wrong, and would be wrong again.
    InvalidParams = "invalid_params",
    /// There is no credential of this name.
    UnknownCredential = "unknown_credential",
    /// A person has to sign in.
    LoginRequired = "login_required",
    /// The issuer has refused the secrets.
    CredentialRejected = "credential_rejected",
    /// The credential's file was edited and waits for `authd trust`.
    CredentialChanged = "credential_changed",
    /// The credential's file or sealed record can't be read.
    CredentialDamaged = "credential_damaged",
    /// The URL's origin is none of the credential's.
    OriginNotAllowed = "origin_not_allowed",
    /// A rule, or a person, does not let this program use the credential so.
    CallerNotAllowed = "caller_not_allowed",
    /// The credential is for requests alone; nobody gets its token.
    TokenNotExposed = "token_not_exposed",
    /// Somebody has to unlock the vault.
    VaultLocked = "vault_locked",
    /// The issuer does not answer; see [`Error::retry_after_ms`].
    IssuerUnavailable = "issuer_unavailable",
    /// It took too long.
    Timeout = "timeout",
    /// A limit of the daemon's is used up for the moment.
    TooBusy = "too_busy",
    /// The daemon is ending.
    ShuttingDown = "shutting_down",
    /// The API could not be reached, its answer broke off, or the connection to authd did.
    RequestFailed = "request_failed",
    /// The request is larger than authd takes.
    RequestTooLarge = "request_too_large",
    /// The answer is larger than the call allows.
    ResponseTooLarge = "response_too_large",
    /// The call was taken back, or the client closed.
    Cancelled = "cancelled",
    /// A fault of the daemon's or of this client's own.
    Internal = "internal",
    /// No daemon of this user, of root, or of a trusted place answers on the socket. Said by this client.
    NoDaemon = "no_daemon",
}

/// An answer that is an error, or a failure to get one. Its text is for people, and never holds a secret.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct Error {
    /// What programs go by.
    pub reason: Reason,
    /// What happened, for people.
    pub message: String,
    /// The credential that it is about.
    pub credential: Option<String>,
    /// Milliseconds from now after which another try makes sense.
    pub retry_after_ms: Option<u64>,
    /// What the issuer said.
    pub oauth: Option<Box<Oauth>>,
    is_connection_lost: bool,
    cause: Option<Arc<io::Error>>,
}

/// What an issuer said (RFC 6749, section 5.2).
#[derive(Debug, Clone, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Oauth {
    /// Its code: `invalid_grant`.
    pub error: Option<String>,
    /// Its text.
    pub error_description: Option<String>,
    /// The HTTP status of its answer.
    pub status: Option<u16>,
}

impl Error {
    /// An error of one's own with one of the contract's reasons.
    pub fn new(reason: Reason, message: impl Into<String>) -> Error {
        let message = message.into();
        Error {
            reason,
            message,
            credential: None,
            retry_after_ms: None,
            oauth: None,
            is_connection_lost: false,
            cause: None,
        }
    }

    pub(crate) fn with_cause(self, cause: io::Error) -> Error {
        Error { cause: Some(Arc::new(cause)), ..self }
    }

    pub(crate) fn connection_lost() -> Error {
        let message = "the daemon closed the connection before it answered";
        Error { is_connection_lost: true, ..Error::new(Reason::RequestFailed, message) }
    }

    /// True if the connection to authd ended before an answer came: whether the request was carried out is unknown.
    pub fn is_connection_lost(&self) -> bool {
        self.is_connection_lost
    }

    /// The error of an answer.
    pub fn from_json(error: &Json) -> Error {
        let data = error.get("data");
        let member = |name: &str| data.and_then(|each| each.get(name));
        let reason = member("reason").and_then(Json::as_str).map_or(Reason::Internal, Reason::of);
        let mut message = error.str("message").unwrap_or("the daemon gave no reason").to_string();
        if error.get("code").and_then(Json::as_i64) == Some(METHOD_NOT_FOUND) {
            message = format!("{message} {OLDER}");
        }
        Error {
            credential: member("credential").and_then(Json::as_str).map(str::to_string),
            retry_after_ms: member("retryAfterMs").and_then(Json::as_f64).map(|ms| ms.max(0.0) as u64),
            oauth: member("oauth").filter(|each| **each != Json::Null).map(|each| Box::new(Oauth::of(each))),
            ..Error::new(reason, message)
        }
    }
}

impl Oauth {
    fn of(oauth: &Json) -> Oauth {
        let text = |name: &str| oauth.str(name).map(str::to_string);
        Oauth {
            error: text("error"),
            error_description: text("error_description"),
            status: oauth.get("status").and_then(Json::as_i64).and_then(|status| status.try_into().ok()),
        }
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.message)
    }
}

impl std::error::Error for Error {
    /// Why a body can't be read.
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        self.cause.as_deref().map(|cause| cause as _)
    }
}

impl fmt::Display for Reason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}
