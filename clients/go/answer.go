package authd

import (
	"encoding/json"
	"fmt"
	"net/http"
	"strings"
)

// answerHead is what an answer begins with.
type answerHead struct {
	ID         json.RawMessage       `json:"id"`
	Status     int                   `json:"status"`
	StatusText string                `json:"statusText"`
	URL        string                `json:"url"`
	Headers    map[string]textOrList `json:"headers"`
}

func (h *answerHead) statusLine() string {
	return strings.TrimSpace(fmt.Sprintf("%d %s", h.Status, h.StatusText))
}

func (h *answerHead) header() http.Header {
	header := make(http.Header, len(h.Headers))
	for name, values := range h.Headers {
		for _, value := range values {
			header.Add(name, value)
		}
	}
	return header
}

type requestResult struct {
	answerHead
	Body       string `json:"body"`
	BodyBase64 []byte `json:"bodyBase64"`
	Refreshed  bool   `json:"refreshed"`
}

func (r *requestResult) response() *Response {
	body := r.BodyBase64
	if body == nil {
		body = []byte(r.Body)
	}
	return &Response{
		Status:     r.statusLine(),
		StatusCode: r.Status,
		URL:        r.URL,
		Header:     r.header(),
		Body:       body,
		Refreshed:  r.Refreshed,
	}
}

// textOrList are the values of a header: a text, or of set-cookie a list.
type textOrList []string

// UnmarshalJSON takes either.
func (t *textOrList) UnmarshalJSON(data []byte) error {
	if len(data) > 0 && data[0] == '[' {
		return json.Unmarshal(data, (*[]string)(t))
	}
	var text string
	err := json.Unmarshal(data, &text)
	*t = textOrList{text}
	return err
}
