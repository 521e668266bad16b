package authd

import (
	"encoding/json"
	"sync"
)

// maxUndelivered is how many notifications wait for the listeners; of more the oldest are dropped.
const maxUndelivered = 1024

// A Notification is what the daemon tells without being asked, once this client has subscribed to it.
type Notification struct {
	// Name is such as token/refreshed.
	Name string
	// Params is its JSON object.
	Params json.RawMessage
}

// OnNotification has listener called with every notification, in their order and one after the other, in a
// goroutine of the client's. A listener may call the client. One that falls behind by more than 1,024
// notifications loses the oldest; events tell it by a gap in their seq. stop ends it: a call that is under way
// goes on.
func (c *Client) OnNotification(listener func(Notification)) (stop func()) {
	return c.notifier.add(listener)
}

// notifier hands notifications to listeners, so that a slow one does not hold up the connection.
type notifier struct {
	mu        sync.Mutex
	lastKey   int
	listeners map[int]func(Notification)
	queue     []Notification
	isRunning bool
}

func (n *notifier) add(listener func(Notification)) (remove func()) {
	n.mu.Lock()
	defer n.mu.Unlock()
	if n.listeners == nil {
		n.listeners = map[int]func(Notification){}
	}
	n.lastKey++
	key := n.lastKey
	n.listeners[key] = listener
	return func() {
		n.mu.Lock()
		defer n.mu.Unlock()
		delete(n.listeners, key)
	}
}

func (n *notifier) notify(told Notification) {
	n.mu.Lock()
	defer n.mu.Unlock()
	if len(n.listeners) == 0 {
		return
	}
	if len(n.queue) >= maxUndelivered {
		n.queue = n.queue[1:]
	}
	n.queue = append(n.queue, told)
	if !n.isRunning {
		n.isRunning = true
		go n.deliver()
	}
}

// deliver runs until nothing is left.
func (n *notifier) deliver() {
	for {
		n.mu.Lock()
		if len(n.queue) == 0 {
			n.isRunning = false
			n.mu.Unlock()
			return
		}
		told := n.queue[0]
		n.queue = n.queue[1:]
		listeners := make([]func(Notification), 0, len(n.listeners))
		for key := 1; key <= n.lastKey; key++ {
			if listener := n.listeners[key]; listener != nil {
				listeners = append(listeners, listener)
			}
		}
		n.mu.Unlock()
		for _, listener := range listeners {
			listener(told)
		}
	}
}
