package authd

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"io"
	"net/http"
	"runtime"
	"strconv"
	"strings"
	"testing"
)

// open has a request sent whose body is a pipe.
func open(t *testing.T, daemon *fakeDaemon, client *Client) (
	*fakeRequest, *io.PipeWriter, <-chan error, <-chan *http.Response,
) {
	t.Helper()
	reader, writer := io.Pipe()
	outcome, responses := do(client, newRequest(t, http.MethodPost, reader))
	asked := daemon.receive("request/open")
	asked.answer(`{"upload":"u"}`)
	return asked, writer, outcome, responses
}

func TestABodyGoesOnWhileNobodyReadsTheAnswer(t *testing.T) {
	daemon := startFake(t)
	client := newClient(t, daemon)
	asked, writer, outcome, responses := open(t, daemon, client)
	asked.head(200, "{}")
	if err := wait(t, outcome); err != nil {
		t.Fatal(err)
	}
	response := wait(t, responses)
	const count = 5 * window
	written := begin(func() error {
		for i := 0; i < count; i++ {
			if _, err := writer.Write([]byte("x")); err != nil {
				return err
			}
		}
		return writer.Close()
	})
	var last *fakeRequest
	for seq := 0; last == nil; seq++ {
		part := daemon.receive("request/chunk")
		if part.param("last") == "true" {
			last = part
			break
		}
		asked.piece(seq, "y")
		part.answer("{}")
	}
	if err := wait(t, written); err != nil {
		t.Error(err)
	}
	pieces, err := strconv.Atoi(last.param("seq"))
	if err != nil {
		t.Fatal(err)
	}
	last.finish(pieces, pieces)
	if text, err := io.ReadAll(response.Body); err != nil || len(text) != pieces {
		t.Errorf("%q: %v", text, err)
	}
}

func TestSmallReadsGoTogetherWhileThereIsNoRoom(t *testing.T) {
	daemon := startFake(t)
	client := newClient(t, daemon)
	_, writer, _, _ := open(t, daemon, client)
	var parts []*fakeRequest
	for len(parts) < window {
		if _, err := writer.Write([]byte("x")); err != nil {
			t.Fatal(err)
		}
		parts = append(parts, daemon.receive("request/chunk"))
	}
	written := begin(func() error {
		for i := 0; i < 1000; i++ {
			if _, err := writer.Write([]byte("yz")); err != nil {
				return err
			}
		}
		return writer.Close()
	})
	if err := wait(t, written); err != nil {
		t.Fatal(err)
	}
	var data []byte
	for len(data) < 2000 {
		parts[0].answer("{}")
		parts = append(parts[1:], daemon.receive("request/chunk"))
		var part chunkParams
		if err := json.Unmarshal(parts[window-1].Params, &part); err != nil {
			t.Fatal(err)
		}
		data = append(data, part.Data...)
	}
	if !bytes.Equal(data, bytes.Repeat([]byte("yz"), 1000)) || len(daemon.requests) > 0 {
		t.Errorf("%d bytes, and %d more parts", len(data), len(daemon.requests))
	}
}

func TestAnAnswerIsReadAheadToItsLimitOnly(t *testing.T) {
	daemon := startFake(t)
	client := newClient(t, daemon)
	outcome, responses := do(client, newRequest(t, http.MethodGet, nil))
	asked := daemon.receive("authorizedRequest")
	asked.head(200, "{}")
	if err := wait(t, outcome); err != nil {
		t.Fatal(err)
	}
	response := wait(t, responses)
	const size, count = 45 << 10, 200
	sent := begin(func() error {
		for seq := 0; seq < count; seq++ {
			asked.piece(seq, strings.Repeat("x", size))
		}
		asked.finish(count, count*size)
		return nil
	})
	inbox := response.Body.(*answerBody).exchange.inbox
	held := func() int {
		inbox.mu.Lock()
		defer inbox.mu.Unlock()
		return inbox.bytes
	}
	until(t, "it holds what it may", func() bool { return held() > mostUntaken })
	if bytes := held(); bytes > mostUntaken+2*size {
		t.Errorf("%d bytes wait", bytes)
	}
	n, err := io.Copy(io.Discard, response.Body)
	if err != nil || n != count*size {
		t.Errorf("%d bytes: %v", n, err)
	}
	if err := wait(t, sent); err != nil {
		t.Error(err)
	}
}

func TestAClosedClientEndsItsStreams(t *testing.T) {
	before := runtime.NumGoroutine()
	daemon := startFake(t)
	client := newClient(t, daemon)
	streaming, responses := do(client, newRequest(t, http.MethodGet, nil))
	daemon.receive("authorizedRequest").head(200, "{}")
	if err := wait(t, streaming); err != nil {
		t.Fatal(err)
	}
	response := wait(t, responses)
	read := begin(func() error { _, err := response.Body.Read(make([]byte, 1)); return err })
	_, writer, sending, _ := open(t, daemon, client)
	whole := begin(func() error {
		_, err := client.Request(context.Background(), "a", &Request{URL: "x", Body: make([]byte, shortBodyBytes+1)})
		return err
	})
	daemon.receive("request/open")
	if err := client.Close(); err != nil {
		t.Error(err)
	}
	for name, outcome := range map[string]<-chan error{"a body": read, "an upload": sending, "a long one": whole} {
		if err := wait(t, outcome); !errors.Is(err, ErrCancelled) {
			t.Errorf("%s: %v", name, err)
		}
	}
	if _, err := client.Do("a", newRequest(t, http.MethodGet, nil)); !errors.Is(err, ErrCancelled) {
		t.Errorf("a later one: %v", err)
	}
	until(t, "the end of the source", func() bool {
		_, err := writer.Write([]byte("x"))
		return err == io.ErrClosedPipe
	})
	_ = response.Body.Close()
	daemon.stop()
	until(t, "the end of all goroutines", func() bool { return runtime.NumGoroutine() <= before })
}
