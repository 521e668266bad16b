//go:build unix

package authd

import (
	"context"
	"errors"
	"io/fs"
	"net"
	"os"
	"path/filepath"
	"syscall"
	"time"
)

// dialPath connects to the socket at this path, whoever owns it.
func dialPath(ctx context.Context, path string) (net.Conn, error) {
	var dialer net.Dialer
	until := time.Now().Add(connectLimit)
	for {
		socket, err := dialer.DialContext(ctx, "unix", path)
		if err == nil || !errors.Is(err, syscall.EAGAIN) || time.Now().After(until) {
			return socket, err
		}
		select {
		case <-ctx.Done():
		case <-time.After(connectPause):
		}
	}
}

// dialReal connects to what stands at path. Between the look at it and its use another socket may be put
// there.
func dialReal(ctx context.Context, path string) (net.Conn, error) {
	real, err := filepath.EvalSymlinks(path)
	if err != nil {
		return nil, err
	}
	found, err := os.Stat(real)
	if err != nil {
		return nil, err
	}
	if err := refuseImpostor(path, real, found); err != nil {
		return nil, err
	}
	return dialPath(ctx, real)
}

// refuseImpostor returns an error unless the socket is this user's, root's, or one that root has put there:
// whoever owns it sees what is sent.
func refuseImpostor(path, real string, found fs.FileInfo) error {
	if found.Mode()&fs.ModeSocket == 0 {
		return noDaemon(nil, "%s is not a socket", path)
	}
	owner, own := ownerOf(found), os.Geteuid()
	if owner == own || owner == 0 || isOfRoot(real, owner) {
		return nil
	}
	text := "the socket %s belongs to user %d, not to you (%d): nothing was sent"
	return noDaemon(nil, text, path, owner, own)
}

// isOfRoot tells whether only root can have made this place: all folders are root's, the last may be the
// owner's.
func isOfRoot(path string, owner int) bool {
	last := filepath.Dir(path)
	for folder := last; ; folder = filepath.Dir(folder) {
		found, err := os.Lstat(folder)
		if err != nil || found.Mode().Perm()&0o022 != 0 {
			return false
		}
		if of := ownerOf(found); of != 0 && !(folder == last && of == owner) {
			return false
		}
		if folder == filepath.Dir(folder) {
			return true
		}
	}
}

func ownerOf(found fs.FileInfo) int {
	if told, isKnown := found.Sys().(*syscall.Stat_t); isKnown {
		return int(told.Uid)
	}
	return -1
}

// reasonOf returns the system's own word for an error.
func reasonOf(err error) error {
	var number syscall.Errno
	if errors.As(err, &number) {
		return number
	}
	return err
}
