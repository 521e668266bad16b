package grpccreds_test

import (
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"math/big"
	"net"
	"os"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	authd "authd/client"
	"authd/client/grpccreds"

	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/credentials"
	"google.golang.org/grpc/credentials/insecure"
	"google.golang.org/grpc/health"
	"google.golang.org/grpc/health/grpc_health_v1"
	"google.golang.org/grpc/metadata"
	"google.golang.org/grpc/status"
)

// These tests are of a real daemon and a real server of gRPC: test/clients/go.ts runs them. AUTHD_SOCKET is that
// of authd sandbox.

func newClient(t *testing.T) *authd.Client {
	t.Helper()
	if os.Getenv("LABELF_URL") == "" {
		t.Skip("LABELF_URL is not set")
	}
	client := &authd.Client{}
	t.Cleanup(func() { _ = client.Close() })
	return client
}

// server is one of gRPC that keeps the headers of each call.
type server struct {
	address string
	trust   credentials.TransportCredentials
	seen    chan metadata.MD
	// refuse tells which calls are Unauthenticated; nil: none.
	refuse func(metadata.MD) bool
}

func startServer(t *testing.T, isSecure bool) *server {
	t.Helper()
	s := &server{seen: make(chan metadata.MD, 10), trust: insecure.NewCredentials()}
	var options []grpc.ServerOption
	if isSecure {
		certificate := newCertificate(t)
		roots := x509.NewCertPool()
		roots.AddCert(certificate.Leaf)
		s.trust = credentials.NewTLS(&tls.Config{RootCAs: roots})
		options = append(options, grpc.Creds(credentials.NewServerTLSFromCert(&certificate)))
	}
	keep := func(ctx context.Context) metadata.MD {
		headers, _ := metadata.FromIncomingContext(ctx)
		s.seen <- headers
		return headers
	}
	options = append(options,
		grpc.UnaryInterceptor(func(
			ctx context.Context, request any, _ *grpc.UnaryServerInfo, handle grpc.UnaryHandler,
		) (any, error) {
			if headers := keep(ctx); s.refuse != nil && s.refuse(headers) {
				return nil, status.Error(codes.Unauthenticated, "who are you?")
			}
			return handle(ctx, request)
		}),
		grpc.StreamInterceptor(func(
			service any, stream grpc.ServerStream, _ *grpc.StreamServerInfo, handle grpc.StreamHandler,
		) error {
			keep(stream.Context())
			return handle(service, stream)
		}),
	)
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	s.address = listener.Addr().String()
	served := grpc.NewServer(options...)
	grpc_health_v1.RegisterHealthServer(served, health.NewServer())
	go func() { _ = served.Serve(listener) }()
	t.Cleanup(served.Stop)
	return s
}

func newCertificate(t *testing.T) tls.Certificate {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{
		SerialNumber: big.NewInt(1),
		NotBefore:    time.Now().Add(-time.Hour),
		NotAfter:     time.Now().Add(time.Hour),
		IPAddresses:  []net.IP{net.IPv4(127, 0, 0, 1)},
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, &key.PublicKey, key)
	if err != nil {
		t.Fatal(err)
	}
	leaf, err := x509.ParseCertificate(der)
	if err != nil {
		t.Fatal(err)
	}
	return tls.Certificate{Certificate: [][]byte{der}, PrivateKey: key, Leaf: leaf}
}

// connect makes a client of the server whose calls have these credentials.
func (s *server) connect(
	t *testing.T, perCall credentials.PerRPCCredentials, options ...grpc.DialOption,
) (grpc_health_v1.HealthClient, error) {
	t.Helper()
	options = append(options, grpc.WithTransportCredentials(s.trust), grpc.WithPerRPCCredentials(perCall))
	connection, err := grpc.NewClient(s.address, options...)
	if err != nil {
		return nil, err
	}
	t.Cleanup(func() { _ = connection.Close() })
	return grpc_health_v1.NewHealthClient(connection), nil
}

func newContext(t *testing.T) context.Context {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	t.Cleanup(cancel)
	return ctx
}

func TestEveryCallCarriesAToken(t *testing.T) {
	client, s, ctx := newClient(t), startServer(t, true), newContext(t)
	checked, err := s.connect(t, grpccreds.New(client, "labelf"))
	if err != nil {
		t.Fatal(err)
	}
	isCurrent := func() {
		t.Helper()
		token, err := client.GetToken(ctx, "labelf")
		if err != nil {
			t.Fatal(err)
		}
		if got := (<-s.seen).Get("authorization"); len(got) != 1 || got[0] != "Bearer "+token.AccessToken() {
			t.Errorf("%d headers, or another token", len(got))
		}
	}
	if _, err := checked.Check(ctx, &grpc_health_v1.HealthCheckRequest{}); err != nil {
		t.Fatal(err)
	}
	isCurrent()
	// The next call has the next token.
	token, err := client.GetToken(ctx, "labelf")
	if err != nil {
		t.Fatal(err)
	}
	if _, err := client.GetToken(ctx, "labelf", authd.WithRejectedToken(token.AccessToken())); err != nil {
		t.Fatal(err)
	}
	watched, err := checked.Watch(ctx, &grpc_health_v1.HealthCheckRequest{})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := watched.Recv(); err != nil {
		t.Fatal(err)
	}
	isCurrent()
}

