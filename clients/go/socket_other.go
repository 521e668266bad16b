//go:build unix && !linux

package authd

import (
	"context"
	"net"
)

func dialOurs(ctx context.Context, path string) (net.Conn, error) { return dialReal(ctx, path) }
