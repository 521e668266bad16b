//go:build go1.25

package authd

import (
	"context"
	"errors"
	"net"
	"os"
	"strings"
	"syscall"
	"time"
)

const (
	// identification has who listens ask who we are, and not act as we: SECURITY_SQOS_PRESENT with
	// SECURITY_IDENTIFICATION.
	identification = 0x00110000
	errorPipeBusy  = syscall.Errno(231)
)

// dialOurs connects to a named pipe of this machine that is ours, the system's or an administrator's.
func dialOurs(ctx context.Context, path string) (net.Conn, error) {
	if !strings.HasPrefix(path, pipePrefix) {
		return nil, noDaemon(nil, "%s is no named pipe of this machine", path)
	}
	handle, err := openPipe(ctx, path)
	if err != nil {
		return nil, err
	}
	if err := refuseImpostor(path, handle); err != nil {
		_ = syscall.CloseHandle(handle)
		return nil, err
	}
	return pipe{os.NewFile(uintptr(handle), path)}, nil
}

// openPipe tries again while too many others wait.
func openPipe(ctx context.Context, path string) (syscall.Handle, error) {
	name, err := syscall.UTF16PtrFromString(path)
	if err != nil {
		return 0, err
	}
	const access = syscall.GENERIC_READ | syscall.GENERIC_WRITE
	const flags = syscall.FILE_FLAG_OVERLAPPED | identification
	until := time.Now().Add(connectLimit)
	for {
		handle, err := syscall.CreateFile(name, access, 0, nil, syscall.OPEN_EXISTING, flags, 0)
		if !errors.Is(err, errorPipeBusy) || time.Now().After(until) {
			return handle, err
		}
		select {
		case <-ctx.Done():
			return 0, ctx.Err()
		case <-time.After(connectPause):
		}
	}
}

// pipe is a net.Conn.
type pipe struct{ *os.File }

func (p pipe) LocalAddr() net.Addr  { return pipeAddr(p.Name()) }
func (p pipe) RemoteAddr() net.Addr { return pipeAddr(p.Name()) }

type pipeAddr string

func (pipeAddr) Network() string  { return "pipe" }
func (a pipeAddr) String() string { return string(a) }

func reasonOf(err error) error { return err }
