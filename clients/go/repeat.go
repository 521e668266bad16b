package authd

import (
	"context"
	"encoding/json"
	"errors"
	"strings"
	"time"
)

const (
	// defaultTimeout is how long the daemon works on a call that names no time.
	defaultTimeout = 30 * time.Second
	// defaultGrace is how much longer a call waits: a person may have to say yes first, within a minute.
	defaultGrace = 65 * time.Second
	// loginTimeout: the daemon ends a sign-in after half an hour at the latest.
	loginTimeout = 31 * time.Minute
	// noTimeout is the longest time that the daemon takes: the context ends a stream.
	noTimeout = 24 * time.Hour
)

// repeatable are the methods that may be sent once more if their connection ended without an answer.
var repeatable = map[string]bool{
	"initialize": true, "getToken": true, "credentials/list": true, "credentials/show": true,
	"credentials/discover": true, "credentials/introspect": true, "tokenFiles/list": true, "status": true,
	"events": true, "reload": true, "approvals/pending": true, "audit/head": true, "subscribe": true,
	"unsubscribe": true, "lock": true, "login/start": true,
}

// isIdempotent tells whether an API takes two of these requests for one (RFC 9110, section 9.2.2).
func isIdempotent(method string) bool {
	switch strings.ToUpper(method) {
	case "", "GET", "HEAD", "OPTIONS", "PUT", "DELETE":
		return true
	}
	return false
}

// manner is how a call is made: how long the daemon may take, and whether it may be sent once more.
type manner struct {
	timeout time.Duration
	again   bool
}

// mannerOf returns that of any method of the protocol.
func mannerOf(method string, params json.RawMessage) manner {
	var told struct {
		TimeoutMs float64 `json:"timeoutMs"`
		Method    string  `json:"method"`
		Stream    bool    `json:"stream"`
	}
	// What is of another kind is the daemon's to refuse.
	_ = json.Unmarshal(params, &told)
	how := manner{timeout: milliseconds(told.TimeoutMs), again: repeatable[method]}
	if method == "authorizedRequest" {
		how.again = isIdempotent(told.Method) && !told.Stream
	}
	if how.timeout <= 0 {
		how.timeout = defaultTimeout
		if method == "login/finish" {
			how.timeout = loginTimeout
		}
	}
	return how
}

// repeated carries send out, and once more if its connection was lost and it may be sent again.
func repeated[Result any](what string, again bool, send func() (Result, error)) (Result, error) {
	for {
		result, err := send()
		if !errors.Is(err, errConnectionLost) {
			return result, err
		}
		if !again {
			text := "the connection to authd broke before it answered %s: it may have been carried out"
			return result, failed(text, what)
		}
		again = false
	}
}

// timeoutMs returns a time as the protocol has it: a millisecond at least, a day at most.
func timeoutMs(timeout time.Duration) int64 {
	return min(max(timeout.Milliseconds(), 1), noTimeout.Milliseconds())
}

// timeoutMsOf returns the time that is left of a context, if the daemon would end the call before.
func timeoutMsOf(ctx context.Context) int64 {
	if deadline, isSet := ctx.Deadline(); isSet && time.Until(deadline) > defaultTimeout {
		return timeoutMs(time.Until(deadline))
	}
	return 0
}

// timeoutOf returns how long the daemon works on a call with these params.
func timeoutOf(ms int64) time.Duration {
	if ms == 0 {
		return defaultTimeout
	}
	return time.Duration(ms) * time.Millisecond
}
