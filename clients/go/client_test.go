package authd

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"net"
	"path/filepath"
	"runtime"
	"strings"
	"sync"
	"testing"
	"time"
)

func TestManyGoroutinesShareOneConnection(t *testing.T) {
	daemon := startFake(t)
	client := newClient(t, daemon)
	go func() {
		for request := range daemon.requests {
			if request.Method == "getToken" {
				request.answer(strings.ReplaceAll(someToken, "secret-1", strings.Trim(request.param("credential"), `"`)))
			}
		}
	}()
	var calls sync.WaitGroup
	for i := 0; i < 64; i++ {
		name := fmt.Sprint("c", i)
		calls.Add(1)
		go func() {
			defer calls.Done()
			for n := 0; n < 20; n++ {
				token, err := client.GetToken(context.Background(), name)
				if err != nil || token.AccessToken() != name {
					t.Errorf("%s got %v: %v", name, token, err)
				}
			}
		}()
	}
	calls.Wait()
	daemon.mu.Lock()
	defer daemon.mu.Unlock()
	if len(daemon.sockets) != 1 {
		t.Errorf("%d connections", len(daemon.sockets))
	}
}

func TestTheEndOfAContextTakesACallBack(t *testing.T) {
	daemon := startFake(t)
	client := newClient(t, daemon)
	ctx, cancel := context.WithCancel(context.Background())
	outcome := askForToken(ctx, client, "a")
	asked := daemon.receive("getToken")
	cancel()
	err := wait(t, outcome)
	if !errors.Is(err, ErrCancelled) || !errors.Is(err, context.Canceled) {
		t.Errorf("%v", err)
	}
	if taken := daemon.receive("$/cancelRequest"); taken.param("id") != string(asked.ID) {
		t.Errorf("%s was taken back, not %s", taken.Params, asked.ID)
	}
	if err := wait(t, askForToken(ctx, client, "b")); !errors.Is(err, ErrCancelled) {
		t.Errorf("a call whose context is over: %v", err)
	}
}

func TestADeadlineIsATimeout(t *testing.T) {
	daemon := startFake(t)
	client := newClient(t, daemon)
	ctx, cancel := context.WithTimeout(context.Background(), 50*time.Millisecond)
	defer cancel()
	err := wait(t, askForToken(ctx, client, "a"))
	var known *Error
	if !errors.As(err, &known) || !known.Timeout() || !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("%v", err)
	}
}

func TestAContextThatLastsLongerGivesAuthdMoreTime(t *testing.T) {
	daemon := startFake(t)
	client := newClient(t, daemon)
	for _, given := range []struct{ left, least, most time.Duration }{
		{left: 20 * time.Second},
		{left: 10 * time.Minute, least: 9 * time.Minute, most: 10 * time.Minute},
		{left: 48 * time.Hour, least: 24 * time.Hour, most: 24 * time.Hour},
	} {
		ctx, cancel := context.WithTimeout(context.Background(), given.left)
		outcome := askForToken(ctx, client, "a")
		asked := daemon.receive("getToken")
		var params struct {
			TimeoutMs int64 `json:"timeoutMs"`
		}
		if err := json.Unmarshal(asked.Params, &params); err != nil {
			t.Fatal(err)
		}
		told := time.Duration(params.TimeoutMs) * time.Millisecond
		if told < given.least || told > given.most {
			t.Errorf("%s for a context that lasts %s", told, given.left)
		}
		asked.answer(someToken)
		if err := wait(t, outcome); err != nil {
			t.Error(err)
		}
		cancel()
	}
}

func TestACallDoesNotWaitForADaemonThatDoesNotRead(t *testing.T) {
	path := filepath.Join(t.TempDir(), "s")
	listener, err := net.Listen("unix", path)
	if err != nil {
		t.Fatal(err)
	}
	defer listener.Close()
	client := Client{Socket: path}
	defer client.Close()
	ctx, cancel := context.WithCancel(context.Background())
	call := func() error {
		return client.Call(ctx, "x", map[string]string{"x": strings.Repeat("x", 7<<20)}, nil)
	}
	first := begin(call)
	until(t, "the first call is being written", func() bool {
		client.mu.Lock()
		defer client.mu.Unlock()
		if client.connection == nil {
			return false
		}
		client.connection.mu.Lock()
		defer client.connection.mu.Unlock()
		return len(client.connection.waiting) == 1 && len(client.connection.queue) == 0
	})
	second := begin(call)
	cancel()
	for _, outcome := range []<-chan error{first, second} {
		if err := wait(t, outcome); !errors.Is(err, ErrCancelled) {
			t.Errorf("%v", err)
		}
	}
}

func TestEveryMethod(t *testing.T) {
	daemon := startFake(t)
	client := newClient(t, daemon)
	var result struct{ Sum int }
	outcome := begin(func() error {
		return client.Call(context.Background(), "add", map[string]any{"of": []int{1, 2}, "sign": "<&>"}, &result)
	})
	asked := daemon.receive("add")
	if string(asked.Params) != `{"of":[1,2],"sign":"<&>"}` {
		t.Errorf("%s", asked.Params)
	}
	asked.answer(`{"sum":3}`)
	if err := wait(t, outcome); err != nil || result.Sum != 3 {
		t.Errorf("%d: %v", result.Sum, err)
	}
	err := client.Call(context.Background(), "add", map[string]any{"of": func() {}}, nil)
	if !errors.Is(err, ErrInvalidParams) {
		t.Errorf("params that are no JSON: %v", err)
	}
}

func TestAClosedClientLeavesNothingBehind(t *testing.T) {
	before := runtime.NumGoroutine()
	daemon := startFake(t)
	client := newClient(t, daemon)
	outcome := askForToken(context.Background(), client, "a")
	daemon.receive("getToken")
	if err := client.Close(); err != nil {
		t.Error(err)
	}
	if err := wait(t, outcome); !errors.Is(err, ErrCancelled) {
		t.Errorf("a call in flight: %v", err)
	}
	if err := wait(t, askForToken(context.Background(), client, "b")); !errors.Is(err, ErrCancelled) {
		t.Errorf("a later call: %v", err)
	}
	daemon.stop()
	until(t, "the end of all goroutines", func() bool { return runtime.NumGoroutine() <= before })
}

func TestWithoutADaemon(t *testing.T) {
	client := Client{Socket: filepath.Join(t.TempDir(), "nobody")}
	_, err := client.GetToken(context.Background(), "a")
	if !errors.Is(err, ErrNoDaemon) || !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("%v", err)
	}
	if !strings.Contains(err.Error(), "authd serve") {
		t.Errorf("it does not help: %v", err)
	}
}

func TestReasonsAreErrors(t *testing.T) {
	err := fmt.Errorf("asked: %w", &Error{Reason: "a_later_one", Message: "why"})
	if !errors.Is(err, Reason("a_later_one")) || errors.Is(err, ErrTimeout) {
		t.Errorf("%v", err)
	}
	if ErrTimeout.Error() != "authd: timeout" {
		t.Errorf("%s", ErrTimeout.Error())
	}
}
