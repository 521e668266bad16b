package authd

import (
	"bufio"
	"context"
	"net"
	"sync"
	"time"
)

// exchange is one request whose body or answer is streamed, on a connection of its own: one that is read
// slowly holds up nothing else. A goroutine takes what comes, and others send a body.
type exchange struct {
	socket  net.Conn
	reader  *bufio.Reader
	silence time.Duration
	unwatch func() bool
	forget  func()
	inbox   *inbox
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

// openExchange connects. ctx ends the exchange, at any time; so does a daemon that says nothing for longer
// than timeout and the grace.
func (c *Client) openExchange(ctx context.Context, timeout time.Duration) (*exchange, error) {
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
		inbox:   newInbox(),
	}
	x.forget = func() { c.forget(x) }
	if !c.remember(x) {
		_ = socket.Close()
		return nil, closedError()
	}
	x.unwatch = context.AfterFunc(ctx, func() { x.end(contextError(ctx, "the request")) })
	go x.receive()
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

// end closes the connection, which takes the request back; err is what it fails with. The first one counts.
func (x *exchange) end(err error) {
	x.mu.Lock()
	defer x.mu.Unlock()
	if x.err != nil {
		return
	}
	x.err = err
	close(x.isEnded)
	x.inbox.end(err)
	x.forget()
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
