package authd;

import java.io.IOException;
import java.nio.channels.SocketChannel;
import java.nio.file.Path;
import java.time.Duration;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.concurrent.ConcurrentHashMap;
import java.util.concurrent.CopyOnWriteArrayList;
import java.util.concurrent.Executor;
import java.util.concurrent.locks.ReentrantLock;

/** What the calls of a client share: a connection, which is opened again when it is lost, and what is watched. */
final class Session implements Connection.Listener {
    /** Between tries to get a lost subscription back. */
    private static final Duration RECONNECT_PAUSE = Duration.ofSeconds(1);

    private static final Duration LONGEST_GRACE = Duration.ofDays(365);

    /** How much longer than its time-out a call waits. */
    final Duration grace;
    /** While the source of a body pauses so long, authd is told that the body goes on. */
    Duration keepAlive = Duration.ofSeconds(1);
    final Executor workers = Threads.workers();
    private final Path path;
    private final Executor inOrder = new Threads.Serial(workers);
    private final ReentrantLock lock = new ReentrantLock();
    private final Set<Connection> others = ConcurrentHashMap.newKeySet();
    private final List<Subscription> watched = new CopyOnWriteArrayList<>();
    private final CopyOnWriteArrayList<NotificationListener> listeners = new CopyOnWriteArrayList<>();
    private Loop loop;
    private Connection connection;
    private volatile boolean isClosed;

    Session(Path path, Duration grace) {
        this.path = path;
        this.grace = grace.compareTo(LONGEST_GRACE) < 0 ? grace : LONGEST_GRACE;
    }

    /** Returns the connection that calls share. Throws AuthdException if there is no daemon. */
    Connection connected() {
        lock.lock();
        try {
            if (connection != null && !connection.isClosed() && !isClosed) return connection;
            connection = connect(this);
            connection.resume();
            for (Subscription one : watched) connection.send("subscribe", one.params(), (result, error) -> {});
            return connection;
        } finally {
            lock.unlock();
        }
    }

    /** Returns a connection for one request alone, whose listener has it {@link Connection#resume read}, and {@link #forget forgets} it. */
    Connection open(Connection.Listener listener) {
        lock.lock();
        try {
            Connection own = connect(listener);
            others.add(own);
            return own;
        } finally {
            lock.unlock();
        }
    }

    void forget(Connection own) {
        others.remove(own);
    }

    /** Notes what was subscribed to over a connection. If that was lost since, the next one did not know of it. */
    void watch(Subscription subscription, Connection used) {
        lock.lock();
        try {
            if (!watched.contains(subscription)) watched.add(subscription);
            if (connection.isClosed()) reconnectLater();
            else if (connection != used) connection.send("subscribe", subscription.params(), (result, error) -> {});
        } finally {
            lock.unlock();
        }
    }

    /** Ends the subscriptions to a credential, or all if it is null. */
    void unwatch(String credential) {
        lock.lock();
        try {
            watched.removeIf(one -> credential == null || credential.equals(one.credential()));
        } finally {
            lock.unlock();
        }
        if (credential == null) listeners.clear();
    }

    /** Returns whether it is a new one. */
    boolean add(NotificationListener listener) {
        return listeners.addIfAbsent(listener);
    }

    void remove(NotificationListener listener) {
        listeners.remove(listener);
    }

    void close() {
        List<Connection> open;
        lock.lock();
        try {
            isClosed = true;
            open = new ArrayList<>(others);
            if (connection != null) open.add(connection);
        } finally {
            lock.unlock();
        }
        for (Connection one : open) one.close(closed());
        if (loop != null) loop.close();
    }

    @Override
    public void notified(String name, Map<String, Object> params, int size) {
        inOrder.execute(() -> {
            for (NotificationListener listener : listeners) Threads.guarded(() -> listener.notified(name, params));
        });
    }

    /** A program that waits for notifications makes no calls that would open the connection again. */
    @Override
    public void ended(Connection ended, Exception why) {
        reconnectLater();
    }

    private void reconnectLater() {
        if (isWatching()) Threads.after(RECONNECT_PAUSE, () -> workers.execute(this::reconnect));
    }

    private void reconnect() {
        try {
            if (isWatching()) connected();
        } catch (AuthdException error) {
            reconnectLater();
        }
    }

    private boolean isWatching() {
        return !isClosed && !watched.isEmpty();
    }

    private Connection connect(Connection.Listener listener) {
        if (isClosed) throw closed();
        SocketChannel channel = DaemonSocket.connect(path == null ? SocketPath.ofDaemon() : path);
        if (loop == null) loop = new Loop();
        try {
            return new Connection(channel, loop, listener);
        } catch (IOException error) {
            throw new AuthdException("no_daemon", "The connection to authd broke: " + error.getMessage(), error);
        }
    }

    private static AuthdException closed() {
        return AuthdException.cancelled("This client has been closed.");
    }
}
