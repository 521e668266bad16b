package grpccreds

import (
	"context"
	"sync"

	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
)

// sentToken is what a call has carried, and what a server has refused of it before.
type sentToken struct {
	refused string

	mu   sync.Mutex
	last string
}

type sentKey struct{}

func (s *sentToken) set(accessToken string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.last = accessToken
}

func (s *sentToken) get() string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.last
}

// RetryUnary is a [grpc.UnaryClientInterceptor], for [grpc.WithUnaryInterceptor]: a call that the server refuses
// as Unauthenticated is made once more with another token, as the one that it carried may have been revoked.
// authd renews it, unless that has been done already. If there is no other, the refusal stands.
func (c *Credentials) RetryUnary(
	ctx context.Context, method string, request, reply any, connection *grpc.ClientConn,
	invoke grpc.UnaryInvoker, options ...grpc.CallOption,
) error {
	call := func(sent *sentToken) error {
		return invoke(context.WithValue(ctx, sentKey{}, sent), method, request, reply, connection, options...)
	}
	var first sentToken
	refusal := call(&first)
	if status.Code(refusal) != codes.Unauthenticated || first.get() == "" {
		return refusal
	}
	second := sentToken{refused: first.get()}
	if err := call(&second); second.get() != "" {
		return err
	}
	return refusal
}
