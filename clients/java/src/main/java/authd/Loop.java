package authd;

import java.io.IOException;
import java.io.UncheckedIOException;
import java.nio.channels.SelectionKey;
import java.nio.channels.Selector;
import java.nio.channels.SocketChannel;

/** One thread that reads and writes all connections of a client, and never waits for one of them. */
final class Loop {
    private final Selector selector;
    private volatile boolean isClosed;

    Loop() {
        try {
            selector = Selector.open();
        } catch (IOException error) {
            throw new UncheckedIOException(error);
        }
        Threads.start("authd", this::run);
    }

    /** Calls {@code onReady}, in this thread, whenever the channel is ready for what the key is interested in. */
    SelectionKey register(SocketChannel channel, Runnable onReady) throws IOException {
        channel.configureBlocking(false);
        return channel.register(selector, 0, onReady);
    }

    /** Has the thread look at keys that were changed or closed. */
    void wakeup() {
        selector.wakeup();
    }

    /** Ends the thread. Connections are closed by whoever opened them. */
    void close() {
        isClosed = true;
        selector.wakeup();
    }

    private void run() {
        try (selector) {
            while (!isClosed) selector.select(key -> ((Runnable) key.attachment()).run());
            // What was closed meanwhile is let go of.
            selector.selectNow();
        } catch (IOException error) {
            throw new UncheckedIOException(error);
        }
    }
}
