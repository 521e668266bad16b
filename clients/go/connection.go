package authd

import (
	"bufio"
	"context"
	"encoding/json"
	"net"
	"sync"
	"time"
)

// readBytes is the size of the buffer between a socket and its messages.
const readBytes = 64 << 10

// connection is one that all calls share. Two goroutines read and write it, and end with it.
type connection struct {
	socket  net.Conn
	told    func(Notification)
	lost    func()
	unsent  chan struct{}
	isEnded chan struct{}

	mu      sync.Mutex
	lastID  uint64
	waiting map[uint64]chan answer
	queue   []outgoing
	err     error
}

type answer struct {
	result json.RawMessage
	err    error
}

// outgoing is a line that is not written yet; its id is zero if it is no request.
type outgoing struct {
	id   uint64
	line []byte
}

// newConnection takes socket over. told gets each notification; lost is called once, when the connection
// has ended.
func newConnection(socket net.Conn, told func(Notification), lost func()) *connection {
	c := &connection{
		socket:  socket,
		told:    told,
		lost:    lost,
		unsent:  make(chan struct{}, 1),
		isEnded: make(chan struct{}),
		waiting: map[uint64]chan answer{},
	}
	go c.read()
	go c.write()
	return c
}

// call sends a request and waits for its answer, limit at most.
func (c *connection) call(
	ctx context.Context, method string, params json.RawMessage, limit time.Duration,
) (json.RawMessage, error) {
	id, answers, err := c.send(method, params)
	if err != nil {
		return nil, err
	}
	timer := time.NewTimer(limit)
	defer timer.Stop()
	select {
	case got := <-answers:
		return got.result, got.err
	case <-ctx.Done():
		err = contextError(ctx, method)
	case <-timer.C:
		err = silenceError(method, limit)
	}
	c.takeBack(id)
	return nil, err
}

// send queues a request; its answer comes in the channel.
func (c *connection) send(method string, params json.RawMessage) (uint64, <-chan answer, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.err != nil {
		return 0, nil, c.err
	}
	id := c.lastID + 1
	line, err := encodeRequest(id, method, params)
	if err != nil {
		return 0, nil, err
	}
	c.lastID = id
	answers := make(chan answer, 1)
	c.waiting[id] = answers
	c.put(outgoing{id, line})
	return id, answers, nil
}

// takeBack tells the daemon that nobody waits for an answer any more.
func (c *connection) takeBack(id uint64) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if _, isWaiting := c.waiting[id]; !isWaiting {
		return
	}
	delete(c.waiting, id)
	for i, each := range c.queue {
		if each.id == id {
			c.queue = append(c.queue[:i], c.queue[i+1:]...)
			return
		}
	}
	c.put(outgoing{line: encodeCancel(id)})
}

// put queues a line; c.mu is held.
func (c *connection) put(line outgoing) {
	c.queue = append(c.queue, line)
	select {
	case c.unsent <- struct{}{}:
	default:
	}
}

func (c *connection) write() {
	for {
		select {
		case <-c.unsent:
		case <-c.isEnded:
			return
		}
		c.mu.Lock()
		var lines net.Buffers
		for _, each := range c.queue {
			lines = append(lines, each.line)
		}
		c.queue = nil
		c.mu.Unlock()
		if _, err := lines.WriteTo(c.socket); err != nil {
			c.end(errConnectionLost)
			return
		}
	}
}

func (c *connection) read() {
	reader := bufio.NewReaderSize(c.socket, readBytes)
	for {
		m, err := readMessage(reader)
		if err != nil {
			c.end(errConnectionLost)
			return
		}
		c.receive(m)
	}
}

func (c *connection) receive(m *message) {
	if m.Method != "" {
		c.told(Notification{Name: m.Method, Params: m.Params})
		return
	}
	if m.isAboutConnection() {
		c.end(m.Error.asError())
		return
	}
	id, isOurs := m.number()
	if !isOurs {
		return
	}
	c.mu.Lock()
	answers := c.waiting[id]
	delete(c.waiting, id)
	c.mu.Unlock()
	switch {
	case answers == nil:
	case m.Error != nil:
		answers <- answer{err: m.Error.asError()}
	default:
		answers <- answer{result: m.Result}
	}
}

// end closes the connection: err is what all that is in flight fails with. The first one counts.
func (c *connection) end(err error) {
	c.mu.Lock()
	if c.err != nil {
		c.mu.Unlock()
		return
	}
	c.err = err
	waiting := c.waiting
	c.waiting, c.queue = nil, nil
	c.mu.Unlock()
	close(c.isEnded)
	_ = c.socket.Close()
	for _, answers := range waiting {
		answers <- answer{err: err}
	}
	c.lost()
}

func (c *connection) isOpen() bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.err == nil
}
