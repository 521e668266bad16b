package authd;

import java.io.IOException;
import java.nio.ByteBuffer;
import java.nio.channels.CancelledKeyException;
import java.nio.channels.SelectionKey;
import java.nio.channels.SocketChannel;
import java.util.ArrayDeque;
import java.util.Deque;
import java.util.List;
import java.util.Map;
import java.util.concurrent.ConcurrentHashMap;
import java.util.concurrent.atomic.AtomicLong;
import java.util.concurrent.locks.ReentrantLock;

/** One connection to the daemon. Any thread may use it; none waits. */
final class Connection {
    /** What came for a request: its result, or why there is none. It is called in the loop's thread, and is short. */
    interface Answer {
        void come(Object result, Exception error);
    }

    /** Whom a connection tells of the rest, in the loop's thread. */
    interface Listener {
        /** {@code size} is the length of the message in bytes. */
        void notified(String name, Map<String, Object> params, int size);

        void ended(Connection connection, Exception why);
    }

    private final SocketChannel channel;
    private final Loop loop;
    private final Listener listener;
    private final SelectionKey key;
    private final Lines lines = new Lines();
    private final Map<Object, Answer> pending = new ConcurrentHashMap<>();
    private final AtomicLong lastId = new AtomicLong();
    private final ReentrantLock sending = new ReentrantLock();
    private final Deque<ByteBuffer> unsent = new ArrayDeque<>();
    private final ReentrantLock closing = new ReentrantLock();
    private volatile Exception end;

    Connection(SocketChannel channel, Loop loop, Listener listener) throws IOException {
        this.channel = channel;
        this.loop = loop;
        this.listener = listener;
        this.key = loop.register(channel, this::ready);
    }

    boolean isClosed() {
        return end != null;
    }

    /** Sends a request, and returns its id. Throws AuthdException at params that can't be sent. */
    long send(String method, Map<String, ?> params, Answer answer) {
        long id = lastId.incrementAndGet();
        ByteBuffer message = Wire.request(id, method, params);
        pending.put(id, answer);
        write(message);
        if (end != null && pending.remove(id) != null) answer.come(null, end);
        return id;
    }

    /** Takes a request back, unless it is answered already. Its answer is not told any more. */
    void cancel(long id) {
        if (pending.remove(id) != null) write(Wire.cancel(id));
    }

    /** Takes no further message until {@link #resume()}: the daemon waits then. */
    void pause() {
        want(SelectionKey.OP_READ, false);
    }

    /** Reads what comes: at first, or again. */
    void resume() {
        want(SelectionKey.OP_READ, true);
    }

    /** Ends the connection: what is in flight gets this error. */
    void close(Exception why) {
        closing.lock();
        try {
            if (end != null) return;
            end = why;
        } finally {
            closing.unlock();
        }
        try {
            channel.close();
        } catch (IOException error) {
            // It is over.
        }
        loop.wakeup();
        for (Object id : List.copyOf(pending.keySet())) {
            Answer answer = pending.remove(id);
            if (answer != null) answer.come(null, why);
        }
        listener.ended(this, why);
    }

    private void write(ByteBuffer message) {
        sending.lock();
        try {
            if (unsent.isEmpty()) channel.write(message);
            if (!message.hasRemaining()) return;
            unsent.add(message);
            want(SelectionKey.OP_WRITE, true);
        } catch (IOException error) {
            close(new ConnectionLostException(error));
        } finally {
            sending.unlock();
        }
    }

    private void want(int operation, boolean isWanted) {
        try {
            int before = isWanted ? key.interestOpsOr(operation) : key.interestOpsAnd(~operation);
            if (isWanted && (before & operation) == 0) loop.wakeup();
        } catch (CancelledKeyException error) {
            // The connection is closed.
        }
    }

    /** Whatever a message does, the thread is that of the other connections, too. */
    private void ready() {
        try {
            if (key.isWritable()) flush();
            if (key.isReadable() && !lines.read(channel, this::receive)) close(new ConnectionLostException(null));
        } catch (IOException | RuntimeException | StackOverflowError | OutOfMemoryError error) {
            close(new ConnectionLostException(error));
        }
    }

    private void flush() throws IOException {
        sending.lock();
        try {
            while (!unsent.isEmpty()) {
                channel.write(unsent.peek());
                if (unsent.peek().hasRemaining()) return;
                unsent.remove();
            }
            want(SelectionKey.OP_WRITE, false);
        } finally {
            sending.unlock();
        }
    }

    private void receive(Map<String, Object> message, int size) {
        Object params = message.get("params");
        if (message.get("method") instanceof String name) {
            listener.notified(name, params instanceof Map<?, ?> given ? Json.object(given) : Map.of(), size);
            return;
        }
        Object id = message.get("id");
        AuthdException error = message.get("error") instanceof Map<?, ?> given ? AuthdException.of(given) : null;
        // An error without an id is about the connection as a whole, which the daemon closes after it.
        if (id == null && error != null) close(error);
        Answer answer = id == null ? null : pending.remove(id);
        if (answer != null) answer.come(message.get("result"), error);
    }
}
