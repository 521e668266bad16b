package authd

import (
	"bufio"
	"context"
	"encoding/json"
	"fmt"
	"net"
	"path/filepath"
	"sync"
	"testing"
	"time"
)

// patience is how long a test waits for what must come, on a loaded machine.
const patience = time.Minute

// fakeDaemon is a socket whose answers a test gives.
type fakeDaemon struct {
	t        *testing.T
	path     string
	listener net.Listener
	requests chan *fakeRequest

	mu      sync.Mutex
	sockets []net.Conn
}

// fakeRequest is a request or a notification of the client's.
type fakeRequest struct {
	socket net.Conn
	ID     json.RawMessage `json:"id"`
	Method string          `json:"method"`
	Params json.RawMessage `json:"params"`
}

func startFake(t *testing.T) *fakeDaemon {
	t.Helper()
	d := &fakeDaemon{
		t:        t,
		path:     filepath.Join(t.TempDir(), "s"),
		requests: make(chan *fakeRequest, 10_000),
	}
	d.listen()
	t.Cleanup(d.stop)
	return d
}

func (d *fakeDaemon) listen() {
	d.t.Helper()
	listener, err := net.Listen("unix", d.path)
	if err != nil {
		d.t.Fatal(err)
	}
	d.listener = listener
	go func() {
		for {
			socket, err := listener.Accept()
			if err != nil {
				return
			}
			d.mu.Lock()
			d.sockets = append(d.sockets, socket)
			d.mu.Unlock()
			go d.read(socket)
		}
	}()
}

func (d *fakeDaemon) read(socket net.Conn) {
	reader := bufio.NewReader(socket)
	for {
		line, err := reader.ReadBytes('\n')
		if err != nil {
			d.requests <- &fakeRequest{socket: socket, Method: "the end"}
			return
		}
		request := &fakeRequest{socket: socket}
		if err := json.Unmarshal(line, request); err != nil {
			panic(err)
		}
		d.requests <- request
	}
}

// stop ends everything.
func (d *fakeDaemon) stop() {
	_ = d.listener.Close()
	d.mu.Lock()
	defer d.mu.Unlock()
	for _, socket := range d.sockets {
		_ = socket.Close()
	}
	d.sockets = nil
}

// receive returns the next message, which must be this one. The ends of other connections are passed over.
func (d *fakeDaemon) receive(method string) *fakeRequest {
	d.t.Helper()
	for {
		select {
		case request := <-d.requests:
			switch request.Method {
			case method:
				return request
			case "the end":
			default:
				d.t.Fatalf("%s came, not %s", request.Method, method)
			}
		case <-time.After(patience):
			d.t.Fatalf("%s has not come", method)
		}
	}
}

func (r *fakeRequest) answer(result string) {
	r.write(`{"jsonrpc":"2.0","id":%s,"result":%s}`, r.ID, result)
}

func (r *fakeRequest) notify(name, params string) {
	r.write(`{"jsonrpc":"2.0","method":"%s","params":%s}`, name, params)
}

func (r *fakeRequest) write(format string, values ...any) {
	// A client that has gone is what some tests are about.
	_, _ = r.socket.Write([]byte(fmt.Sprintf(format, values...) + "\n"))
}

// param returns a member of the params as JSON; empty if it is absent.
func (r *fakeRequest) param(name string) string {
	var params map[string]json.RawMessage
	if err := json.Unmarshal(r.Params, &params); err != nil {
		panic(err)
	}
	return string(params[name])
}

const someToken = `{"accessToken":"secret-1","tokenType":"Bearer","expiresAt":null,"headers":{"authorization":"Bearer secret-1"}}`

func newClient(t *testing.T, daemon *fakeDaemon) *Client {
	t.Helper()
	client := &Client{Socket: daemon.path}
	t.Cleanup(func() { _ = client.Close() })
	return client
}

// begin runs a call, whose outcome comes in the channel.
func begin(call func() error) <-chan error {
	outcome := make(chan error, 1)
	go func() { outcome <- call() }()
	return outcome
}

func askForToken(ctx context.Context, client *Client, name string) <-chan error {
	return begin(func() error {
		_, err := client.GetToken(ctx, name)
		return err
	})
}

// wait returns what comes in a channel.
func wait[T any](t *testing.T, come <-chan T) T {
	t.Helper()
	select {
	case one := <-come:
		return one
	case <-time.After(patience):
		t.Fatal("nothing has come")
		panic("unreachable")
	}
}

// until waits for a condition.
func until(t *testing.T, what string, holds func() bool) {
	t.Helper()
	for end := time.Now().Add(patience); !holds(); time.Sleep(time.Millisecond) {
		if time.Now().After(end) {
			t.Fatalf("it did not come: %s", what)
		}
	}
}
