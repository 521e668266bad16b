package authd

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"net"
	"os"
	"sync"
	"time"
)

// exchange is one request whose body or answer is streamed, on a connection of its own: one that is read
// slowly holds up nothing else. Its caller's goroutine reads; a body is sent by another.
type exchange struct {
	socket  net.Conn
	reader  *bufio.Reader
	silence time.Duration
	unwatch func() bool
	isEnded chan struct{}
	sender  *sender

	// writing is held while a message is written, so that they leave in the order of their ids.
	writing sync.Mutex

	mu         sync.Mutex
	lastID     uint64
	unanswered []uint64
	early      map[uint64]*message
	err        error
}

// part is a step of an answer: its head, a piece of its body, or the result at its end.
type part struct {
	head   *answerHead
	piece  *piece
	result json.RawMessage
}

type piece struct {
	ID   json.RawMessage `json:"id"`
	Seq  int             `json:"seq"`
	Data []byte          `json:"data"`
}

// openExchange connects. ctx ends the exchange, at any time; so does a daemon that says nothing for longer
// than timeout and the grace.
func (c *Client) openExchange(ctx context.Context, timeout time.Duration) (*exchange, error) {
	c.mu.Lock()
	isClosed := c.isClosed
	c.mu.Unlock()
	if isClosed {
		return nil, closedError()
	}
	if ctx.Err() != nil {
		return nil, contextError(ctx, "the request")
	}
	socket, err := dial(ctx, c.Socket)
	if err != nil {
		return nil, err
	}
	x := &exchange{
		socket:  socket,
		reader:  bufio.NewReaderSize(socket, readBytes),
		silence: timeout + c.grace(),
		isEnded: make(chan struct{}),
		early:   map[uint64]*message{},
	}
	x.unwatch = context.AfterFunc(ctx, func() { x.end(contextError(ctx, "the request")) })
	return x, nil
}

// send writes a request. Its answer is taken after those of the requests before it.
func (x *exchange) send(method string, params any) error {
	text, err := encode(params)
	if err != nil {
		return err
	}
	x.writing.Lock()
	defer x.writing.Unlock()
	x.mu.Lock()
	id := x.lastID + 1
	line, err := encodeRequest(id, method, text)
	if err == nil {
		x.lastID = id
		x.unanswered = append(x.unanswered, id)
	}
	x.mu.Unlock()
	if err != nil {
		return err
	}
	if _, err := x.socket.Write(line); err != nil {
		return x.failure(errConnectionLost)
	}
	return nil
}

// next waits for the next part of the answer. The error is an *Error, what a source of the body failed with,
// or errConnectionLost.
func (x *exchange) next() (part, error) {
	for {
		m, err := x.read()
		if err != nil {
			return part{}, err
		}
		switch m.Method {
		case "":
			if result, err := x.answered(m); err != nil || result != nil {
				return part{result: result}, err
			}
		case "response/head":
			var head answerHead
			return part{head: &head}, decode(m.Params, &head)
		case "response/chunk":
			var piece piece
			return part{piece: &piece}, decode(m.Params, &piece)
		}
	}
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

// end closes the connection, which takes the request back; err is what it fails with. The first one counts.
func (x *exchange) end(err error) {
	x.mu.Lock()
	defer x.mu.Unlock()
	if x.err != nil {
		return
	}
	x.err = err
	close(x.isEnded)
	_ = x.socket.Close()
	if x.sender != nil {
		go x.sender.close()
	}
}

// failure returns what the exchange was ended with, else err.
func (x *exchange) failure(err error) error {
	x.mu.Lock()
	defer x.mu.Unlock()
	if x.err != nil {
		return x.err
	}
	return err
}

// close ends what is still under way.
func (x *exchange) close() {
	x.unwatch()
	x.end(errConnectionLost)
}
