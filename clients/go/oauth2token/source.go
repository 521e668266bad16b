// Package oauth2token lets libraries that take an [oauth2.TokenSource] of golang.org/x/oauth2 have their tokens
// from authd.
package oauth2token

import (
	"context"
	"fmt"

	authd "authd/client"

	"golang.org/x/oauth2"
)

// New returns a TokenSource that asks client for a token of credential each time. ctx ends its calls; options
// say more about the token that is wanted.
//
// authd answers from memory and renews ahead of the end, so nothing needs to be kept. What keeps a token, as
// [oauth2.ReuseTokenSource] and so [oauth2.NewClient] do, asks again 10 s before its Expiry: until then it goes
// on with a token that was revoked, and for good with one that has no Expiry. An oauth2.Transport with this
// source asks for each request:
//
//	http.Client{Transport: &oauth2.Transport{Source: oauth2token.New(ctx, client, "labelf")}}
//
// A token that an API wants anywhere but in the header authorization, or with more than that, is an error, as
// an oauth2.Token can't tell it: have authd send such requests, by client.Transport.
func New(ctx context.Context, client *authd.Client, credential string, options ...authd.TokenOption) oauth2.TokenSource {
	return &source{ctx: ctx, client: client, credential: credential, options: options}
}

type source struct {
	ctx        context.Context
	client     *authd.Client
	credential string
	options    []authd.TokenOption
}

// Token returns a token that is valid, or an *authd.Error.
func (s *source) Token() (*oauth2.Token, error) {
	given, err := s.client.GetToken(s.ctx, s.credential, s.options...)
	if err != nil {
		return nil, err
	}
	token := &oauth2.Token{AccessToken: given.AccessToken(), TokenType: given.Type, Expiry: given.ExpiresAt}
	header := given.Header()
	isAll := len(header) == 1 && len(given.Query()) == 0 && len(given.Body()) == 0
	if !isAll || header.Get("Authorization") != token.Type()+" "+token.AccessToken {
		return nil, &authd.Error{
			Reason:     authd.ErrInvalidParams,
			Message:    fmt.Sprintf("%s: its API wants more than an oauth2.Token tells", s.credential),
			Credential: s.credential,
		}
	}
	extra := make(map[string]any, len(given.Extra())+1)
	for name, value := range given.Extra() {
		extra[name] = value
	}
	if given.Scope != "" {
		extra["scope"] = given.Scope
	}
	return token.WithExtra(extra), nil
}
