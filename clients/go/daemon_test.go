package authd_test

import (
	"bytes"
	"context"
	"crypto/rand"
	"crypto/sha256"
	"encoding/json"
	"errors"
	"io"
	"net/http"
	"os"
	"strings"
	"testing"
	"time"

	authd "authd/client"
)

// These tests are of a real daemon: test/clients/go.ts runs them. AUTHD_SOCKET is that of authd sandbox, whose
// practice API is at LABELF_URL; that at STREAM_SOCKET has a credential, demo, for the server at STREAM_URL.

// needed returns a variable without which a test says nothing.
func needed(t *testing.T, name string) string {
	t.Helper()
	value := os.Getenv(name)
	if value == "" {
		t.Skipf("%s is not set", name)
	}
	return value
}

func newClient(t *testing.T, socket string) *authd.Client {
	t.Helper()
	client := &authd.Client{Socket: socket}
	t.Cleanup(func() { _ = client.Close() })
	return client
}

func TestTokenOfADaemon(t *testing.T) {
	needed(t, "LABELF_URL")
	client := newClient(t, "")
	ctx := context.Background()
	token, err := client.GetToken(ctx, "labelf")
	if err != nil {
		t.Fatal(err)
	}
	if !strings.HasPrefix(token.Header().Get("Authorization"), "Bearer ") || token.ExpiresAt.Before(time.Now()) {
		t.Errorf("%v until %s", token, token.ExpiresAt)
	}
	renewed, err := client.GetToken(ctx, "labelf", authd.WithRejectedToken(token.AccessToken()))
	if err != nil || renewed.AccessToken() == token.AccessToken() {
		t.Errorf("the same token after it was rejected: %v", err)
	}
	_, err = client.GetToken(ctx, "lablef")
	var known *authd.Error
	if !errors.Is(err, authd.ErrUnknownCredential) || !errors.As(err, &known) || known.Message == "" {
		t.Errorf("%v", err)
	}
}

func TestRequestsByADaemon(t *testing.T) {
	url := needed(t, "LABELF_URL")
	client := newClient(t, "")
	labelf := &http.Client{Transport: client.Transport("labelf")}
	response, err := labelf.Get(url + "/v2/models")
	if err != nil {
		t.Fatal(err)
	}
	defer response.Body.Close()
	text, err := io.ReadAll(response.Body)
	if err != nil || !strings.Contains(string(text), "Guest reviews") || response.StatusCode != http.StatusOK {
		t.Errorf("%s %s: %v", response.Status, text, err)
	}
	question := `{"texts":["Breakfast was not tasty"],"max_predictions":2}`
	posted, err := client.Request(context.Background(), "labelf", &authd.Request{
		Method: http.MethodPost,
		URL:    url + "/v2/models/7/inference",
		Header: http.Header{"Content-Type": {"application/json"}},
		Body:   []byte(question),
	})
	if err != nil || posted.StatusCode != http.StatusOK || !json.Valid(posted.Body) {
		t.Errorf("%+v: %v", posted, err)
	}
	if _, err := labelf.Get("https://example.com/"); !errors.Is(err, authd.ErrOriginNotAllowed) {
		t.Errorf("%v", err)
	}
}

func TestEventsOfADaemon(t *testing.T) {
	needed(t, "LABELF_URL")
	client := newClient(t, "")
	told := make(chan authd.Notification, 100)
	client.OnNotification(func(one authd.Notification) { told <- one })
	ctx := context.Background()
	if err := client.Subscribe(ctx, authd.Watch{Credential: "zebbra"}); err != nil {
		t.Fatal(err)
	}
	if err := client.Call(ctx, "credentials/refresh", map[string]string{"credential": "zebbra"}, nil); err != nil {
		t.Fatal(err)
	}
	for {
		select {
		case one := <-told:
			if one.Name == "token/refreshed" {
				return
			}
		case <-time.After(time.Minute):
			t.Fatal("token/refreshed has not come")
		}
	}
}

func TestBodiesBothWaysThroughADaemon(t *testing.T) {
	url := needed(t, "STREAM_URL")
	demo := &http.Client{Transport: newClient(t, needed(t, "STREAM_SOCKET")).Transport("demo")}
	sent := make([]byte, 12<<20)
	if _, err := rand.Read(sent); err != nil {
		t.Fatal(err)
	}
	for name, body := range map[string]io.Reader{
		"of known length": bytes.NewReader(sent),
		"of unknown":      io.MultiReader(bytes.NewReader(sent)),
	} {
		response, err := demo.Post(url+"/echo", "application/octet-stream", body)
		if err != nil {
			t.Fatal(err)
		}
		hash := sha256.New()
		n, err := io.Copy(hash, response.Body)
		if want := sha256.Sum256(sent); err != nil || !bytes.Equal(hash.Sum(nil), want[:]) {
			t.Errorf("a body %s: %d bytes came back: %v", name, n, err)
		}
		_ = response.Body.Close()
	}
}

func TestASlowReaderSlowsTheAPIDown(t *testing.T) {
	url := needed(t, "STREAM_URL")
	demo := &http.Client{Transport: newClient(t, needed(t, "STREAM_SOCKET")).Transport("demo")}
	response, err := demo.Get(url + "/endless")
	if err != nil {
		t.Fatal(err)
	}
	if _, err := io.CopyN(io.Discard, response.Body, 1<<20); err != nil {
		t.Fatal(err)
	}
	// What the API has written stays the same while nobody reads.
	before, now := -1.0, written(t, url).Bytes
	for end := time.Now().Add(time.Minute); now != before; before, now = now, written(t, url).Bytes {
		if time.Now().After(end) || now > 100<<20 {
			t.Fatalf("%.0f bytes were written", now)
		}
		time.Sleep(300 * time.Millisecond)
	}
	if err := response.Body.Close(); err != nil {
		t.Error(err)
	}
	for end := time.Now().Add(time.Minute); !written(t, url).IsClosed; time.Sleep(10 * time.Millisecond) {
		if time.Now().After(end) {
			t.Fatal("the API still answers")
		}
	}
}

// told is what the server at STREAM_URL tells of its endless answer.
type told struct {
	Bytes    float64
	IsClosed bool
}

func written(t *testing.T, url string) told {
	t.Helper()
	response, err := http.Get(url + "/written")
	if err != nil {
		t.Fatal(err)
	}
	defer response.Body.Close()
	var one told
	if err := json.NewDecoder(response.Body).Decode(&one); err != nil {
		t.Fatal(err)
	}
	return one
}
