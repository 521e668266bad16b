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
type Option func(*perCall)

// WithToken says more about the token that is wanted.
func WithToken(options ...authd.TokenOption) Option {
	return func(p *perCall) { p.options = append(p.options, options...) }
}

// WithoutTransportSecurity sends the token over connections that are not encrypted, too, for a server on this
// machine.
func WithoutTransportSecurity() Option { return func(p *perCall) { p.isInsecure = true } }

// New returns credentials for [google.golang.org/grpc.WithPerRPCCredentials]: each call carries the headers of
// a token of credential, which client is asked for then. They are refused without transport security, unless
// [WithoutTransportSecurity] is given.
//
// A call without a token fails with a status that says why: Unavailable where a later try may help,
// DeadlineExceeded, Canceled, PermissionDenied where a rule or a person said no, else Unauthenticated.
func New(client *authd.Client, credential string, options ...Option) credentials.PerRPCCredentials {
	p := &perCall{client: client, credential: credential}
	for _, option := range options {
		option(p)
	}
	return p
}

type perCall struct {
	client     *authd.Client
	credential string
	options    []authd.TokenOption
	isInsecure bool
}

// RequireTransportSecurity tells whether the connection must be encrypted.
func (p *perCall) RequireTransportSecurity() bool { return !p.isInsecure }

// GetRequestMetadata returns the headers for a call.
func (p *perCall) GetRequestMetadata(ctx context.Context, _ ...string) (map[string]string, error) {
	if !p.isInsecure {
		info, _ := credentials.RequestInfoFromContext(ctx)
		if err := credentials.CheckSecurityLevel(info.AuthInfo, credentials.PrivacyAndIntegrity); err != nil {
			return nil, status.Error(codes.Unauthenticated, fmt.Sprintf("%s: no token was sent: %v", p.credential, err))
		}
	}
	token, err := p.client.GetToken(ctx, p.credential, p.options...)
	if err != nil {
		return nil, status.Error(codeOf(err), err.Error())
	}
	if len(token.Query) > 0 || len(token.Body) > 0 {
		text := p.credential + ": its token goes into the query or the body, which gRPC has no place for"
		return nil, status.Error(codes.Unauthenticated, text)
	}
	metadata := make(map[string]string, len(token.Header))
	for name := range token.Header {
		metadata[strings.ToLower(name)] = token.Header.Get(name)
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
