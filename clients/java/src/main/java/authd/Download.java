package authd;

import java.io.IOException;
import java.net.ConnectException;
import java.net.http.HttpClient;
import java.net.http.HttpHeaders;
import java.net.http.HttpRequest;
import java.net.http.HttpResponse;
import java.net.http.HttpResponse.BodyHandler;
import java.net.http.HttpResponse.BodySubscriber;
import java.net.http.HttpTimeoutException;
import java.nio.ByteBuffer;
import java.util.ArrayDeque;
import java.util.Base64;
import java.util.List;
import java.util.Map;
import java.util.Queue;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.Executor;
import java.util.concurrent.Flow;

/** Hands a streamed answer to what java.net.http has for bodies. What it does is done in one order. */
final class Download<T> implements Exchange.Sink, Flow.Subscription {
    private record Piece(byte[] data, Runnable taken) {}

    private final HttpRequest request;
    private final BodyHandler<T> handler;
    private final Executor workers;
    private final Executor inOrder;
    private final Exchange exchange;
    private final CompletableFuture<HttpResponse<T>> response = new CompletableFuture<>();
    private final Queue<Piece> pieces = new ArrayDeque<>();
    private BodySubscriber<T> subscriber;
    private long wanted;
    private long pieceCount;
    private long byteCount;
    private boolean isEnded;
    private boolean isOver;
    private Exception error;

    private Download(Session session, String credential, HttpRequest request, BodyHandler<T> handler) {
        this.request = request;
        this.handler = handler;
        this.workers = session.workers;
        this.inOrder = new Threads.Serial(workers);
        Map<String, Object> params = Wire.params(credential, request);
        params.putIfAbsent("timeoutMs", Wire.NO_TIMEOUT_MS);
        params.put("stream", true);
        this.exchange = new Exchange(session, params, request.bodyPublisher(), inOrder, this);
    }

    /** Sends a request. The response fails with an IOException; to cancel it takes the request back. */
    static <T> CompletableFuture<HttpResponse<T>> start(
            Session session, String credential, HttpRequest request, BodyHandler<T> handler) {
        Download<T> download = new Download<>(session, credential, request, handler);
        download.response.whenComplete((response, error) -> {
            if (error != null) download.cancel();
        });
        download.exchange.start();
        return download.response;
    }

    /** Returns the error of java.net.http for one of ours. */
    static IOException ioException(Throwable error) {
        if (error instanceof Exchange.BodyException) return ioException(error.getCause());
        if (!(error instanceof AuthdException given)) return new IOException(error);
        IOException told = switch (given.reason()) {
            case "timeout" -> new HttpTimeoutException(given.getMessage());
            case "no_daemon" -> new ConnectException(given.getMessage());
            default -> new IOException(given.getMessage());
        };
        told.initCause(given);
        return told;
    }

    @Override
    public void head(Map<String, Object> params) {
        Head head = Head.of(params);
        try {
            subscriber = handler.apply(new Info(head.status(), head.headers()));
            subscriber.onSubscribe(this);
        } catch (Throwable thrown) {
            abandon(thrown);
            return;
        }
        subscriber.getBody().whenComplete((body, thrown) -> {
            if (thrown != null) reject(thrown);
            else response.completeAsync(() -> new Answer<>(head.status(), request, head.headers(), body, head.url()), workers);
        });
    }

    @Override
    public void piece(Map<String, Object> params, Runnable taken) {
        if (!Long.valueOf(pieceCount).equals(params.get("seq"))) {
            exchange.cancel(incomplete("piece %d did not come".formatted(pieceCount)));
            return;
        }
        byte[] data = Base64.getDecoder().decode((String) params.get("data"));
        pieceCount++;
        byteCount += data.length;
        if (data.length == 0) taken.run();
        else pieces.add(new Piece(data, taken));
        deliver();
    }

    @Override
    public void end(Map<String, Object> result) {
        boolean isWhole = Long.valueOf(pieceCount).equals(result.get("chunks"))
                && Long.valueOf(byteCount).equals(result.get("bytes"));
        if (!isWhole) error = incomplete("%d of %s bytes came".formatted(byteCount, result.get("bytes")));
        if (subscriber == null) error = new AuthdException("request_failed", "The answer has no head.");
        isEnded = true;
        deliver();
    }

    @Override
    public void fail(Exception why) {
        String text = "The connection to authd broke before the answer was whole.";
        error = why instanceof ConnectionLostException ? new AuthdException("request_failed", text, why) : why;
        isEnded = true;
        deliver();
    }

    @Override
    public void request(long count) {
        inOrder.execute(() -> {
            if (count <= 0) abandon(new IllegalArgumentException("A subscription is asked for 1 or more."));
            wanted = Long.MAX_VALUE - wanted < count ? Long.MAX_VALUE : wanted + count;
            deliver();
        });
    }

    @Override
    public void cancel() {
        exchange.cancel(AuthdException.cancelled("The request was cancelled."));
        inOrder.execute(() -> isOver = true);
    }

    private void deliver() {
        try {
            while (!isOver && subscriber != null && wanted > 0 && !pieces.isEmpty()) {
                wanted--;
                Piece piece = pieces.remove();
                piece.taken().run();
                subscriber.onNext(List.of(ByteBuffer.wrap(piece.data()).asReadOnlyBuffer()));
            }
            if (isEnded && !isOver && pieces.isEmpty()) finish();
        } catch (Throwable thrown) {
            if (isOver) reject(thrown);
            else abandon(thrown);
        }
    }

    private void finish() {
        isOver = true;
        if (error != null) reject(ioException(error));
        if (error == null) subscriber.onComplete();
        else if (subscriber != null) subscriber.onError(ioException(error));
    }

    /** The program's own code has failed. */
    private void abandon(Throwable thrown) {
        if (isOver) return;
        isOver = true;
        reject(thrown);
        exchange.cancel(AuthdException.cancelled("The body of the answer could not be taken."));
        if (subscriber != null) subscriber.onError(thrown);
    }

    private void reject(Throwable thrown) {
        workers.execute(() -> response.completeExceptionally(thrown));
    }

    private static AuthdException incomplete(String what) {
        return new AuthdException("request_failed", "The answer from authd is not whole: " + what + ".");
    }

    private record Info(int statusCode, HttpHeaders headers) implements HttpResponse.ResponseInfo {
        @Override
        public HttpClient.Version version() {
            return HttpClient.Version.HTTP_1_1;
        }
    }
}
