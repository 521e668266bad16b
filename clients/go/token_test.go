package authd

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"log/slog"
	"net/http"
	"strings"
	"testing"
	"time"
)

func TestATokenDoesNotShowItself(t *testing.T) {
	daemon := startFake(t)
	client := newClient(t, daemon)
	tokens := make(chan *Token, 1)
	outcome := begin(func() error {
		token, err := client.GetToken(context.Background(), "a")
		tokens <- token
		return err
	})
	daemon.receive("getToken").answer(someToken)
	if err := wait(t, outcome); err != nil {
		t.Fatal(err)
	}
	token := <-tokens
	var log bytes.Buffer
	slog.New(slog.NewJSONHandler(&log, nil)).Info("got", "token", token, "of", *token)
	shown := log.String()
	for _, one := range []any{token, *token, map[string]Token{"of": *token}} {
		text, err := json.Marshal(one)
		if err != nil {
			t.Fatal(err)
		}
		shown += string(text)
	}
	kept := struct {
		at    *Token
		here  Token
		other any
	}{token, *token, *token}
	for _, verb := range []string{"%v", "%+v", "%#v", "%s", "%q", "%x", "%d"} {
		shown += fmt.Sprintf(verb+verb+verb+verb+verb, token, *token, kept, &kept, []any{kept})
	}
	if strings.Contains(shown, "secret") || strings.Contains(shown, fmt.Sprintf("%x", "secret")) {
		t.Errorf("%s", shown)
	}
	if none := new(Token); none.AccessToken() != "" || len(none.Header()) > 0 {
		t.Error("a token that is none has something")
	}
	if token.AccessToken() != "secret-1" || !token.ExpiresAt.IsZero() {
		t.Errorf("%q until %s", token.AccessToken(), token.ExpiresAt)
	}
}

func TestATokenAuthorizesARequest(t *testing.T) {
	request, err := http.NewRequest(http.MethodGet, "https://api.example/x?q=1", nil)
	if err != nil {
		t.Fatal(err)
	}
	given := tokenResult{
		Headers: map[string]string{"authorization": "Bearer x", "x-api-key": "k"},
		Query:   map[string]string{"api_key": "k/?&="},
	}
	token := given.token()
	token.Authorize(request)
	if request.Header.Get("authorization") != "Bearer x" || request.Header.Get("x-api-key") != "k" {
		t.Errorf("%v", request.Header)
	}
	if request.URL.String() != "https://api.example/x?api_key=k%2F%3F%26%3D&q=1" {
		t.Errorf("%s", request.URL)
	}
}

func TestATokenAuthorizesARequestWithoutHeaders(t *testing.T) {
	request := &http.Request{}
	given := tokenResult{Headers: map[string]string{"authorization": "Bearer x"}}
	given.token().Authorize(request)
	if request.Header.Get("authorization") != "Bearer x" {
		t.Errorf("%v", request.Header)
	}
}

func TestOptionsOfAToken(t *testing.T) {
	daemon := startFake(t)
	client := newClient(t, daemon)
	outcome := begin(func() error {
		_, err := client.GetToken(context.Background(), "a", WithMinValidity(0), WithForceRefresh(),
			WithInteractive(), WithTimeout(time.Microsecond))
		return err
	})
	asked := daemon.receive("getToken")
	want := `{"credential":"a","minValidity":0,"forceRefresh":true,"timeoutMs":1,"interactive":true}`
	if string(asked.Params) != want {
		t.Errorf("%s", asked.Params)
	}
	asked.answer(someToken)
	if err := wait(t, outcome); err != nil {
		t.Error(err)
	}
}
