package authd

import (
	"encoding/json"
	"errors"
	"os"
	"time"
)

// part is a step of an answer: its head, a piece of its body, or the result at its end.
type part struct {
	head   *answerHead
	piece  *piece
	result json.RawMessage
	err    error
}

type piece struct {
	ID   json.RawMessage `json:"id"`
	Seq  int             `json:"seq"`
	Data []byte          `json:"data"`
}

// next waits for the next part of the answer. The error is an *Error, what a source of the body failed with,
// or errConnectionLost.
func (x *exchange) next() (part, error) {
	got := x.inbox.take()
	return got, got.err
}

// receive takes what comes, until an error: a body is sent on whether or not somebody reads the answer to it.
func (x *exchange) receive() {
	for {
		m, err := x.read()
		if err != nil {
			x.inbox.put(part{err: err}, 0)
			return
		}
		got, isPart := x.partOf(m)
		if isPart {
			x.inbox.put(got, len(m.Params))
		}
		if got.err != nil {
			return
		}
	}
}

// partOf returns what a message is of the answer; false: nothing.
func (x *exchange) partOf(m *message) (part, bool) {
	switch m.Method {
	case "":
		result, err := x.answered(m)
		return part{result: result, err: err}, err != nil || result != nil
	case "response/head":
		var head answerHead
		err := decode(m.Params, &head)
		return part{head: &head, err: err}, true
	case "response/chunk":
		var piece piece
		err := decode(m.Params, &piece)
		return part{piece: &piece, err: err}, true
	}
	return part{}, false
}

// answered takes an answer, and returns the result if it is the request's. Answers count in the order of what
// they answer: parts that still come when the API has answered are refused, which means nothing.
func (x *exchange) answered(m *message) (json.RawMessage, error) {
	if m.isAboutConnection() {
		return nil, m.Error.asError()
	}
	id, isOurs := m.number()
	if !isOurs {
		return nil, nil
	}
	x.mu.Lock()
	defer x.mu.Unlock()
	x.early[id] = m
	for len(x.unanswered) > 0 {
		m, hasCome := x.early[x.unanswered[0]]
		if !hasCome {
			break
		}
		delete(x.early, x.unanswered[0])
		x.unanswered = x.unanswered[1:]
		if m.Error != nil {
			return nil, m.Error.asError()
		}
		if x.sender == nil || isOfRequest(m.Result) {
			return m.Result, nil
		}
		x.sender.free()
	}
	return nil, nil
}

// isOfRequest tells the result of a request from the answer to a part.
func isOfRequest(result json.RawMessage) bool {
	var told struct {
		Status json.RawMessage `json:"status"`
	}
	return json.Unmarshal(result, &told) == nil && told.Status != nil
}

func (x *exchange) read() (*message, error) {
	_ = x.socket.SetReadDeadline(time.Now().Add(x.silence))
	m, err := readMessage(x.reader)
	if errors.Is(err, os.ErrDeadlineExceeded) {
		return nil, x.failure(silenceError("the request", x.silence))
	}
	if err != nil {
		return nil, x.failure(errConnectionLost)
	}
	return m, nil
}
