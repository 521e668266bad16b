package authd

import (
	"context"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"time"
)

// A Token is one that is valid, with all that an API wants beside it. Printed, logged or marshalled it does not show
// itself, wherever it is kept: what is secret of it is told by its methods alone.
type Token struct {
	// Type is such as Bearer.
	Type string
	// ExpiresAt is its end; zero if nobody told one.
	ExpiresAt time.Time
	// Scope is what it is good for, if the issuer told.
	Scope string
	// Printers follow pointers, and show where a function is, never what it returns.
	reveal func() *tokenResult
}

// AccessToken returns the token itself.
func (t *Token) AccessToken() string { return t.secret().AccessToken }

// Header returns every header that the API wants, ready to send.
func (t *Token) Header() http.Header {
	header := make(http.Header, len(t.secret().Headers))
	for name, value := range t.secret().Headers {
		header.Set(name, value)
	}
	return header
}

// Query returns parameters that the API wants in the URL, not encoded.
func (t *Token) Query() map[string]string { return t.secret().Query }

// Body returns members that the API wants in the body.
func (t *Token) Body() map[string]string { return t.secret().Body }

// Extra returns values of the issuer's answer that the credential keeps.
func (t *Token) Extra() map[string]string { return t.secret().Extra }

func (t *Token) secret() *tokenResult {
	if t.reveal == nil {
		return &tokenResult{}
	}
	return t.reveal()
}

// Authorize adds the headers and the query to a request. Members of Body are the caller's to add.
func (t *Token) Authorize(request *http.Request) {
	if request.Header == nil {
		request.Header = http.Header{}
	}
	for name, values := range t.Header() {
		request.Header[name] = values
	}
	if len(t.Query()) == 0 {
		return
	}
	query := request.URL.Query()
	for name, value := range t.Query() {
		query.Set(name, value)
	}
	request.URL.RawQuery = query.Encode()
}

// Format keeps the token out of what is printed.
func (t Token) Format(state fmt.State, _ rune) { _, _ = io.WriteString(state, t.shown()) }

// MarshalText keeps the token out of JSON and the like.
func (t Token) MarshalText() ([]byte, error) { return []byte(t.shown()), nil }

// LogValue keeps the token out of logs.
func (t Token) LogValue() slog.Value { return slog.StringValue(t.shown()) }

func (t Token) shown() string { return "authd.Token(" + t.Type + ")" }

// GetToken returns a token that is valid, and the headers to send with it. The daemon answers from memory
// and renews ahead of the end: ask each time, and keep nothing.
func (c *Client) GetToken(ctx context.Context, credential string, options ...TokenOption) (*Token, error) {
	given := tokenParams{Credential: credential}
	for _, option := range options {
		option(&given)
	}
	if given.TimeoutMs == 0 {
		given.TimeoutMs = timeoutMsOf(ctx)
	}
	params, err := encode(given)
	if err != nil {
		return nil, err
	}
	answer, err := c.call(ctx, "getToken", params, manner{timeout: timeoutOf(given.TimeoutMs), again: true})
	if err != nil {
		return nil, err
	}
	var result tokenResult
	if err := decode(answer, &result); err != nil {
		return nil, err
	}
	return result.token(), nil
}

type tokenResult struct {
	AccessToken string            `json:"accessToken"`
	TokenType   string            `json:"tokenType"`
	ExpiresAt   *float64          `json:"expiresAt"`
	Scope       string            `json:"scope"`
	Headers     map[string]string `json:"headers"`
	Query       map[string]string `json:"query"`
	Body        map[string]string `json:"body"`
	Extra       map[string]string `json:"extra"`
}

func (r *tokenResult) token() *Token {
	token := &Token{Type: r.TokenType, Scope: r.Scope, reveal: func() *tokenResult { return r }}
	if r.ExpiresAt != nil {
		token.ExpiresAt = time.UnixMilli(int64(*r.ExpiresAt))
	}
	return token
}
