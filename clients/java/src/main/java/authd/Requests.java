package authd;

import java.net.http.HttpRequest;
import java.util.Map;
import java.util.concurrent.CompletableFuture;

/** Requests whose answers are held as a whole. */
final class Requests {
    private Requests() {}

    /** Sends a request; its result, or an AuthdException, comes in {@code result}. */
    static void send(Session session, Map<String, Object> params, HttpRequest request, CompletableFuture<Object> result) {
        if (!Bodies.isShort(request.bodyPublisher())) {
            sendInParts(session, params, request, result, Wire.mayRepeat("authorizedRequest", params));
            return;
        }
        Bodies.collect(request.bodyPublisher()).whenComplete((body, error) -> {
            if (error != null) {
                result.completeExceptionally(unreadable(error));
                return;
            }
            if (body.length > 0) Wire.putBody(params, body);
            Call.start(session, "authorizedRequest", params, result);
        });
    }

    private static void sendInParts(
            Session session,
            Map<String, Object> params,
            HttpRequest request,
            CompletableFuture<Object> result,
            boolean isRepeatable) {
        Exchange.Sink sink = new Exchange.Sink() {
            @Override
            public void head(Map<String, Object> head) {}

            @Override
            public void piece(Map<String, Object> piece, Runnable taken) {
                taken.run();
            }

            @Override
            public void end(Map<String, Object> answer) {
                result.complete(answer);
            }

            @Override
            public void fail(Exception error) {
                if (error instanceof ConnectionLostException && isRepeatable && !result.isDone())
                    sendInParts(session, params, request, result, false);
                else result.completeExceptionally(told(error));
            }
        };
        Threads.Serial inOrder = new Threads.Serial(session.workers);
        Exchange exchange = new Exchange(session, params, request.bodyPublisher(), inOrder, sink);
        result.whenComplete((value, error) -> {
            if (error != null) exchange.cancel(AuthdException.cancelled("The request was cancelled."));
        });
        exchange.start();
    }

    private static Exception told(Exception error) {
        if (error instanceof Exchange.BodyException) return unreadable(error.getCause());
        if (!(error instanceof ConnectionLostException)) return error;
        String text = "The connection to authd broke before it answered: the request may have been carried out.";
        return new AuthdException("request_failed", text, error);
    }

    private static AuthdException unreadable(Throwable error) {
        return new AuthdException("request_failed", "The body of the request can't be read: " + error, error);
    }
}