func TestEveryHeaderOfAToken(t *testing.T) {
	client, s, ctx := newClient(t), startServer(t, true), newContext(t)
	checked, err := s.connect(t, grpccreds.New(client, "realtyna"))
	if err != nil {
		t.Fatal(err)
	}
	if _, err := checked.Check(ctx, &grpc_health_v1.HealthCheckRequest{}); err != nil {
		t.Fatal(err)
	}
	if headers := <-s.seen; len(headers.Get("x-api-key")) != 1 || len(headers.Get("authorization")) != 1 {
		t.Errorf("%d headers", headers.Len())
	}
}

func TestNoTokenGoesOverAPlainConnection(t *testing.T) {
	client, s, ctx := newClient(t), startServer(t, false), newContext(t)
	if _, err := s.connect(t, grpccreds.New(client, "labelf")); err == nil {
		t.Error("credentials that need transport security were taken without it")
	}
	checked, err := s.connect(t, grpccreds.New(client, "labelf", grpccreds.WithoutTransportSecurity()))
	if err != nil {
		t.Fatal(err)
	}
	if _, err := checked.Check(ctx, &grpc_health_v1.HealthCheckRequest{}); err != nil {
		t.Fatal(err)
	}
	if headers := <-s.seen; len(headers.Get("authorization")) != 1 {
		t.Error("no token came where that was allowed")
	}
	// Outside of a call nobody knows the connection.
	_, err = grpccreds.New(client, "labelf").GetRequestMetadata(ctx)
	if status.Code(err) != codes.Unauthenticated || !strings.Contains(err.Error(), "no token was sent") {
		t.Errorf("%v", err)
	}
}

func TestWhyACallHasNoToken(t *testing.T) {
	newClient(t)
	s, ctx := startServer(t, true), newContext(t)
	cancelled, cancel := context.WithCancel(ctx)
	cancel()
	for _, given := range []struct {
		client     *authd.Client
		credential string
		ctx        context.Context
		code       codes.Code
	}{
		{&authd.Client{}, "lablef", ctx, codes.Unauthenticated},
		{&authd.Client{Socket: "/nowhere/authd.sock"}, "labelf", ctx, codes.Unavailable},
		{&authd.Client{}, "labelf", cancelled, codes.Canceled},
	} {
		checked, err := s.connect(t, grpccreds.New(given.client, given.credential))
		if err != nil {
			t.Fatal(err)
		}
		_, err = checked.Check(given.ctx, &grpc_health_v1.HealthCheckRequest{})
		if status.Code(err) != given.code {
			t.Errorf("%v", err)
		}
		_ = given.client.Close()
	}
}

func TestOptionsOfTheToken(t *testing.T) {
	client, s, ctx := newClient(t), startServer(t, true), newContext(t)
	scope := grpccreds.WithToken(authd.WithScope("read"))
	checked, err := s.connect(t, grpccreds.New(client, "labelf", scope))
	if err != nil {
		t.Fatal(err)
	}
	// The practice issuer gives no scopes.
	_, err = checked.Check(ctx, &grpc_health_v1.HealthCheckRequest{})
	if status.Code(err) != codes.Unauthenticated || !strings.Contains(err.Error(), `the scope "read"`) {
		t.Errorf("%v", err)
	}
}

func TestACallThatIsRefusedIsMadeOnceMoreWithAnotherToken(t *testing.T) {
	client, s, ctx := newClient(t), startServer(t, true), newContext(t)
	token, err := client.GetToken(ctx, "zebbra")
	if err != nil {
		t.Fatal(err)
	}
	var isClosed atomic.Bool
	s.refuse = func(headers metadata.MD) bool {
		isRevoked := headers.Get("authorization")[0] == "Bearer "+token.AccessToken()
		return isRevoked || isClosed.Load()
	}
	creds := grpccreds.New(client, "zebbra")
	checked, err := s.connect(t, creds, grpc.WithUnaryInterceptor(creds.RetryUnary))
	if err != nil {
		t.Fatal(err)
	}
	if _, err := checked.Check(ctx, &grpc_health_v1.HealthCheckRequest{}); err != nil {
		t.Error(err)
	}
	if len(s.seen) != 2 {
		t.Errorf("%d calls", len(s.seen))
	}
	isClosed.Store(true)
	_, err = checked.Check(ctx, &grpc_health_v1.HealthCheckRequest{})
	if status.Code(err) != codes.Unauthenticated || !strings.Contains(err.Error(), "who are you?") {
		t.Errorf("%v", err)
	}
	before := len(s.seen)
	// A call that had no token is not made again.
	nobody := grpccreds.New(client, "lablef")
	checked, err = s.connect(t, nobody, grpc.WithUnaryInterceptor(nobody.RetryUnary))
	if err != nil {
		t.Fatal(err)
	}
	_, err = checked.Check(ctx, &grpc_health_v1.HealthCheckRequest{})
	if status.Code(err) != codes.Unauthenticated || len(s.seen) != before {
		t.Errorf("%d calls: %v", len(s.seen), err)
	}
}
