package oauth2token_test

import (
	"context"
	"errors"
	"net/http"
	"os"
	"testing"
	"time"

	authd "authd/client"
	"authd/client/oauth2token"

	"golang.org/x/oauth2"
)

// These tests are of a real daemon: test/clients/go.ts runs them. AUTHD_SOCKET is that of authd sandbox, whose
// practice API is at LABELF_URL.

func newClient(t *testing.T) (client *authd.Client, url string) {
	t.Helper()
	url = os.Getenv("LABELF_URL")
	if url == "" {
		t.Skip("LABELF_URL is not set")
	}
	client = &authd.Client{}
	t.Cleanup(func() { _ = client.Close() })
	return client, url + "/v2/models"
}

func TestRequestsWithATokenOfAuthd(t *testing.T) {
	client, url := newClient(t)
	ctx := context.Background()
	source := oauth2token.New(ctx, client, "labelf")
	for name, with := range map[string]*http.Client{
		"NewClient": oauth2.NewClient(ctx, source),
		"Transport": {Transport: &oauth2.Transport{Source: source}},
	} {
		response, err := with.Get(url)
		if err != nil {
			t.Fatal(err)
		}
		_ = response.Body.Close()
		if response.StatusCode != http.StatusOK {
			t.Errorf("%s: %s", name, response.Status)
		}
	}
}

func TestATokenIsReusedUntilItsEnd(t *testing.T) {
	client, _ := newClient(t)
	ctx := context.Background()
	source := oauth2token.New(ctx, client, "labelf")
	reused := oauth2.ReuseTokenSource(nil, source)
	first, err := reused.Token()
	if err != nil || !first.Valid() || first.Expiry.Before(time.Now()) {
		t.Fatalf("valid until %v: %v", first.Expiry, err)
	}
	if _, err := client.GetToken(ctx, "labelf", authd.WithRejectedToken(first.AccessToken)); err != nil {
		t.Fatal(err)
	}
	kept, err := reused.Token()
	if err != nil || kept.AccessToken != first.AccessToken {
		t.Errorf("ReuseTokenSource has asked again: %v", err)
	}
	fresh, err := source.Token()
	if err != nil || fresh.AccessToken == first.AccessToken {
		t.Errorf("the source has not: %v", err)
	}
}

func TestErrorsOfASource(t *testing.T) {
	client, _ := newClient(t)
	ctx, cancel := context.WithCancel(context.Background())
	if _, err := oauth2token.New(ctx, client, "lablef").Token(); !errors.Is(err, authd.ErrUnknownCredential) {
		t.Errorf("%v", err)
	}
	// Its API wants an x-api-key, too.
	if _, err := oauth2token.New(ctx, client, "realtyna").Token(); !errors.Is(err, authd.ErrInvalidParams) {
		t.Errorf("%v", err)
	}
	cancel()
	if _, err := oauth2token.New(ctx, client, "labelf").Token(); !errors.Is(err, authd.ErrCancelled) {
		t.Errorf("%v", err)
	}
}
