// Package authd is a client of authd, the daemon on this machine that owns API credentials and keeps their
// tokens fresh.
//
// A program has authd send its requests, and never sees a token:
//
//	var client authd.Client
//	labelf := &http.Client{Transport: client.Transport("labelf")}
//	response, err := labelf.Get("https://api.app.labelf.ai/v2/models")
//
// or it asks for a token, for a library that sends requests itself:
//
//	token, err := client.GetToken(ctx, "labelf")
//
// The daemon's protocol, its reasons of errors and its limits are in docs/protocol.md of authd.
package authd
