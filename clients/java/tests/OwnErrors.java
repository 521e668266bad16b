package authd;

import static authd.Check.fails;
import static authd.Check.holds;
import static authd.Check.same;

import java.io.IOException;
import java.net.http.HttpClient;
import java.net.http.HttpRequest;
import java.net.http.HttpRequest.BodyPublisher;
import java.net.http.HttpResponse.BodyHandler;
import java.net.http.HttpResponse.BodySubscriber;
import java.nio.ByteBuffer;
import java.util.List;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.CompletionStage;
import java.util.concurrent.Flow;

/** Errors that a program's own code throws for a request: it fails, and nothing else does. */
final class OwnErrors {
    private OwnErrors() {}

    static void inAnswers(HttpClient mine, HttpRequest request) {
        BodyHandler<String> handler = info -> {
            throw new AssertionError("own");
        };
        for (BodyHandler<String> each : List.of(
                handler, info -> new Faulty("onSubscribe"), info -> new Faulty("onNext"), info -> new Faulty("onComplete"))) {
            IOException error = fails(IOException.class, () -> mine.send(request, each));
            same(error.getCause().getMessage(), "own");
        }
    }

    static void inBodies(Authd authd, HttpClient mine, HttpRequest.Builder request, BodyHandler<?> handler) {
        for (long length : new long[] {5, -1}) {
            HttpRequest faulty = request.PUT(new FaultyBody(length)).build();
            IOException error = fails(IOException.class, () -> mine.send(faulty, handler));
            same(error.getCause().getMessage(), "own");
            AuthdException told = fails("request_failed", () -> authd.request("mine", faulty));
            holds(told.getMessage().contains("own"), told.getMessage());
        }
    }

    /** A subscriber whose body never comes, and that has an error in one method, and in the one that is told of it. */
    private record Faulty(String place) implements BodySubscriber<String> {
        private void at(String here) {
            if (here.equals(place)) throw new AssertionError("own");
        }

        @Override
        public void onSubscribe(Flow.Subscription subscription) {
            subscription.request(Long.MAX_VALUE);
            at("onSubscribe");
        }

        @Override
        public void onNext(List<ByteBuffer> piece) {
            at("onNext");
        }

        @Override
        public void onError(Throwable error) {
            throw new AssertionError("an error of the handling of one");
        }

        @Override
        public void onComplete() {
            at("onComplete");
        }

        @Override
        public CompletionStage<String> getBody() {
            return new CompletableFuture<>();
        }
    }

    /** A publisher whose subscription has only errors. */
    private record FaultyBody(long contentLength) implements BodyPublisher {
        @Override
        public void subscribe(Flow.Subscriber<? super ByteBuffer> subscriber) {
            subscriber.onSubscribe(new Flow.Subscription() {
                @Override
                public void request(long count) {
                    throw new AssertionError("own");
                }

                @Override
                public void cancel() {
                    throw new AssertionError("an error of a cancellation");
                }
            });
        }
    }
}
