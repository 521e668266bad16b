package authd;

import java.net.http.HttpRequest.BodyPublisher;
import java.time.Duration;
import java.util.Map;
import java.util.Objects;
import java.util.Optional;
import java.util.concurrent.Executor;
import java.util.concurrent.atomic.AtomicLong;

/** A request on a connection of its own, whose bodies may be of any length. What it does is done in one order. */
final class Exchange implements Connection.Listener, Upload.Listener {
    /** Bytes of messages that wait for the program; with more the daemon waits. */
    private static final long MOST_UNTAKEN = 256 * 1024;

    /** Whom an exchange tells what comes. */
    interface Sink {
        void head(Map<String, Object> head);

        /** {@code taken} is to be run when the program has taken the piece. */
        void piece(Map<String, Object> piece, Runnable taken);

        void end(Map<String, Object> result);

        void fail(Exception error);
    }

    private final Session session;
    private final Map<String, Object> params;
    private final Optional<BodyPublisher> body;
    private final Sink sink;
    private final Watchdog watchdog;
    private final Executor inOrder;
    private final AtomicLong untaken = new AtomicLong();
    private volatile Connection connection;
    private Upload upload;
    private Object answerId;
    private boolean isOver;

    Exchange(Session session, Map<String, Object> params, Optional<BodyPublisher> body, Executor inOrder, Sink sink) {
        this.session = session;
        this.params = params;
        this.body = body;
        this.inOrder = inOrder;
        this.sink = sink;
        Duration limit = Wire.timeoutOf("authorizedRequest", params).plus(session.grace);
        Runnable onSilence = () -> finish(Call.silence("a request", limit));
        this.watchdog = new Watchdog(limit, session.keepAlive, inOrder, this::isProgramsTurn, onSilence);
    }

    /** Sends the request. */
    void start() {
        try {
            connection = session.open(this);
            connection.resume();
            inOrder(this::send);
        } catch (AuthdException error) {
            inOrder(() -> finish(error));
        }
    }

    /** Takes the request back. */
    void cancel(AuthdException why) {
        if (connection != null) connection.close(why);
    }

    @Override
    public void notified(String name, Map<String, Object> message, int size) {
        watchdog.heard();
        if (untaken.addAndGet(size) > MOST_UNTAKEN) {
            connection.pause();
            taken(0);
        }
        inOrder(() -> take(name, message, size));
    }

    @Override
    public void ended(Connection ended, Exception why) {
        session.forget(ended);
        inOrder(() -> finish(why));
    }

    @Override
    public void answered(Object result, Exception error) {
        watchdog.heard();
        if (isOver) return;
        boolean isAnswer = result instanceof Map<?, ?> given && given.containsKey("status");
        if (error == null && !isAnswer) error = new AuthdException("request_failed", "authd has sent no answer.");
        finish(error);
        if (error == null) sink.end(Json.object((Map<?, ?>) result));
    }

    @Override
    public void broken(Throwable error) {
        finish(new BodyException(error));
    }

    /** The publisher of a body has failed, with the cause. */
    static final class BodyException extends Exception {
        private static final long serialVersionUID = 1;

        BodyException(Throwable cause) {
            super(cause);
        }
    }

    private void send() {
        watchdog.start();
        if (Bodies.isShort(body)) {
            Bodies.collect(body).whenComplete((bytes, error) -> inOrder(() -> {
                if (error != null) broken(error);
                else sendWhole(bytes);
            }));
            return;
        }
        if (Bodies.length(body) > 0) params.put("bodyBytes", Bodies.length(body));
        ask("request/open", this::opened);
    }

    private void sendWhole(byte[] bytes) {
        if (bytes.length > 0) Wire.putBody(params, bytes);
        ask("authorizedRequest", this::answered);
    }

    private void ask(String method, Connection.Answer answer) {
        try {
            connection.send(method, params, (result, error) -> inOrder(() -> answer.come(result, error)));
        } catch (AuthdException error) {
            finish(error);
        }
    }

    private void opened(Object result, Exception error) {
        watchdog.heard();
        if (isOver) return;
        if (error != null) {
            finish(error);
        } else if (result instanceof Map<?, ?> given && given.get("upload") instanceof String name) {
            upload = new Upload(connection, name, this::inOrder, session.workers, this);
            Bodies.subscribe(body, upload);
        } else {
            answered(result, null);
        }
    }

    private void take(String name, Map<String, Object> message, int size) {
        boolean isPiece = name.equals("response/chunk") && answerId != null;
        if (isOver) return;
        if (isPiece && Objects.equals(message.get("id"), answerId)) {
            sink.piece(message, () -> taken(size));
            return;
        }
        taken(size);
        if (!name.equals("response/head") || answerId != null) return;
        answerId = message.get("id");
        // An early answer comes with the answer to a part.
        if (upload != null) upload.keepAlive();
        sink.head(message);
    }

    private void taken(int size) {
        if (untaken.addAndGet(-size) <= MOST_UNTAKEN) connection.resume();
    }

    /** True if authd waits for more of the body, or until what it has sent is taken. */
    private boolean isProgramsTurn() {
        boolean isPaused = upload != null && upload.keepAlive();
        return isPaused || untaken.get() > MOST_UNTAKEN;
    }

    /** What fails ends the exchange: whoever waits is told. */
    private void inOrder(Runnable task) {
        inOrder.execute(() -> {
            try {
                task.run();
            } catch (Throwable error) {
                String text = "What authd has sent can't be read: ";
                if (error instanceof AuthdException given) finish(given);
                else finish(new AuthdException("request_failed", text + error, error));
            }
        });
    }

    /** Ends the exchange; {@code error} is null if the answer has come. */
    private void finish(Exception error) {
        if (isOver) return;
        isOver = true;
        watchdog.stop();
        if (upload != null) upload.stop();
        if (connection != null) connection.close(AuthdException.cancelled("The request is over."));
        if (error != null) sink.fail(error);
    }
}
