package authd

import (
	"context"
	"encoding/json"
	"sync"
	"time"
)

// A Client asks the daemon of this machine. Its zero value is ready: it connects with the first call, and
// again with the next one after the connection was lost. Calls of any number of goroutines share one
// connection; a request whose body or answer is streamed has one of its own. A Client must not be copied
// after its first call.
type Client struct {
	// Socket is the path of the daemon's socket. Empty: AUTHD_SOCKET, else where authd serve listens.
	Socket string
	// Grace is how much longer than its own time a call waits for the daemon, as a person may have to say
	// yes first. Zero: 65 s.
	Grace time.Duration

	notifier notifier

	mu         sync.Mutex
	connection *connection
	isClosed   bool
	closing    chan struct{}
	watched    []Watch
	exchanges  map[*exchange]struct{}
}

// Call calls any method of the protocol. params is what encoding/json makes an object of, or nil; result is a
// pointer that the result is decoded into, or nil. What is safe to repeat is repeated once if the connection
// breaks; ctx takes the call back.
func (c *Client) Call(ctx context.Context, method string, params, result any) error {
	text := json.RawMessage("{}")
	if params != nil {
		var err error
		if text, err = encode(params); err != nil {
			return err
		}
	}
	answer, err := c.call(ctx, method, text, mannerOf(method, text))
	if err != nil || result == nil {
		return err
	}
	return decode(answer, result)
}

// Close ends the connection: what is in flight, and every later call, fails with [ErrCancelled], bodies
// that are streamed, too. The error is always nil.
func (c *Client) Close() error {
	c.mu.Lock()
	if !c.isClosed {
		c.isClosed = true
		close(c.closingLocked())
	}
	connection, exchanges := c.connection, c.exchanges
	c.exchanges = nil
	c.mu.Unlock()
	for exchange := range exchanges {
		exchange.end(closedError())
	}
	if connection != nil {
		connection.end(closedError())
	}
	return nil
}

func (c *Client) call(
	ctx context.Context, method string, params json.RawMessage, how manner,
) (json.RawMessage, error) {
	return repeated(method, how.again, func() (json.RawMessage, error) {
		connection, err := c.connected(ctx, method)
		if err != nil {
			return nil, err
		}
		return connection.call(ctx, method, params, how.timeout+c.grace())
	})
}

func (c *Client) grace() time.Duration {
	if c.Grace == 0 {
		return defaultGrace
	}
	return c.Grace
}

// connected returns the open connection, or a new one that watches what the one before did.
func (c *Client) connected(ctx context.Context, what string) (*connection, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.isClosed {
		return nil, closedError()
	}
	if ctx.Err() != nil {
		return nil, contextError(ctx, what)
	}
	if c.connection != nil && c.connection.isOpen() {
		return c.connection, nil
	}
	socket, err := dial(ctx, c.Socket)
	if err != nil {
		return nil, err
	}
	c.connection = newConnection(socket, c.notifier.notify, c.lost)
	for _, watch := range c.watched {
		c.connection.watch(watch)
	}
	return c.connection, nil
}

// closingLocked returns what is closed by Close; c.mu is held.
func (c *Client) closingLocked() chan struct{} {
	if c.closing == nil {
		c.closing = make(chan struct{})
	}
	return c.closing
}

// remember has x end with the client; false: that is closed.
func (c *Client) remember(x *exchange) bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.isClosed {
		return false
	}
	if c.exchanges == nil {
		c.exchanges = map[*exchange]struct{}{}
	}
	c.exchanges[x] = struct{}{}
	return true
}

func (c *Client) forget(x *exchange) {
	c.mu.Lock()
	defer c.mu.Unlock()
	delete(c.exchanges, x)
}
