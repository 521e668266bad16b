package authd

import (
	"bytes"
	"context"
	"encoding/json"
	"net/http"
	"time"
)

// shortBodyBytes is the longest body that goes in one message, even if JSON makes six bytes of each.
const shortBodyBytes = 1 << 20

// A Request is one that authd sends, with its body and its answer held as a whole. To stream them use
// [Client.Transport] or [Client.Do].
type Request struct {
	// Method is GET if it is empty.
	Method string
	// URL is one of an origin of the credential's.
	URL string
	// Header has what the API wants beside what comes with the credential.
	Header http.Header
	// Body may have any length.
	Body []byte
	// Timeout is how long authd may take for everything. Zero: 30 s, or what is left of a context whose
	// deadline is later.
	Timeout time.Duration
	// MaxResponseBytes is the longest body of an answer. Zero: 4 MiB; the daemon allows up to 32 MiB.
	MaxResponseBytes int
	// Interactive lets authd open the browser and wait for a sign-in, if that is what is missing.
	Interactive bool
}

// A Response is an API's answer. A status of 400 or more is no error.
type Response struct {
	// Status is such as "200 OK".
	Status string
	// StatusCode is such as 200.
	StatusCode int
	// URL is where it came from, after redirects inside the credential's origins.
	URL string
	// Header is the answer's.
	Header http.Header
	// Body is whole, and decoded if the API had compressed it.
	Body []byte
	// Refreshed tells that the token was renewed on the way.
	Refreshed bool
}

// Request has authd send request with the token of credential, which never comes here. What HTTP allows to
// repeat is sent once more if the connection to authd breaks.
func (c *Client) Request(ctx context.Context, credential string, request *Request) (*Response, error) {
	params := requestParams{
		Credential:       credential,
		Method:           request.Method,
		URL:              request.URL,
		Headers:          joined(request.Header),
		TimeoutMs:        timeoutMsOf(ctx),
		MaxResponseBytes: request.MaxResponseBytes,
		Interactive:      request.Interactive,
	}
	if request.Timeout > 0 {
		params.TimeoutMs = timeoutMs(request.Timeout)
	}
	how := manner{timeout: timeoutOf(params.TimeoutMs), again: isIdempotent(request.Method)}
	answer, err := c.send(ctx, params, request.Body, how)
	if err != nil {
		return nil, err
	}
	var result requestResult
	if err := decode(answer, &result); err != nil {
		return nil, err
	}
	return result.response(), nil
}

// send sends a request with its body, in one message or in parts; it returns the result.
func (c *Client) send(
	ctx context.Context, params requestParams, body []byte, how manner,
) (json.RawMessage, error) {
	if len(body) <= shortBodyBytes {
		params.setBody(body)
		text, err := encode(params)
		if err != nil {
			return nil, err
		}
		return c.call(ctx, "authorizedRequest", text, how)
	}
	length := int64(len(body))
	params.BodyBytes = &length
	return repeated("authorizedRequest", how.again, func() (json.RawMessage, error) {
		exchange, err := c.openExchange(ctx, how.timeout)
		if err != nil {
			return nil, err
		}
		defer exchange.close()
		if err := exchange.upload(params, bytes.NewReader(body)); err != nil {
			return nil, err
		}
		for {
			if got, err := exchange.next(); err != nil || got.result != nil {
				return got.result, err
			}
		}
	})
}
