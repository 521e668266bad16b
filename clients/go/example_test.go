package authd_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log"
	"net/http"
	"os"
	"strings"

	authd "authd/client"
)

// authd sends the requests of an ordinary http.Client.
func ExampleClient_Transport() {
	var client authd.Client
	labelf := &http.Client{Transport: client.Transport("labelf")}
	response, err := labelf.Get("https://api.app.labelf.ai/v2/models")
	if err != nil {
		log.Fatal(err)
	}
	defer response.Body.Close()
	if _, err := io.Copy(os.Stdout, response.Body); err != nil {
		log.Fatal(err)
	}
}

// A library that sends its requests itself is given a token. After a 401 it asks for another.
func ExampleClient_GetToken() {
	var client authd.Client
	ctx := context.Background()
	token, err := client.GetToken(ctx, "labelf")
	if err != nil {
		log.Fatal(err)
	}
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, "https://api.app.labelf.ai/v2/models", nil)
	if err != nil {
		log.Fatal(err)
	}
	token.Authorize(request)
	response, err := http.DefaultClient.Do(request)
	if err != nil {
		log.Fatal(err)
	}
	defer response.Body.Close()
	if response.StatusCode == http.StatusUnauthorized {
		token, err = client.GetToken(ctx, "labelf", authd.WithRejectedToken(token.AccessToken()))
	}
	fmt.Println(token, err)
}

// A body and its answer that fit into memory.
func ExampleClient_Request() {
	var client authd.Client
	response, err := client.Request(context.Background(), "labelf", &authd.Request{
		Method: http.MethodPost,
		URL:    "https://api.app.labelf.ai/v2/models/7/inference",
		Header: http.Header{"Content-Type": {"application/json"}},
		Body:   []byte(`{"texts":["Breakfast was not tasty"],"max_predictions":2}`),
	})
	if err != nil {
		log.Fatal(err)
	}
	fmt.Println(response.Status, string(response.Body))
}

// A body that is sent as it comes.
func ExampleClient_Do() {
	var client authd.Client
	file, err := os.Open("models.json")
	if err != nil {
		log.Fatal(err)
	}
	request, err := http.NewRequest(http.MethodPut, "https://api.app.labelf.ai/v2/models", file)
	if err != nil {
		log.Fatal(err)
	}
	response, err := client.Do("labelf", request)
	if err != nil {
		log.Fatal(err)
	}
	defer response.Body.Close()
	fmt.Println(response.Status)
}

// Notifications come until the client is closed, over restarts of the daemon.
func ExampleClient_Subscribe() {
	var client authd.Client
	client.OnNotification(func(told authd.Notification) { fmt.Println(told.Name, string(told.Params)) })
	if err := client.Subscribe(context.Background(), authd.Watch{Credential: "labelf"}); err != nil {
		log.Fatal(err)
	}
}

// What went wrong has a name.
func ExampleError() {
	err := error(&authd.Error{Reason: authd.ErrIssuerUnavailable, Message: "labelf: the issuer is away"})
	if errors.Is(err, authd.ErrIssuerUnavailable) {
		fmt.Println("later")
	}
	var known *authd.Error
	if errors.As(err, &known) {
		fmt.Println(known.Reason == authd.ErrIssuerUnavailable, strings.HasPrefix(known.Message, "labelf"))
	}
	// Output:
	// later
	// true true
}
