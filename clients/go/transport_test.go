package authd

import (
	"bytes"
	"context"
	"encoding/base64"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strings"
	"sync/atomic"
	"testing"
)

// head begins the answer to r.
func (r *fakeRequest) head(status int, headers string) {
	params := `{"id":%s,"status":%d,"statusText":"Fine","url":"https://api.example/y","headers":%s}`
	r.notify("response/head", fmt.Sprintf(params, r.ID, status, headers))
}

func (r *fakeRequest) piece(seq int, data string) {
	r.notify("response/chunk", fmt.Sprintf(`{"id":%s,"seq":%d,"data":"%s"}`, r.ID, seq, encoded(data)))
}

func (r *fakeRequest) finish(pieces, bytes int) {
	r.answer(fmt.Sprintf(`{"status":200,"headers":{},"url":"","chunks":%d,"bytes":%d}`, pieces, bytes))
}

func encoded(data string) string { return base64.StdEncoding.EncodeToString([]byte(data)) }

// body is one that tells whether it was closed.
type body struct {
	io.Reader
	isClosed atomic.Bool
}

func (b *body) Close() error {
	b.isClosed.Store(true)
	if closer, isCloser := b.Reader.(io.Closer); isCloser {
		return closer.Close()
	}
	return nil
}

func newRequest(t *testing.T, method string, body io.Reader) *http.Request {
	t.Helper()
	request, err := http.NewRequest(method, "https://api.example/x#here", body)
	if err != nil {
		t.Fatal(err)
	}
	return request
}

// do has the request sent; the answer comes in the channel after the outcome.
func do(client *Client, request *http.Request) (<-chan error, <-chan *http.Response) {
	responses := make(chan *http.Response, 1)
	return begin(func() error {
		response, err := (&http.Client{Transport: client.Transport("a")}).Do(request)
		responses <- response
		return err
	}), responses
}

func TestARequestAndItsAnswer(t *testing.T) {
	daemon := startFake(t)
	client := newClient(t, daemon)
	request := newRequest(t, http.MethodPost, strings.NewReader(`{"a":1}`))
	request.Header = http.Header{"X-Two": {"1", "2"}, "Cookie": {"a=1", "b=2"}, "Connection": {"close"}}
	outcome, responses := do(client, request)
	asked := daemon.receive("authorizedRequest")
	want := `{"credential":"a","method":"POST","url":"https://api.example/x",` +
		`"headers":{"cookie":"a=1; b=2","x-two":"1, 2"},"body":"{\"a\":1}","timeoutMs":86400000,"stream":true}`
	if string(asked.Params) != want {
		t.Errorf("%s", asked.Params)
	}
	asked.head(201, `{"content-length":"5","set-cookie":["a=1","b=2"]}`)
	if err := wait(t, outcome); err != nil {
		t.Fatal(err)
	}
	response := wait(t, responses)
	if response.Status != "201 Fine" || response.StatusCode != 201 || response.ContentLength != 5 ||
		len(response.Cookies()) != 2 || response.Request.URL.Path != "/y" || request.URL.Path != "/x" {
		t.Errorf("%+v", response)
	}
	asked.piece(0, "he")
	asked.piece(1, "llo")
	asked.finish(2, 5)
	if text, err := io.ReadAll(response.Body); err != nil || string(text) != "hello" {
		t.Errorf("%q: %v", text, err)
	}
	daemon.receive("the end")
	if err := response.Body.Close(); err != nil {
		t.Error(err)
	}
	if _, err := response.Body.Read(nil); err != io.EOF {
		t.Errorf("after the end: %v", err)
	}
}

func TestABodyThatIsClosedEarlyTakesTheRequestBack(t *testing.T) {
	daemon := startFake(t)
	client := newClient(t, daemon)
	outcome, responses := do(client, newRequest(t, http.MethodGet, nil))
	daemon.receive("authorizedRequest").head(200, "{}")
	if err := wait(t, outcome); err != nil {
		t.Fatal(err)
	}
	response := wait(t, responses)
	read := begin(func() error { _, err := response.Body.Read(make([]byte, 1)); return err })
	if err := response.Body.Close(); err != nil {
		t.Error(err)
	}
	daemon.receive("the end")
	if err := wait(t, read); err != http.ErrBodyReadAfterClose {
		t.Errorf("%v", err)
	}
}

func TestAContextEndsAnAnswer(t *testing.T) {
	daemon := startFake(t)
	client := newClient(t, daemon)
	ctx, cancel := context.WithCancel(context.Background())
	outcome, responses := do(client, newRequest(t, http.MethodGet, nil).WithContext(ctx))
	asked := daemon.receive("authorizedRequest")
	asked.head(200, "{}")
	asked.piece(0, "x")
	if err := wait(t, outcome); err != nil {
		t.Fatal(err)
	}
	response := wait(t, responses)
	defer response.Body.Close()
	if _, err := response.Body.Read(make([]byte, 1)); err != nil {
		t.Fatal(err)
	}
	read := begin(func() error { _, err := response.Body.Read(make([]byte, 1)); return err })
	cancel()
	if err := wait(t, read); !errors.Is(err, ErrCancelled) || !errors.Is(err, context.Canceled) {
		t.Errorf("%v", err)
	}
	daemon.receive("the end")
}

