package authd

import (
	"net/http"
	"strings"
	"unicode/utf8"
)

// requestParams are those of authorizedRequest and request/open.
type requestParams struct {
	Credential       string            `json:"credential"`
	Method           string            `json:"method,omitempty"`
	URL              string            `json:"url"`
	Headers          map[string]string `json:"headers,omitempty"`
	Body             string            `json:"body,omitempty"`
	BodyBase64       []byte            `json:"bodyBase64,omitempty"`
	BodyBytes        *int64            `json:"bodyBytes,omitempty"`
	TimeoutMs        int64             `json:"timeoutMs,omitempty"`
	MaxResponseBytes int               `json:"maxResponseBytes,omitempty"`
	Stream           bool              `json:"stream,omitempty"`
	Interactive      bool              `json:"interactive,omitempty"`
}

func (p *requestParams) setBody(body []byte) {
	if utf8.Valid(body) {
		p.Body = string(body)
	} else {
		p.BodyBase64 = body
	}
}

// joined returns headers as the protocol has them: a name in lower case, and one value.
func joined(header http.Header) map[string]string {
	headers := make(map[string]string, len(header))
	for name, values := range header {
		name = strings.ToLower(name)
		separator := ", "
		if name == "cookie" {
			separator = "; "
		}
		headers[name] = strings.Join(values, separator)
	}
	return headers
}
