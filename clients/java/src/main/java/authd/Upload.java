package authd;

import java.nio.ByteBuffer;
import java.util.ArrayDeque;
import java.util.Base64;
import java.util.Deque;
import java.util.LinkedHashMap;
import java.util.Map;
import java.util.concurrent.Executor;
import java.util.concurrent.Flow;

/** Sends a body in parts as its publisher gives it, a few of them at a time. All but signals runs in one order. */
final class Upload implements Flow.Subscriber<ByteBuffer> {
    /** Bytes of a part: smaller ones cost more messages, larger ones hold up other programs. */
    private static final int PART_BYTES = 128 * 1024;
    /** Parts that are sent before the first of them is answered. */
    private static final int WINDOW = 8;

    /** Whom the upload tells of what comes of its parts. */
    interface Listener {
        /** The answer to the last part, or an early one. */
        void answered(Object result, Exception error);

        /** The publisher has failed. */
        void broken(Throwable error);
    }

    private final Connection connection;
    private final String name;
    private final Executor inOrder;
    private final Executor workers;
    private final Listener listener;
    private final Deque<ByteBuffer> waiting = new ArrayDeque<>();
    private Flow.Subscription source;
    private int bytesWaiting;
    private int inFlight;
    private long seq;
    private boolean isAsked;
    private boolean isWhole;
    private boolean isOver;

    Upload(Connection connection, String name, Executor inOrder, Executor workers, Listener listener) {
        this.connection = connection;
        this.name = name;
        this.inOrder = inOrder;
        this.workers = workers;
        this.listener = listener;
    }

    @Override
    public void onSubscribe(Flow.Subscription subscription) {
        inOrder.execute(() -> {
            source = subscription;
            if (isOver) stop();
            else ask();
        });
    }

    @Override
    public void onNext(ByteBuffer part) {
        inOrder.execute(() -> {
            isAsked = false;
            waiting.add(part);
            bytesWaiting += part.remaining();
            send();
        });
    }

    @Override
    public void onComplete() {
        inOrder.execute(() -> {
            isWhole = true;
            send();
        });
    }

    @Override
    public void onError(Throwable error) {
        inOrder.execute(() -> listener.broken(error));
    }

    /** Sends no more of the body. */
    void stop() {
        isOver = true;
        if (source != null) workers.execute(source::cancel);
    }

    /** Says that the body goes on, if its source pauses: authd waits for a minute. Returns whether it does. */
    boolean keepAlive() {
        boolean isPaused = !isOver && inFlight == 0;
        if (isPaused) put(new byte[0], false);
        return isPaused;
    }

    private void send() {
        boolean isLeft = !waiting.isEmpty() || isWhole;
        while (!isOver && isLeft && inFlight < WINDOW) {
            byte[] part = next();
            isLeft = !waiting.isEmpty();
            boolean isLast = isWhole && !isLeft;
            put(part, isLast);
            if (isLast) isOver = true;
        }
        ask();
    }

    /** The source may wait for what it reads, so it is asked in a thread of its own. */
    private void ask() {
        if (isOver || isWhole || isAsked || bytesWaiting >= PART_BYTES) return;
        isAsked = true;
        workers.execute(() -> {
            try {
                source.request(1);
            } catch (Throwable error) {
                onError(error);
            }
        });
    }

    private byte[] next() {
        byte[] part = new byte[Math.min(bytesWaiting, PART_BYTES)];
        for (int at = 0; at < part.length; ) {
            ByteBuffer first = waiting.element();
            int count = Math.min(first.remaining(), part.length - at);
            first.get(part, at, count);
            at += count;
            if (!first.hasRemaining()) waiting.remove();
        }
        while (!waiting.isEmpty() && !waiting.element().hasRemaining()) waiting.remove();
        bytesWaiting -= part.length;
        return part;
    }

    private void put(byte[] data, boolean isLast) {
        Map<String, Object> params = new LinkedHashMap<>();
        params.put("upload", name);
        params.put("seq", seq++);
        params.put("data", Base64.getEncoder().encodeToString(data));
        if (isLast) params.put("last", true);
        inFlight++;
        connection.send("request/chunk", params, (result, error) -> inOrder.execute(() -> answered(result, error, isLast)));
    }

    private void answered(Object result, Exception error, boolean isLast) {
        inFlight--;
        boolean isAnswer = result instanceof Map<?, ?> given && given.containsKey("status");
        if (error != null || isAnswer || isLast) listener.answered(result, error);
        else send();
    }
}
