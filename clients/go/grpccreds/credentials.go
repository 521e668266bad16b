// Package grpccreds has the calls of a gRPC client carry a token of authd's.
package grpccreds

import (
	"context"
	"errors"
	"fmt"
	"strings"

	authd "authd/client"

	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/credentials"
	"google.golang.org/grpc/status"
)

// An Option changes how a token is obtained or sent.
type Option func(*Credentials)

// WithToken says more about the token that is wanted.
func WithToken(options ...authd.TokenOption) Option {
	return func(c *Credentials) { c.options = append(c.options, options...) }
}

// WithoutTransportSecurity sends the token over connections that are not encrypted, too, for a server on this
// machine.
func WithoutTransportSecurity() Option { return func(c *Credentials) { c.isInsecure = true } }

// Credentials have each call carry the headers of a token, which authd is asked for then. They are refused
// without transport security, unless [WithoutTransportSecurity] was given.
//
// A call without a token fails with a status that says why: Unavailable where a later try may help,
// DeadlineExceeded, Canceled, PermissionDenied where a rule or a person said no, else Unauthenticated.
type Credentials struct {
	client     *authd.Client
	credential string
	options    []authd.TokenOption
	isInsecure bool
}

var _ credentials.PerRPCCredentials = (*Credentials)(nil)

// New returns credentials for [google.golang.org/grpc.WithPerRPCCredentials], with the tokens that client has
// of credential.
func New(client *authd.Client, credential string, options ...Option) *Credentials {
	c := &Credentials{client: client, credential: credential}
	for _, option := range options {
		option(c)
	}
	return c
}

// RequireTransportSecurity tells whether the connection must be encrypted.
func (c *Credentials) RequireTransportSecurity() bool { return !c.isInsecure }

// GetRequestMetadata returns the headers for a call.
func (c *Credentials) GetRequestMetadata(ctx context.Context, _ ...string) (map[string]string, error) {
	if !c.isInsecure {
		info, _ := credentials.RequestInfoFromContext(ctx)
		if err := credentials.CheckSecurityLevel(info.AuthInfo, credentials.PrivacyAndIntegrity); err != nil {
			return nil, status.Error(codes.Unauthenticated, fmt.Sprintf("%s: no token was sent: %v", c.credential, err))
		}
	}
	options := c.options
	sent, isWatched := ctx.Value(sentKey{}).(*sentToken)
	if isWatched {
		options = append(options[:len(options):len(options)], authd.WithRejectedToken(sent.refused))
	}
	token, err := c.client.GetToken(ctx, c.credential, options...)
	if err != nil {
		return nil, status.Error(codeOf(err), err.Error())
	}
	if len(token.Query()) > 0 || len(token.Body()) > 0 {
		text := c.credential + ": its token goes into the query or the body, which gRPC has no place for"
		return nil, status.Error(codes.Unauthenticated, text)
	}
	if isWatched {
		sent.set(token.AccessToken())
	}
	header := token.Header()
	metadata := make(map[string]string, len(header))
	for name := range header {
		metadata[strings.ToLower(name)] = header.Get(name)
	}
	return metadata, nil
}

func codeOf(err error) codes.Code {
	for code, reasons := range map[codes.Code][]authd.Reason{
		codes.Unavailable: {
			authd.ErrIssuerUnavailable, authd.ErrNoDaemon, authd.ErrShuttingDown, authd.ErrTooBusy,
			authd.ErrRequestFailed,
		},
		codes.DeadlineExceeded: {authd.ErrTimeout},
		codes.Canceled:         {authd.ErrCancelled},
		codes.PermissionDenied: {authd.ErrCallerNotAllowed, authd.ErrTokenNotExposed},
	} {
		for _, reason := range reasons {
			if errors.Is(err, reason) {
				return code
			}
		}
	}
	return codes.Unauthenticated
}
