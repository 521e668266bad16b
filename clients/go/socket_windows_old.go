//go:build windows && !go1.25

package authd

import (
	"context"
	"net"
)

func dialOurs(_ context.Context, path string) (net.Conn, error) {
	return nil, noDaemon(nil, "a program made with Go before 1.25 can't reach a named pipe, such as %s", path)
}

func reasonOf(err error) error { return err }
