"""Errors of authd: one exception for each reason, all of them an `AuthdError`."""

from __future__ import annotations

import builtins
from collections.abc import Mapping
from typing import Any, Optional

#: Ends what is said where no daemon can be reached.
HINT = "Start authd with `authd serve`, or name its socket in AUTHD_SOCKET."


class AuthdError(Exception):
    """`reason` is what programs go by; the text is for people. Neither ever holds a secret."""

    reason: str = "internal"

    def __init__(
        self,
        message: str,
        *,
        reason: Optional[str] = None,
        credential: Optional[str] = None,
        retry_after_ms: Optional[int] = None,
        oauth: Optional[Mapping[str, Any]] = None,
    ) -> None:
        super().__init__(message)
        self.reason = reason or type(self).reason
        self.credential = credential
        #: Milliseconds from now before another try makes sense.
        self.retry_after_ms = retry_after_ms
        #: What the issuer said: `error`, `error_description`, `status`.
        self.oauth = oauth


class InvalidParamsError(AuthdError, ValueError):
    reason = "invalid_params"


class UnknownCredentialError(AuthdError, LookupError):
    reason = "unknown_credential"


class LoginRequiredError(AuthdError):
    reason = "login_required"


class CredentialRejectedError(AuthdError):
    reason = "credential_rejected"


class CredentialChangedError(AuthdError):
    reason = "credential_changed"


class CredentialDamagedError(AuthdError):
    reason = "credential_damaged"


class OriginNotAllowedError(AuthdError, PermissionError):
    reason = "origin_not_allowed"


class CallerNotAllowedError(AuthdError, PermissionError):
    reason = "caller_not_allowed"


class TokenNotExposedError(AuthdError, PermissionError):
    reason = "token_not_exposed"


class VaultLockedError(AuthdError):
    reason = "vault_locked"


class IssuerUnavailableError(AuthdError):
    reason = "issuer_unavailable"


class TimeoutError(AuthdError, builtins.TimeoutError):
    reason = "timeout"


class TooBusyError(AuthdError):
    reason = "too_busy"


class ShuttingDownError(AuthdError, ConnectionError):
    reason = "shutting_down"


class RequestFailedError(AuthdError, ConnectionError):
    """The API could not be reached, its answer broke off, or the connection to authd did."""

    reason = "request_failed"


class RequestTooLargeError(AuthdError, ValueError):
    reason = "request_too_large"


class ResponseTooLargeError(AuthdError):
    reason = "response_too_large"


class CancelledError(AuthdError):
    reason = "cancelled"


class InternalError(AuthdError):
    reason = "internal"


class NoDaemonError(AuthdError, ConnectionError):
    """Nobody answers on the socket."""

    reason = "no_daemon"


class ConnectionLostError(Exception):
    """The connection broke; whether the request was carried out is unknown. Never leaves the client."""


_BY_REASON: dict[str, type[AuthdError]] = {each.reason: each for each in AuthdError.__subclasses__()}


def error_from(error: Mapping[str, Any]) -> AuthdError:
    """Makes the exception of a JSON-RPC error. One of a later version's reasons is an AuthdError."""
    data = error.get("data") or {}
    reason = data.get("reason") or "internal"
    return _BY_REASON.get(reason, AuthdError)(
        error.get("message") or reason,
        reason=reason,
        credential=data.get("credential"),
        retry_after_ms=data.get("retryAfterMs"),
        oauth=data.get("oauth"),
    )