func TestAContextEndsAnUploadThatWaitsForItsSource(t *testing.T) {
	daemon := startFake(t)
	client := newClient(t, daemon)
	ctx, cancel := context.WithCancel(context.Background())
	reader, writer := io.Pipe()
	source := &body{Reader: reader}
	outcome, _ := do(client, newRequest(t, http.MethodPost, source).WithContext(ctx))
	daemon.receive("request/open").answer(`{"upload":"u"}`)
	if _, err := writer.Write([]byte("x")); err != nil {
		t.Fatal(err)
	}
	if part := daemon.receive("request/chunk"); part.param("data") != `"eA=="` || part.param("last") != "" {
		t.Errorf("%s", part.Params)
	}
	cancel()
	if err := wait(t, outcome); !errors.Is(err, context.Canceled) {
		t.Errorf("%v", err)
	}
	daemon.receive("the end")
	until(t, "the end of the source", source.isClosed.Load)
}

func TestASourceThatFailsEndsTheRequest(t *testing.T) {
	daemon := startFake(t)
	client := newClient(t, daemon)
	cause := errors.New("the disk is broken")
	source := &body{Reader: io.MultiReader(strings.NewReader("x"), &failingReader{cause})}
	outcome, _ := do(client, newRequest(t, http.MethodPost, source))
	daemon.receive("request/open").answer(`{"upload":"u"}`)
	if err := wait(t, outcome); !errors.Is(err, cause) || !errors.Is(err, ErrRequestFailed) {
		t.Errorf("%v", err)
	}
	until(t, "the end of the source", source.isClosed.Load)
}

type failingReader struct{ err error }

func (r *failingReader) Read([]byte) (int, error) { return 0, r.err }

func TestAnUploadSendsNoMoreAheadThanItsWindow(t *testing.T) {
	daemon := startFake(t)
	client := newClient(t, daemon)
	request := newRequest(t, http.MethodPut, bytes.NewReader(make([]byte, 20*chunkBytes)))
	outcome, responses := do(client, request)
	opened := daemon.receive("request/open")
	if opened.param("bodyBytes") != fmt.Sprint(20*chunkBytes) {
		t.Errorf("%s", opened.Params)
	}
	opened.answer(`{"upload":"u"}`)
	var parts []*fakeRequest
	for seq := 0; seq <= 20; seq++ {
		if seq >= window {
			if len(daemon.requests) > 0 {
				t.Fatalf("more than %d parts came", window)
			}
			parts[seq-window].answer("{}")
		}
		part := daemon.receive("request/chunk")
		if part.param("seq") != fmt.Sprint(seq) || (part.param("last") == "true") != (seq == 20) {
			t.Errorf("%d: seq %s, last %s", seq, part.param("seq"), part.param("last"))
		}
		parts = append(parts, part)
	}
	for _, part := range parts[len(parts)-window : 20] {
		part.answer("{}")
	}
	opened.head(200, "{}")
	parts[20].finish(0, 0)
	if err := wait(t, outcome); err != nil {
		t.Fatal(err)
	}
	if text, err := io.ReadAll(wait(t, responses).Body); err != nil || len(text) > 0 {
		t.Errorf("%q: %v", text, err)
	}
}

func TestAnAnswerThatComesEarlyIsTakenFromAnEmptyPart(t *testing.T) {
	daemon := startFake(t)
	client := newClient(t, daemon)
	reader, writer := io.Pipe()
	defer writer.Close()
	source := &body{Reader: reader}
	outcome, responses := do(client, newRequest(t, http.MethodPost, source))
	opened := daemon.receive("request/open")
	opened.answer(`{"upload":"u"}`)
	opened.head(413, "{}")
	if err := wait(t, outcome); err != nil {
		t.Fatal(err)
	}
	response := wait(t, responses)
	whole := begin(func() error { _, err := io.ReadAll(response.Body); return err })
	part := daemon.receive("request/chunk")
	if part.param("data") != `""` || part.param("last") != "" {
		t.Errorf("%s", part.Params)
	}
	part.finish(0, 0)
	if err := wait(t, whole); err != nil {
		t.Error(err)
	}
	until(t, "the end of the source", source.isClosed.Load)
}

func TestRequestsThatAuthdCouldNotSendAsTheyAre(t *testing.T) {
	daemon := startFake(t)
	client := newClient(t, daemon)
	other := newRequest(t, http.MethodGet, nil)
	other.Host = "elsewhere.example"
	short := newRequest(t, http.MethodPost, &body{Reader: strings.NewReader("abc")})
	short.ContentLength = 2
	for name, request := range map[string]*http.Request{"another host": other, "another length": short} {
		if _, err := client.Do("a", request); !errors.Is(err, ErrInvalidParams) {
			t.Errorf("%s: %v", name, err)
		}
	}
	if !short.Body.(*body).isClosed.Load() {
		t.Error("the body was not closed")
	}
}

func TestARedirectToAnotherOriginFails(t *testing.T) {
	daemon := startFake(t)
	client := newClient(t, daemon)
	outcome, _ := do(client, newRequest(t, http.MethodGet, nil))
	asked := daemon.receive("authorizedRequest")
	asked.head(302, `{"location":"https://elsewhere.example/"}`)
	asked.finish(0, 0)
	again := daemon.receive("authorizedRequest")
	if again.param("url") != `"https://elsewhere.example/"` {
		t.Errorf("%s", again.Params)
	}
	again.write(`{"jsonrpc":"2.0","id":%s,"error":{"code":1,"message":"no","data":{"reason":"origin_not_allowed"}}}`, again.ID)
	if err := wait(t, outcome); !errors.Is(err, ErrOriginNotAllowed) {
		t.Errorf("%v", err)
	}
}
