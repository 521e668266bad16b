//go:build unix

package authd

import (
	"context"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
)

// foundFile is a file that somebody else owns.
type foundFile struct {
	fs.FileInfo
	mode  fs.FileMode
	owner uint32
}

func (f foundFile) Mode() fs.FileMode { return f.mode }
func (f foundFile) Sys() any          { return &syscall.Stat_t{Uid: f.owner} }

func TestASocketOfSomebodyElseIsNotUsed(t *testing.T) {
	own, stranger := uint32(os.Geteuid()), uint32(os.Geteuid()+4711)
	path := filepath.Join(t.TempDir(), "s")
	for _, given := range []struct {
		mode  fs.FileMode
		owner uint32
		says  string
	}{
		{fs.ModeSocket, own, ""},
		{fs.ModeSocket, 0, ""},
		{fs.ModeSocket, stranger, "nothing was sent"},
		{0, own, "is not a socket"},
	} {
		err := refuseImpostor(path, path, foundFile{mode: given.mode, owner: given.owner})
		if (err == nil) != (given.says == "") || err != nil && !strings.Contains(err.Error(), given.says) {
			t.Errorf("%v of %d: %v", given.mode, given.owner, err)
		}
		if err != nil && !errors.Is(err, ErrNoDaemon) {
			t.Errorf("%v", err)
		}
	}
}

func TestAPlaceThatOthersCanWriteToIsNotOfRoot(t *testing.T) {
	folder := t.TempDir()
	if err := os.Chmod(folder, 0o777); err != nil {
		t.Fatal(err)
	}
	if isOfRoot(filepath.Join(folder, "s"), os.Geteuid()) {
		t.Error("it is")
	}
	if !isOfRoot("/s", 4711) {
		t.Error("the root folder is not")
	}
}

func TestAFileIsNoDaemon(t *testing.T) {
	path := filepath.Join(t.TempDir(), "file")
	if err := os.WriteFile(path, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	for name, connect := range map[string]func() error{
		"dialOurs": func() error { _, err := dialOurs(context.Background(), path); return err },
		"dialReal": func() error { _, err := dialReal(context.Background(), path); return err },
	} {
		if err := connect(); !errors.Is(err, ErrNoDaemon) {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func TestASocketIsReachedBySymbolicLinksAndLongPaths(t *testing.T) {
	daemon := startFake(t)
	link := filepath.Join(t.TempDir(), "link")
	if err := os.Symlink(daemon.path, link); err != nil {
		t.Fatal(err)
	}
	for name, connect := range map[string]func() error{
		"dialOurs": func() error { _, err := dialOurs(context.Background(), link); return err },
		"dialReal": func() error { _, err := dialReal(context.Background(), link); return err },
	} {
		if err := connect(); err != nil {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func TestWhereTheSocketIs(t *testing.T) {
	t.Setenv("AUTHD_SOCKET", "/a/b")
	if path := defaultSocket(); path != "/a/b" {
		t.Error(path)
	}
	t.Setenv("AUTHD_SOCKET", "")
	t.Setenv("XDG_RUNTIME_DIR", "/run/x")
	if path := defaultSocket(); path != "/run/x/authd/authd.sock" {
		t.Error(path)
	}
	t.Setenv("XDG_RUNTIME_DIR", "")
	t.Setenv("AUTHD_STATE_DIR", t.TempDir())
	own := filepath.Join(os.Getenv("AUTHD_STATE_DIR"), "authd.sock")
	if err := os.WriteFile(own, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	if path := defaultSocket(); path != own {
		t.Error(path)
	}
}
