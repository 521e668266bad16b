package authd;

import java.time.Duration;
import java.util.Map;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.ExecutionException;
import java.util.function.Function;

/** A request that fits into a message, until its result is there. Who completes the result first takes it back. */
final class Call {
    private record Sent(Connection connection, long id) {}

    private final Session session;
    private final String method;
    private final Map<String, ?> params;
    private final CompletableFuture<Object> result;
    private final CompletableFuture<Void> timer;
    private boolean isRepeatable;
    private volatile Sent sent;

    private Call(Session session, String method, Map<String, ?> params, CompletableFuture<Object> result) {
        this.session = session;
        this.method = method;
        this.params = params;
        this.result = result;
        this.isRepeatable = Wire.mayRepeat(method, params);
        Duration limit = Wire.timeoutOf(method, params).plus(session.grace);
        this.timer = Threads.after(limit, () -> result.completeExceptionally(silence(method, limit)));
    }

    /** Calls a method; its result, or an AuthdException, comes in {@code result}, in the loop's thread. */
    static Call start(Session session, String method, Map<String, ?> params, CompletableFuture<Object> result) {
        Call call = new Call(session, method, params, result);
        result.whenComplete((value, error) -> call.over());
        call.attempt();
        return call;
    }

    /** Returns the connection that the request went over; null if it was not sent. */
    Connection connection() {
        Sent last = sent;
        return last == null ? null : last.connection();
    }

    static AuthdException silence(String method, Duration limit) {
        return new AuthdException("timeout", "authd has not answered %s within %s.".formatted(method, limit));
    }

    /** Waits for a result. Throws AuthdException with the stack of this thread. */
    static Object await(CompletableFuture<Object> result) {
        try {
            return result.get();
        } catch (InterruptedException error) {
            Thread.currentThread().interrupt();
            AuthdException interrupted = AuthdException.cancelled("The thread was interrupted.");
            result.completeExceptionally(interrupted);
            throw interrupted;
        } catch (ExecutionException error) {
            throw error(error.getCause()).here();
        }
    }

    /** Returns a future for the program's own code: to cancel it takes the call back. */
    static <T> CompletableFuture<T> promise(Session session, CompletableFuture<Object> result, Function<Object, T> shape) {
        CompletableFuture<T> promise = new CompletableFuture<>();
        result.thenApply(shape).whenCompleteAsync((value, error) -> {
            if (error == null) promise.complete(value);
            else promise.completeExceptionally(error(error.getCause() == null ? error : error.getCause()));
        }, session.workers);
        promise.whenComplete((value, error) -> result.completeExceptionally(AuthdException.cancelled("It was cancelled.")));
        return promise;
    }

    private static AuthdException error(Throwable error) {
        if (error instanceof AuthdException given) return given;
        return new AuthdException("request_failed", String.valueOf(error), error);
    }

    private void attempt() {
        if (result.isDone()) return;
        try {
            Connection connection = session.connected();
            sent = new Sent(connection, connection.send(method, params, this::answered));
            if (result.isDone()) over();
        } catch (AuthdException error) {
            result.completeExceptionally(error);
        }
    }

    private void answered(Object value, Exception error) {
        if (error == null) {
            result.complete(value);
        } else if (!(error instanceof ConnectionLostException)) {
            result.completeExceptionally(error);
        } else if (isRepeatable) {
            isRepeatable = false;
            session.workers.execute(this::attempt);
        } else {
            String text = "The connection to authd broke before it answered %s: it may have been carried out.";
            result.completeExceptionally(new AuthdException("request_failed", text.formatted(method), error));
        }
    }

    private void over() {
        timer.cancel(false);
        Sent last = sent;
        if (last != null) last.connection().cancel(last.id());
    }
}
