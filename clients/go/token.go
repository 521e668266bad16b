package authd

import (
	"context"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"time"
)

// A Token is one that is valid, with all that an API wants beside it. Printed, logged or
// marshalled it does not show itself. In an unexported field keep a pointer to it: package fmt shows a value
// that is there.
type Token struct {
	// AccessToken is the token itself.
	AccessToken string
	// Type is such as Bearer.
	Type string
	// ExpiresAt is its end; zero if nobody told one.
	ExpiresAt time.Time
	// Scope is what it is good for, if the issuer told.
	Scope string
	// Header is every header that the API wants, ready to send.
	Header http.Header
	// Query are parameters that the API wants in the URL, not encoded.
	Query map[string]string
	// Body are members that the API wants in the body.
	Body map[string]string
	// Extra are values of the issuer's answer that the credential keeps.
	Extra map[string]string
}

// Authorize adds the headers and the query to a request. Members of Body are the caller's to add.
func (t *Token) Authorize(request *http.Request) {
	if request.Header == nil {
		request.Header = make(http.Header, len(t.Header))
	}
	for name, values := range t.Header {
		request.Header[name] = append([]string(nil), values...)
	}
	if len(t.Query) == 0 {
		return
	}
	query := request.URL.Query()
	for name, value := range t.Query {
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
	token := &Token{
		AccessToken: r.AccessToken,
		Type:        r.TokenType,
		Scope:       r.Scope,
		Header:      http.Header{},
		Query:       r.Query,
		Body:        r.Body,
		Extra:       r.Extra,
	}
	if r.ExpiresAt != nil {
		token.ExpiresAt = time.UnixMilli(int64(*r.ExpiresAt))
	}
	for name, value := range r.Headers {
		token.Header.Set(name, value)
	}
	return token
}
