package main

import (
	"bytes"
	"context"
	"encoding/json"
	"io"
	"net/http"
	"sync"
	"time"
	"unicode/utf8"

	authd "authd/client"
)

func getToken(ctx context.Context, client *authd.Client, params json.RawMessage) (any, error) {
	var given struct {
		Credential    string   `json:"credential"`
		MinValidity   *float64 `json:"minValidity"`
		Scope         string   `json:"scope"`
		Audience      string   `json:"audience"`
		ForceRefresh  bool     `json:"forceRefresh"`
		RejectedToken string   `json:"rejectedToken"`
		TimeoutMs     int64    `json:"timeoutMs"`
		Method        string   `json:"method"`
		URL           string   `json:"url"`
	}
	if err := json.Unmarshal(params, &given); err != nil {
		return nil, err
	}
	options := []authd.TokenOption{
		authd.WithScope(given.Scope),
		authd.WithAudience(given.Audience),
		authd.WithRejectedToken(given.RejectedToken),
		authd.WithRequest(given.Method, given.URL),
	}
	if given.MinValidity != nil {
		options = append(options, authd.WithMinValidity(time.Duration(*given.MinValidity*float64(time.Second))))
	}
	if given.ForceRefresh {
		options = append(options, authd.WithForceRefresh())
	}
	if given.TimeoutMs > 0 {
		options = append(options, authd.WithTimeout(time.Duration(given.TimeoutMs)*time.Millisecond))
	}
	token, err := client.GetToken(ctx, given.Credential, options...)
	if err != nil {
		return nil, err
	}
	told := map[string]any{
		"accessToken": token.AccessToken(),
		"tokenType":   token.Type,
		"expiresAt":   nil,
		"headers":     lowered(token.Header()),
		"query":       token.Query(),
		"body":        token.Body(),
		"extra":       token.Extra(),
	}
	if !token.ExpiresAt.IsZero() {
		told["expiresAt"] = token.ExpiresAt.UnixMilli()
	}
	if token.Scope != "" {
		told["scope"] = token.Scope
	}
	return told, nil
}

// httpParams are those of an authorized request.
type httpParams struct {
	Credential       string            `json:"credential"`
	URL              string            `json:"url"`
	Method           string            `json:"method"`
	Headers          map[string]string `json:"headers"`
	Body             string            `json:"body"`
	BodyBase64       []byte            `json:"bodyBase64"`
	TimeoutMs        int64             `json:"timeoutMs"`
	MaxResponseBytes int               `json:"maxResponseBytes"`
}

func (p *httpParams) header() http.Header {
	header := http.Header{}
	for name, value := range p.Headers {
		header.Set(name, value)
	}
	return header
}

func request(ctx context.Context, client *authd.Client, params json.RawMessage) (any, error) {
	var given httpParams
	if err := json.Unmarshal(params, &given); err != nil {
		return nil, err
	}
	body := given.BodyBase64
	if body == nil {
		body = []byte(given.Body)
	}
	response, err := client.Request(ctx, given.Credential, &authd.Request{
		Method:           given.Method,
		URL:              given.URL,
		Header:           given.header(),
		Body:             body,
		Timeout:          time.Duration(given.TimeoutMs) * time.Millisecond,
		MaxResponseBytes: given.MaxResponseBytes,
	})
	if err != nil {
		return nil, err
	}
	told := map[string]any{
		"status":    response.StatusCode,
		"url":       response.URL,
		"headers":   lowered(response.Header),
		"refreshed": response.Refreshed,
	}
	if utf8.Valid(response.Body) {
		told["body"] = string(response.Body)
	} else {
		told["bodyBase64"] = response.Body
	}
	return told, nil
}

func (d *driver) stream(ctx context.Context, client *authd.Client, given command, body io.ReadCloser) error {
	var params httpParams
	if err := json.Unmarshal(given.Params, &params); err != nil {
		return err
	}
	if !given.Upload {
		body = http.NoBody
	}
	made, err := http.NewRequestWithContext(ctx, params.Method, params.URL, body)
	if err != nil {
		return err
	}
	made.Header = params.header()
	response, err := client.Do(params.Credential, made)
	if err != nil {
		return err
	}
	defer response.Body.Close()
	d.write(map[string]any{"call": given.Call, "head": map[string]any{
		"status": response.StatusCode, "url": response.Request.URL.String(), "headers": lowered(response.Header),
	}})
	buffer := make([]byte, 64<<10)
	for {
		n, err := response.Body.Read(buffer)
		if n > 0 {
			d.write(map[string]any{"call": given.Call, "chunk": buffer[:n]})
		}
		if err == io.EOF {
			return nil
		}
		if err != nil {
			return err
		}
	}
}

// parts is a body whose pieces come with commands.
type parts struct {
	mu       sync.Mutex
	come     bytes.Buffer
	hasEnded bool
	isClosed bool
	added    chan struct{}
}

func (p *parts) add(data []byte, last bool) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.come.Write(data)
	p.hasEnded = p.hasEnded || last
	p.wake()
}

// wake ends the wait of Read; p.mu is held.
func (p *parts) wake() {
	select {
	case p.added <- struct{}{}:
	default:
	}
}

// Read waits for the next piece.
func (p *parts) Read(into []byte) (int, error) {
	for {
		p.mu.Lock()
		n, _ := p.come.Read(into)
		hasEnded, isClosed := p.hasEnded, p.isClosed
		p.mu.Unlock()
		switch {
		case isClosed:
			return 0, io.ErrClosedPipe
		case n > 0:
			return n, nil
		case hasEnded:
			return 0, io.EOF
		}
		<-p.added
	}
}

// Close ends a Read that waits.
func (p *parts) Close() error {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.isClosed = true
	p.wake()
	return nil
}
