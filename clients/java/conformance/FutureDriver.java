package authd;

import java.net.http.HttpResponse;
import java.net.http.HttpResponse.BodyHandlers;
import java.nio.ByteBuffer;
import java.util.List;
import java.util.Map;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.Flow;

/** Each call is a future, and is taken back by cancelling it. */
final class FutureDriver extends Conformance {
    @Override
    void carryOut(Object call, Map<String, Object> command) {
        cancels.remove(call);
        CompletableFuture<?> future = futureOf(call, command);
        cancels.putIfAbsent(call, () -> future.cancel(true));
        future.whenComplete((result, error) -> {
            if (error != null) error(call, error);
            else result(call, result instanceof Token token ? told(token) : shaped(result));
        });
    }

    private static Object shaped(Object result) {
        return result instanceof AuthdResponse response ? told(response) : result;
    }

    private CompletableFuture<?> futureOf(Object call, Map<String, Object> command) {
        Map<String, Object> params = params(command);
        String credential = credential(command);
        return switch ((String) command.get("do")) {
            case "getToken" -> authd.getTokenAsync(credential, options(command));
            case "authorizedRequest" -> params.get("maxResponseBytes") instanceof Long most
                    ? authd.requestAsync(credential, request(command), most.intValue())
                    : authd.requestAsync(credential, request(command));
            case "request" -> authd.callAsync((String) command.get("method"), params);
            case "stream" -> stream(call, command);
            case "subscribe" -> CompletableFuture.runAsync(() -> authd.subscribe(subscription(command), listener));
            case "unsubscribe" -> CompletableFuture.runAsync(() -> {
                if (credential == null) authd.unsubscribe();
                else authd.unsubscribe(credential);
            });
            default -> CompletableFuture.runAsync(authd::close);
        };
    }

    private CompletableFuture<Object> stream(Object call, Map<String, Object> command) {
        CompletableFuture<Object> whole = new CompletableFuture<>();
        AuthdHttpClient client = new AuthdHttpClient(authd, credential(command));
        var response = client.sendAsync(request(command), BodyHandlers.ofPublisher());
        cancels.put(call, () -> {
            response.cancel(true);
            whole.cancel(true);
        });
        response.whenComplete((answer, error) -> {
            if (error != null) whole.completeExceptionally(error);
            else read(call, answer, whole);
        });
        return whole;
    }

    private static void read(
            Object call, HttpResponse<Flow.Publisher<List<ByteBuffer>>> answer, CompletableFuture<Object> whole) {
        head(call, answer);
        answer.body().subscribe(new Flow.Subscriber<>() {
            @Override
            public void onSubscribe(Flow.Subscription subscription) {
                whole.whenComplete((result, error) -> subscription.cancel());
                subscription.request(Long.MAX_VALUE);
            }

            @Override
            public void onNext(List<ByteBuffer> pieces) {
                for (ByteBuffer piece : pieces) {
                    byte[] data = new byte[piece.remaining()];
                    piece.get(data);
                    chunk(call, data);
                }
            }

            @Override
            public void onError(Throwable error) {
                whole.completeExceptionally(error);
            }

            @Override
            public void onComplete() {
                whole.complete(null);
            }
        });
    }
}
