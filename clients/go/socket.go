package authd

import (
	"context"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"time"
)

const hint = "Start authd with `authd serve`, or name its socket in AUTHD_SOCKET."

const (
	// connectLimit and connectPause: while too many others wait to be accepted it is tried again.
	connectLimit = 10 * time.Second
	connectPause = 20 * time.Millisecond
)

// dial connects to the daemon. The error is ErrNoDaemon if nobody of ours answers.
func dial(ctx context.Context, path string) (net.Conn, error) {
	if path == "" {
		path = defaultSocket()
	}
	socket, err := dialOurs(ctx, path)
	if err == nil {
		return socket, nil
	}
	if ctx.Err() != nil {
		return nil, contextError(ctx, "the connection to authd")
	}
	if known, isKnown := err.(*Error); isKnown {
		return nil, known
	}
	return nil, noDaemon(err, "no daemon answers on %s (%v)", path, reasonOf(err))
}

func noDaemon(cause error, format string, values ...any) *Error {
	return &Error{Reason: ErrNoDaemon, Message: fmt.Sprintf(format, values...) + ". " + hint, cause: cause}
}

// defaultSocket returns where the daemon listens if nobody says so. A service's socket counts without
// XDG_RUNTIME_DIR, too: of two the newer one, as a daemon that was killed leaves its own behind.
func defaultSocket() string {
	told := os.Getenv("AUTHD_SOCKET")
	if runtime.GOOS == "windows" {
		return pipeName(told)
	}
	if told != "" {
		return told
	}
	if folder := os.Getenv("XDG_RUNTIME_DIR"); filepath.IsAbs(folder) {
		return filepath.Join(folder, "authd", "authd.sock")
	}
	own := filepath.Join(stateFolder(), "authd.sock")
	service := fmt.Sprintf("/run/user/%d/authd/authd.sock", os.Geteuid())
	if boundAt(service).After(boundAt(own)) {
		return service
	}
	return own
}

const pipePrefix = `\\.\pipe\`

// pipeName makes a name that is no pipe's one, as the daemon does; without any it is the user's own pipe.
func pipeName(told string) string {
	if strings.HasPrefix(told, pipePrefix) {
		return told
	}
	if told == "" {
		told = "authd-" + os.Getenv("USERNAME")
	}
	return pipePrefix + strings.NewReplacer("/", "-", `\`, "-", ":", "-").Replace(told)
}

func stateFolder() string {
	if told := os.Getenv("AUTHD_STATE_DIR"); told != "" {
		return told
	}
	home, _ := os.UserHomeDir()
	if runtime.GOOS == "darwin" {
		return filepath.Join(home, "Library", "Application Support", "authd")
	}
	if state := os.Getenv("XDG_STATE_HOME"); filepath.IsAbs(state) {
		return filepath.Join(state, "authd")
	}
	return filepath.Join(home, ".local", "state", "authd")
}

func boundAt(path string) time.Time {
	found, err := os.Stat(path)
	if err != nil {
		return time.Time{}
	}
	return found.ModTime()
}
