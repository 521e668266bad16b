"""Client of authd, the credential daemon on this machine.

    import authd

    token = authd.get_token("labelf")              # token.headers are ready to send
    response = authd.request("labelf", "GET", "https://api.app.labelf.ai/v2/models")

The second never lets this process see the token. Both share one connection; a `Client` has its own.
"""

from ._default import get_token, request, stream
from .cancellation import Cancellation
from .client import Client
from .errors import (
    AuthdError,
    CallerNotAllowedError,
    CancelledError,
    CredentialChangedError,
    CredentialDamagedError,
    CredentialRejectedError,
    InternalError,
    InvalidParamsError,
    IssuerUnavailableError,
    LoginRequiredError,
    NoDaemonError,
    OriginNotAllowedError,
    RequestFailedError,
    RequestTooLargeError,
    ResponseTooLargeError,
    ShuttingDownError,
    TimeoutError,
    TokenNotExposedError,
    TooBusyError,
    UnknownCredentialError,
    VaultLockedError,
)
from .results import Response, Token

__all__ = [
    "AuthdError",
    "CallerNotAllowedError",
    "Cancellation",
    "CancelledError",
    "Client",
    "CredentialChangedError",
    "CredentialDamagedError",
    "CredentialRejectedError",
    "InternalError",
    "InvalidParamsError",
    "IssuerUnavailableError",
    "LoginRequiredError",
    "NoDaemonError",
    "OriginNotAllowedError",
    "RequestFailedError",
    "RequestTooLargeError",
    "Response",
    "ResponseTooLargeError",
    "ShuttingDownError",
    "TimeoutError",
    "Token",
    "TokenNotExposedError",
    "TooBusyError",
    "UnknownCredentialError",
    "VaultLockedError",
    "get_token",
    "request",
    "stream",
]
