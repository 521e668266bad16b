package authd;

import java.io.IOException;
import java.net.StandardProtocolFamily;
import java.net.UnixDomainSocketAddress;
import java.nio.channels.SocketChannel;
import java.nio.file.Files;
import java.nio.file.LinkOption;
import java.nio.file.NoSuchFileException;
import java.nio.file.Path;
import java.nio.file.attribute.PosixFilePermission;
import java.nio.file.attribute.UserPrincipal;
import java.util.Set;
import jdk.net.ExtendedSocketOptions;

/** A connection to the daemon that is nobody else's. */
final class DaemonSocket {
    private static final String HINT = "Start authd with `authd serve`, or name its socket in AUTHD_SOCKET.";

    private DaemonSocket() {}

    /** Connects to the daemon. Throws AuthdException with the reason {@code no_daemon} if none of ours answers. */
    static SocketChannel connect(Path path) {
        if (isWindows()) throw noDaemon("The client for Java can't reach authd's named pipe on Windows.", null);
        SocketChannel channel = null;
        try {
            Path real = path.toRealPath();
            UserPrincipal owner = ownerOf(path, real);
            channel = SocketChannel.open(StandardProtocolFamily.UNIX);
            channel.connect(UnixDomainSocketAddress.of(real));
            refuseImpostor(path, channel, owner);
            return channel;
        } catch (IOException | IllegalArgumentException | AuthdException error) {
            close(channel);
            if (error instanceof AuthdException refused) throw refused;
            if (Thread.currentThread().isInterrupted()) throw AuthdException.cancelled("The thread was interrupted.");
            String why = error instanceof NoSuchFileException ? "there is no such file" : error.getMessage();
            throw noDaemon("No daemon answers on %s (%s). %s".formatted(path, why, HINT), error);
        }
    }

    /** Whoever owns the socket sees what is sent: that must be us, root, or whom root has put there. */
    private static UserPrincipal ownerOf(Path path, Path real) throws IOException {
        if (!Files.readAttributes(real, "isOther").get("isOther").equals(true))
            throw noDaemon("%s is not a socket. %s".formatted(path, HINT), null);
        int user = userOf(real);
        if (user == ownUser() || user == 0 || isOfRoot(real, user)) return Files.getOwner(real);
        String text = "The socket %s belongs to user %d, not to you (%d): nothing was sent. %s";
        throw noDaemon(text.formatted(path, user, ownUser(), HINT), null);
    }

    /** Between the look at a path and its use another socket may be put there: who listens is looked at, too. */
    private static void refuseImpostor(Path path, SocketChannel channel, UserPrincipal owner) throws IOException {
        if (!channel.supportedOptions().contains(ExtendedSocketOptions.SO_PEERCRED)) return;
        UserPrincipal peer = channel.getOption(ExtendedSocketOptions.SO_PEERCRED).user();
        if (peer.equals(owner) || peer.equals(Files.getOwner(Path.of("/")))) return;
        String text = "%s on %s is another user's program: nothing was sent. %s";
        throw noDaemon(text.formatted("What listens", path, HINT), null);
    }

    /** True if only root can have made this place: all folders are root's, the last may be the owner's. */
    private static boolean isOfRoot(Path path, int owner) throws IOException {
        for (Path here = path.getParent(); here != null; here = here.getParent()) {
            int user = userOf(here);
            if (user != 0 && !(here.equals(path.getParent()) && user == owner)) return false;
            Set<PosixFilePermission> modes = Files.getPosixFilePermissions(here, LinkOption.NOFOLLOW_LINKS);
            if (modes.contains(PosixFilePermission.GROUP_WRITE)) return false;
            if (modes.contains(PosixFilePermission.OTHERS_WRITE)) return false;
        }
        return true;
    }

    private static int userOf(Path path) throws IOException {
        return (Integer) Files.getAttribute(path, "unix:uid", LinkOption.NOFOLLOW_LINKS);
    }

    /** Java tells nobody's number: a file of the process's own does. */
    static int ownUser() {
        try {
            Path process = Path.of("/proc/self");
            if (Files.exists(process)) return (Integer) Files.getAttribute(process, "unix:uid");
            Path file = Files.createTempFile("authd", null);
            try {
                return userOf(file);
            } finally {
                Files.delete(file);
            }
        } catch (IOException error) {
            throw noDaemon("It is not known whose process this is: " + error.getMessage(), error);
        }
    }

    private static boolean isWindows() {
        return System.getProperty("os.name").startsWith("Windows");
    }

    private static void close(SocketChannel channel) {
        try {
            if (channel != null) channel.close();
        } catch (IOException error) {
            // It was no use anyway.
        }
    }

    private static AuthdException noDaemon(String message, Throwable cause) {
        return new AuthdException("no_daemon", message, cause);
    }
}
