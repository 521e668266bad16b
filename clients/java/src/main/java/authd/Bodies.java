package authd;

import java.net.http.HttpRequest.BodyPublisher;
import java.net.http.HttpRequest.BodyPublishers;
import java.net.http.HttpResponse.BodySubscriber;
import java.net.http.HttpResponse.BodySubscribers;
import java.nio.ByteBuffer;
import java.util.List;
import java.util.Optional;
import java.util.concurrent.CompletionStage;
import java.util.concurrent.Flow;

/** Bodies of requests. */
final class Bodies {
    private Bodies() {}

    /** Returns the length in bytes; a negative number if it is not known. */
    static long length(Optional<BodyPublisher> body) {
        return body.map(BodyPublisher::contentLength).orElse(0L);
    }

    /** True if the body goes in one message with its request. */
    static boolean isShort(Optional<BodyPublisher> body) {
        long length = length(body);
        return length >= 0 && length <= Wire.SHORT_BODY;
    }

    /** Subscribes to a body. One that fails at that fails as any other does. */
    static void subscribe(Optional<BodyPublisher> body, Flow.Subscriber<ByteBuffer> subscriber) {
        try {
            body.orElseGet(BodyPublishers::noBody).subscribe(subscriber);
        } catch (Throwable error) {
            subscriber.onError(error);
        }
    }

    /** Returns the whole of a short body. */
    static CompletionStage<byte[]> collect(Optional<BodyPublisher> body) {
        BodySubscriber<byte[]> bytes = BodySubscribers.ofByteArray();
        subscribe(body, new Flow.Subscriber<>() {
            @Override
            public void onSubscribe(Flow.Subscription subscription) {
                bytes.onSubscribe(subscription);
            }

            @Override
            public void onNext(ByteBuffer part) {
                bytes.onNext(List.of(part));
            }

            @Override
            public void onError(Throwable error) {
                bytes.onError(error);
            }

            @Override
            public void onComplete() {
                bytes.onComplete();
            }
        });
        return bytes.getBody();
    }
}
