package authd

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"time"
)

// A Reason is what went wrong, as programs go by it: the reasons of the protocol, and [ErrNoDaemon] of this
// package's own. It is an error itself, so that errors.Is(err, authd.ErrLoginRequired) tells it. A later
// version of the daemon may have reasons that are not listed here.
type Reason string

// The reasons.
const (
	// ErrInvalidParams: the request or a setting is not right; the message names it.
	ErrInvalidParams Reason = "invalid_params"
	// ErrUnknownCredential: there is no credential of that name.
	ErrUnknownCredential Reason = "unknown_credential"
	// ErrLoginRequired: a person must sign in, or enter a secret.
	ErrLoginRequired Reason = "login_required"
	// ErrCredentialRejected: the issuer refuses the secret, until a person enters another.
	ErrCredentialRejected Reason = "credential_rejected"
	// ErrCredentialChanged: the credential's file was edited, and a person has to trust it.
	ErrCredentialChanged Reason = "credential_changed"
	// ErrCredentialDamaged: the credential's file has a mistake, or can't be read.
	ErrCredentialDamaged Reason = "credential_damaged"
	// ErrOriginNotAllowed: the credential's token may not go to that URL.
	ErrOriginNotAllowed Reason = "origin_not_allowed"
	// ErrCallerNotAllowed: this program may not: a rule or a person said no, or nobody answered.
	ErrCallerNotAllowed Reason = "caller_not_allowed"
	// ErrTokenNotExposed: the token does not leave authd. Have authd send the request.
	ErrTokenNotExposed Reason = "token_not_exposed"
	// ErrVaultLocked: the vault is locked, or its key can't be had at the moment.
	ErrVaultLocked Reason = "vault_locked"
	// ErrIssuerUnavailable: there is no token now; RetryAfter says when to try again.
	ErrIssuerUnavailable Reason = "issuer_unavailable"
	// ErrTimeout: it took longer than the call's time, or the context's.
	ErrTimeout Reason = "timeout"
	// ErrTooBusy: one of the daemon's limits is reached; try again.
	ErrTooBusy Reason = "too_busy"
	// ErrShuttingDown: authd ends; try again when it is back.
	ErrShuttingDown Reason = "shutting_down"
	// ErrRequestFailed: the API could not be reached, or an answer broke off.
	ErrRequestFailed Reason = "request_failed"
	// ErrRequestTooLarge: the request is over a limit of the protocol.
	ErrRequestTooLarge Reason = "request_too_large"
	// ErrResponseTooLarge: the answer is over its limit: stream it, or raise MaxResponseBytes.
	ErrResponseTooLarge Reason = "response_too_large"
	// ErrCancelled: the context was cancelled, or the client closed.
	ErrCancelled Reason = "cancelled"
	// ErrInternal: a fault, or a disk that fails; the daemon's log says more.
	ErrInternal Reason = "internal"
	// ErrNoDaemon: nobody answers on the socket.
	ErrNoDaemon Reason = "no_daemon"
)

// Error returns the reason as a text.
func (r Reason) Error() string { return "authd: " + string(r) }

// An Error is what every call of this package fails with. Neither its text nor its members ever hold a secret.
type Error struct {
	// Reason is what programs go by; errors.Is(err, ErrTimeout) compares it.
	Reason Reason
	// Message is for people, and may change.
	Message string
	// Credential is the credential that it is about, if any.
	Credential string
	// RetryAfter is how long to wait before another try makes sense; zero if nobody told.
	RetryAfter time.Duration
	// OAuth is what the issuer said, if it did.
	OAuth *OAuthError

	cause error
}

// An OAuthError is what a token endpoint said (RFC 6749, section 5.2).
type OAuthError struct {
	// Code is such as invalid_grant.
	Code string `json:"error"`
	// Description is the issuer's own text.
	Description string `json:"error_description,omitempty"`
	// Status is the HTTP status of its answer.
	Status int `json:"status"`
}

// Error returns the message.
func (e *Error) Error() string { return "authd: " + e.Message }

// Is tells whether target is the reason of e.
func (e *Error) Is(target error) bool { return target == error(e.Reason) }

// Unwrap returns the cause where there is one in this process, such as the context's error.
func (e *Error) Unwrap() error { return e.cause }

// Timeout tells whether time was what ran out, as a net.Error does.
func (e *Error) Timeout() bool { return e.Reason == ErrTimeout }

// errConnectionLost: the connection ended before the answer; it is unknown whether the request was carried
// out. It never leaves this package.
var errConnectionLost = errors.New("the connection to authd was lost")

// wireError is the error object of JSON-RPC.
type wireError struct {
	Message string          `json:"message"`
	Data    json.RawMessage `json:"data"`
}

func (e *wireError) asError() *Error {
	var data struct {
		Reason       Reason      `json:"reason"`
		Credential   string      `json:"credential"`
		RetryAfterMs float64     `json:"retryAfterMs"`
		OAuth        *OAuthError `json:"oauth"`
	}
	data.Reason = ErrInternal
	if len(e.Data) > 0 {
		// What can't be read of it is left out.
		_ = json.Unmarshal(e.Data, &data)
	}
	return &Error{
		Reason:     data.Reason,
		Message:    e.Message,
		Credential: data.Credential,
		RetryAfter: milliseconds(data.RetryAfterMs),
		OAuth:      data.OAuth,
	}
}

func milliseconds(ms float64) time.Duration { return time.Duration(ms * float64(time.Millisecond)) }

func invalid(format string, values ...any) *Error {
	return &Error{Reason: ErrInvalidParams, Message: fmt.Sprintf(format, values...)}
}

func failed(format string, values ...any) *Error {
	return &Error{Reason: ErrRequestFailed, Message: fmt.Sprintf(format, values...)}
}

// closedError is what a closed client's calls fail with.
func closedError() *Error {
	return &Error{Reason: ErrCancelled, Message: "this client has been closed"}
}

// contextError returns what a call fails with whose context is over.
func contextError(ctx context.Context, what string) *Error {
	cause := ctx.Err()
	if errors.Is(cause, context.DeadlineExceeded) {
		return &Error{Reason: ErrTimeout, Message: what + ": the context's time is over", cause: cause}
	}
	return &Error{Reason: ErrCancelled, Message: what + " was cancelled", cause: cause}
}

// silenceError returns what a call fails with that authd has not answered in time.
func silenceError(what string, limit time.Duration) *Error {
	return &Error{Reason: ErrTimeout, Message: fmt.Sprintf("authd has not answered %s within %s", what, limit)}
}
