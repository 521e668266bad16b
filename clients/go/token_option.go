package authd

import "time"

// A TokenOption says more about the token that is wanted.
type TokenOption func(*tokenParams)

type tokenParams struct {
	Credential    string   `json:"credential"`
	MinValidity   *float64 `json:"minValidity,omitempty"`
	Scope         string   `json:"scope,omitempty"`
	Audience      string   `json:"audience,omitempty"`
	ForceRefresh  bool     `json:"forceRefresh,omitempty"`
	RejectedToken string   `json:"rejectedToken,omitempty"`
	TimeoutMs     int64    `json:"timeoutMs,omitempty"`
	Interactive   bool     `json:"interactive,omitempty"`
	Method        string   `json:"method,omitempty"`
	URL           string   `json:"url,omitempty"`
}

// WithScope asks for a token of this scope, in place of the credential's own.
func WithScope(scope string) TokenOption { return func(p *tokenParams) { p.Scope = scope } }

// WithAudience asks for a token for this audience.
func WithAudience(audience string) TokenOption { return func(p *tokenParams) { p.Audience = audience } }

// WithMinValidity asks for a token that is still valid for so long; up to half of its lifetime counts.
func WithMinValidity(least time.Duration) TokenOption {
	return func(p *tokenParams) {
		seconds := least.Seconds()
		p.MinValidity = &seconds
	}
}

// WithRejectedToken tells the token that an API has refused with 401: it is renewed, unless another program's
// 401 has brought a newer one already.
func WithRejectedToken(accessToken string) TokenOption {
	return func(p *tokenParams) { p.RejectedToken = accessToken }
}

// WithForceRefresh has the token renewed first.
func WithForceRefresh() TokenOption { return func(p *tokenParams) { p.ForceRefresh = true } }

// WithTimeout is how long authd may take. Without it that is 30 s, or what is left of a context whose
// deadline is later.
func WithTimeout(timeout time.Duration) TokenOption {
	return func(p *tokenParams) { p.TimeoutMs = timeoutMs(timeout) }
}

// WithInteractive lets authd open the browser and wait for a sign-in, if that is what is missing.
func WithInteractive() TokenOption { return func(p *tokenParams) { p.Interactive = true } }

// WithRequest names the request that the token is for: one that is bound to a key (DPoP) has a proof for it.
func WithRequest(method, url string) TokenOption {
	return func(p *tokenParams) { p.Method, p.URL = method, url }
}
