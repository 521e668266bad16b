package authd;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;

/** Where the daemon listens. */
final class SocketPath {
    private SocketPath() {}

    /** Returns where a client looks for the daemon. A service's socket counts without XDG_RUNTIME_DIR. */
    static Path ofDaemon() {
        String told = variable("AUTHD_SOCKET");
        if (!told.isEmpty()) return Path.of(told);
        String runtime = variable("XDG_RUNTIME_DIR");
        if (runtime.startsWith("/")) return Path.of(runtime, "authd", "authd.sock");
        Path own = stateFolder().resolve("authd.sock");
        Path service = Path.of("/run/user", String.valueOf(DaemonSocket.ownUser()), "authd", "authd.sock");
        return boundAt(service) > boundAt(own) ? service : own;
    }

    private static Path stateFolder() {
        String told = variable("AUTHD_STATE_DIR");
        if (!told.isEmpty()) return Path.of(told);
        Path home = Path.of(variable("HOME").isEmpty() ? System.getProperty("user.home") : variable("HOME"));
        if (System.getProperty("os.name").startsWith("Mac"))
            return home.resolve("Library").resolve("Application Support").resolve("authd");
        String state = variable("XDG_STATE_HOME");
        return (state.startsWith("/") ? Path.of(state) : home.resolve(".local").resolve("state")).resolve("authd");
    }

    /** Of two sockets the newer one counts: a daemon that was killed leaves its own behind. */
    private static long boundAt(Path path) {
        try {
            return Files.getLastModifiedTime(path).toMillis();
        } catch (IOException error) {
            return 0;
        }
    }

    private static String variable(String name) {
        String value = System.getenv(name);
        return value == null ? "" : value;
    }
}
