package authd

import (
	"context"
	"encoding/json"
	"time"
)

// reconnectPause is the time between tries to get lost subscriptions back.
const reconnectPause = time.Second

// A Watch is what to be notified of.
type Watch struct {
	// Credential is the one to watch; empty: all.
	Credential string `json:"credential,omitempty"`
	// Events asks for every event, in place of token/refreshed and credential/stateChanged.
	Events bool `json:"events,omitempty"`
	// Approvals asks for the questions to a person.
	Approvals bool `json:"approvals,omitempty"`
}

// Subscribe has the daemon notify this client: see [Client.OnNotification]. It does so again after every
// restart of the daemon, until [Client.Unsubscribe] or [Client.Close].
func (c *Client) Subscribe(ctx context.Context, watch Watch) error {
	params, err := encode(watch)
	if err != nil {
		return err
	}
	var used *connection
	_, err = repeated("subscribe", true, func() (json.RawMessage, error) {
		var err error
		if used, err = c.connected(ctx, "subscribe"); err != nil {
			return nil, err
		}
		return used.call(ctx, "subscribe", params, defaultTimeout+c.grace())
	})
	if err != nil {
		return err
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	c.watched = append(without(c.watched, watch), watch)
	if c.isClosed || used.isOpen() {
		return nil
	}
	// It was lost meanwhile, and nobody knew that there was something to watch.
	if c.connection == used {
		go c.reconnect()
	} else {
		c.connection.watch(watch)
	}
	return nil
}

// Unsubscribe ends the subscriptions for one credential, or with an empty name all of them.
func (c *Client) Unsubscribe(ctx context.Context, credential string) error {
	c.mu.Lock()
	var kept []Watch
	for _, each := range c.watched {
		if credential != "" && each.Credential != credential {
			kept = append(kept, each)
		}
	}
	c.watched = kept
	c.mu.Unlock()
	return c.Call(ctx, "unsubscribe", Watch{Credential: credential}, nil)
}

// lost is called when a connection has ended. A program that waits for notifications makes no calls that
// would open it again.
func (c *Client) lost() {
	c.mu.Lock()
	defer c.mu.Unlock()
	if len(c.watched) > 0 && !c.isClosed {
		go c.reconnect()
	}
}

func (c *Client) reconnect() {
	for {
		c.mu.Lock()
		closing, isWatching := c.closingLocked(), len(c.watched) > 0
		c.mu.Unlock()
		if !isWatching {
			return
		}
		select {
		case <-closing:
			return
		case <-time.After(reconnectPause):
		}
		if _, err := c.connected(context.Background(), "subscribe"); err == nil {
			return
		}
	}
}

// watch subscribes without a wait for the answer.
func (c *connection) watch(watch Watch) {
	if params, err := encode(watch); err == nil {
		_, _, _ = c.send("subscribe", params)
	}
}

func without(watched []Watch, one Watch) []Watch {
	var others []Watch
	for _, each := range watched {
		if each != one {
			others = append(others, each)
		}
	}
	return others
}
