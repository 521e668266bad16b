// Command conformance is the driver of the Go client for the suite of clients (test/conformance): it reads
// commands and writes what comes of them, a line of JSON each.
package main

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"strings"
	"sync"
	"time"

	authd "authd/client"
)

var features = []string{"concurrent", "cancel", "stream", "upload", "duplex", "subscribe"}

// command is a line of the suite; see test/conformance/README.md.
type command struct {
	Call    int             `json:"call"`
	Do      string          `json:"do"`
	Of      int             `json:"of"`
	Socket  string          `json:"socket"`
	GraceMs int64           `json:"graceMs"`
	Method  string          `json:"method"`
	Params  json.RawMessage `json:"params"`
	Upload  bool            `json:"upload"`
	Data    []byte          `json:"data"`
	Last    bool            `json:"last"`
}

// driver carries commands out, each in a goroutine of its own.
type driver struct {
	client *authd.Client
	output sync.Mutex
	// listening has the client in it whose notifications are written.
	listening sync.Map
	// cancels and parts are of the calls; only the goroutine that reads commands uses the maps.
	cancels map[int]context.CancelFunc
	parts   map[int]*parts
}

func main() {
	d := &driver{cancels: map[int]context.CancelFunc{}, parts: map[int]*parts{}}
	d.write(map[string]any{"client": "go", "features": features})
	input := bufio.NewReader(os.Stdin)
	for {
		line, err := input.ReadBytes('\n')
		if err != nil {
			break
		}
		var given command
		if err := json.Unmarshal(line, &given); err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(1)
		}
		d.take(given)
	}
	if d.client != nil {
		_ = d.client.Close()
	}
}

func (d *driver) take(given command) {
	switch given.Do {
	case "part":
		d.parts[given.Of].add(given.Data, given.Last)
	case "cancel":
		d.cancels[given.Of]()
	case "connect":
		if d.client != nil {
			_ = d.client.Close()
		}
		d.client = &authd.Client{Socket: given.Socket, Grace: time.Duration(given.GraceMs) * time.Millisecond}
		d.finish(given.Call, nil, nil)
	default:
		ctx, cancel := context.WithCancel(context.Background())
		body := &parts{added: make(chan struct{}, 1)}
		d.cancels[given.Call], d.parts[given.Call] = cancel, body
		go func(client *authd.Client) {
			defer cancel()
			result, err := d.carryOut(ctx, client, given, body)
			d.finish(given.Call, result, err)
		}(d.client)
	}
}

func (d *driver) carryOut(ctx context.Context, client *authd.Client, given command, body io.ReadCloser) (any, error) {
	switch given.Do {
	case "getToken":
		return getToken(ctx, client, given.Params)
	case "authorizedRequest":
		return request(ctx, client, given.Params)
	case "request":
		var result json.RawMessage
		err := client.Call(ctx, given.Method, given.Params, &result)
		return result, err
	case "stream":
		return nil, d.stream(ctx, client, given, body)
	case "subscribe":
		var watch authd.Watch
		if err := json.Unmarshal(given.Params, &watch); err != nil {
			return nil, err
		}
		if _, isListening := d.listening.LoadOrStore(client, true); !isListening {
			client.OnNotification(func(told authd.Notification) {
				d.write(map[string]any{"notification": told.Name, "params": told.Params})
			})
		}
		return nil, client.Subscribe(ctx, watch)
	case "unsubscribe":
		var watch authd.Watch
		if err := json.Unmarshal(given.Params, &watch); err != nil {
			return nil, err
		}
		return nil, client.Unsubscribe(ctx, watch.Credential)
	case "close":
		return nil, client.Close()
	}
	return nil, fmt.Errorf("no such command: %s", given.Do)
}

func (d *driver) finish(call int, result any, err error) {
	if err != nil {
		d.write(map[string]any{"call": call, "error": errorOf(err)})
		return
	}
	if result == nil {
		result = struct{}{}
	}
	d.write(map[string]any{"call": call, "result": result})
}

func (d *driver) write(line any) {
	text, err := json.Marshal(line)
	if err != nil {
		panic(err)
	}
	d.output.Lock()
	defer d.output.Unlock()
	_, _ = os.Stdout.Write(append(text, '\n'))
}

func errorOf(err error) map[string]any {
	var known *authd.Error
	if !errors.As(err, &known) {
		return map[string]any{"reason": "driver", "message": err.Error()}
	}
	told := map[string]any{"reason": known.Reason, "message": known.Error()}
	if known.Credential != "" {
		told["credential"] = known.Credential
	}
	if known.RetryAfter > 0 {
		told["retryAfterMs"] = known.RetryAfter.Milliseconds()
	}
	if known.OAuth != nil {
		told["oauth"] = known.OAuth
	}
	return told
}

// lowered returns headers as the protocol has them.
func lowered(header map[string][]string) map[string]any {
	headers := map[string]any{}
	for name, values := range header {
		name = strings.ToLower(name)
		if name == "set-cookie" {
			headers[name] = values
		} else {
			headers[name] = values[0]
		}
	}
	return headers
}
