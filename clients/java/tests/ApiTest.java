package authd;

import static authd.Check.fails;
import static authd.Check.holds;
import static authd.Check.same;
import static authd.Check.test;
import static authd.Check.until;

import java.io.ByteArrayInputStream;
import java.io.IOException;
import java.io.InputStream;
import java.net.URI;
import java.net.http.HttpClient;
import java.net.http.HttpRequest;
import java.net.http.HttpRequest.BodyPublisher;
import java.net.http.HttpRequest.BodyPublishers;
import java.net.http.HttpResponse;
import java.net.http.HttpResponse.BodyHandlers;
import java.net.http.HttpTimeoutException;
import java.nio.ByteBuffer;
import java.time.Duration;
import java.util.Arrays;
import java.util.Random;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.Flow;

/** The client at an API of the test's own: API_URL, for the credential `mine`. */
final class ApiTest {
    private static final String API = System.getenv("API_URL");
    private static final byte[] BYTES = new byte[5_000_000];

    public static void main(String[] args) {
        new Random(1).nextBytes(BYTES);
        try (Authd authd = new Authd()) {
            HttpClient mine = new AuthdHttpClient(authd, "mine");
            test("authd follows redirects", () -> redirect(mine));
            test("bodies of any kind go both ways", () -> echo(authd, mine));
            test("a body that is not read holds up the API, and nothing else", () -> slowReader(authd, mine));
            test("a request that is taken back ends at the API", () -> cancel(authd, mine));
            test("a body that is closed ends at the API", () -> closeBody(authd, mine));
            test("a time-out", () -> timeout(authd, mine));
            test("a body that can't be read", () -> brokenBody(authd, mine));
            test("an error of the program's own code, in an answer", () -> OwnErrors.inAnswers(mine, at("/here").build()));
            test("and in a body", () -> OwnErrors.inBodies(authd, mine, at("/echo"), BodyHandlers.ofString()));
            test("a token that an API refuses is renewed", () -> refused(authd));
        }
    }

    private static HttpRequest.Builder at(String path) {
        return HttpRequest.newBuilder(URI.create(API + path));
    }

    private static void redirect(HttpClient mine) throws Exception {
        HttpResponse<String> answer = mine.send(at("/moved").build(), BodyHandlers.ofString());
        same(answer.statusCode(), 200);
        same(answer.uri(), URI.create(API + "/here"));
        same(answer.body(), "here");
        holds(answer.previousResponse().isEmpty(), "authd tells only where it ended");
    }

    private static void echo(Authd authd, HttpClient mine) throws Exception {
        BodyPublisher known = BodyPublishers.ofByteArray(BYTES);
        BodyPublisher unknown = BodyPublishers.ofInputStream(() -> new ByteArrayInputStream(BYTES));
        BodyPublisher parts = BodyPublishers.concat(known, BodyPublishers.noBody());
        for (BodyPublisher body : new BodyPublisher[] {known, unknown, parts}) {
            HttpResponse<byte[]> answer = mine.send(at("/echo").PUT(body).build(), BodyHandlers.ofByteArray());
            holds(Arrays.equals(answer.body(), BYTES), "the same bytes come back");
            long length = answer.headers().firstValueAsLong("x-length").orElse(-1);
            same(length, body == unknown ? -1L : (long) BYTES.length);
            AuthdResponse whole = authd.request("mine", at("/echo").PUT(body).build(), 8_000_000);
            holds(Arrays.equals(whole.body(), BYTES), "and as a whole");
        }
        HttpRequest small = at("/echo").POST(BodyPublishers.ofByteArray(new byte[] {0, -1, -2})).build();
        holds(Arrays.equals(authd.request("mine", small).body(), new byte[] {0, -1, -2}), "bytes that are no text");
        HttpRequest empty = at("/echo").POST(BodyPublishers.ofString("")).build();
        same(mine.send(empty, BodyHandlers.ofString()).body(), "");
        fails("response_too_large", () -> authd.request("mine", at("/echo").PUT(known).build(), 1_000_000));
    }

    private static long number(Authd authd, String path) {
        return Long.parseLong(authd.request("mine", at(path).build()).text());
    }

    private static void slowReader(Authd authd, HttpClient mine) throws Exception {
        long length = 64L * 1024 * 1024;
        HttpRequest request = at("/large?" + length).build();
        HttpResponse<InputStream> answer = mine.send(request, BodyHandlers.ofInputStream());
        try (InputStream body = answer.body()) {
            same(body.readNBytes(1_000_000).length, 1_000_000);
            // Once no more is sent, nobody has taken the rest.
            long[] sent = {0, -1};
            until("the API waits", () -> {
                sent[1] = sent[0];
                sent[0] = number(authd, "/sent");
                return sent[0] == sent[1];
            });
            holds(sent[0] < length / 2, sent[0] + " bytes were taken");
            long rest = 0;
            for (int count = 0; count >= 0; count = body.read(new byte[65_536])) rest += count;
            same(rest, length - 1_000_000);
        }
    }

    private static void cancel(Authd authd, HttpClient mine) throws Exception {
        var streamed = mine.sendAsync(at("/never").build(), BodyHandlers.ofString());
        CompletableFuture<AuthdResponse> whole = authd.requestAsync("mine", at("/never").build());
        InputStream pausing = new Pausing();
        var upload = mine.sendAsync(
                at("/never").POST(BodyPublishers.ofInputStream(() -> pausing)).build(), BodyHandlers.ofString());
        Thread waiting = new Thread(() -> fails("cancelled", () -> authd.request("mine", at("/never").build())));
        waiting.start();
        until("the API has them", () -> number(authd, "/open") == 4);
        streamed.cancel(true);
        whole.cancel(true);
        upload.cancel(true);
        waiting.interrupt();
        until("the API has none any more", () -> number(authd, "/open") == 0);
        waiting.join();
    }

    /** A body that begins, and never goes on. */
    private static final class Pausing extends InputStream {
        private boolean hasBegun;

        @Override
        public synchronized int read() throws IOException {
            try {
                while (hasBegun) wait();
            } catch (InterruptedException error) {
                throw new IOException(error);
            }
            hasBegun = true;
            return 'x';
        }

        @Override
        public int read(byte[] into, int offset, int length) throws IOException {
            into[offset] = (byte) read();
            return 1;
        }
    }

    private static void closeBody(Authd authd, HttpClient mine) throws Exception {
        InputStream body = mine.send(at("/endless").build(), BodyHandlers.ofInputStream()).body();
        holds(body.read() >= 0, "it has begun");
        same(number(authd, "/open"), 1L);
        body.close();
        until("the API has ended it", () -> number(authd, "/open") == 0);
    }

    private static void timeout(Authd authd, HttpClient mine) {
        HttpRequest request = at("/never").timeout(Duration.ofMillis(200)).build();
        fails(HttpTimeoutException.class, () -> mine.send(request, BodyHandlers.ofString()));
        fails("timeout", () -> authd.request("mine", request));
    }

    private static void brokenBody(Authd authd, HttpClient mine) {
        InputStream broken = new InputStream() {
            @Override
            public int read() throws IOException {
                throw new IOException("the disk is gone");
            }
        };
        HttpRequest request = at("/echo").PUT(BodyPublishers.ofInputStream(() -> broken)).build();
        IOException error = fails(IOException.class, () -> mine.send(request, BodyHandlers.ofString()));
        holds(error.toString().contains("the disk is gone"), error.toString());
        AuthdException told = fails("request_failed", () -> authd.request("mine", request));
        holds(told.getMessage().contains("the disk is gone"), told.getMessage());
        for (long length : new long[] {5, -1}) {
            HttpRequest thrown = at("/echo").PUT(new Thrower(length)).build();
            IOException own = fails(IOException.class, () -> mine.send(thrown, BodyHandlers.ofString()));
            same(own.getCause().getMessage(), "no subscribers");
            fails("request_failed", () -> authd.request("mine", thrown));
        }
    }

    /** A publisher that has a fault. */
    private record Thrower(long contentLength) implements BodyPublisher {
        @Override
        public void subscribe(Flow.Subscriber<? super ByteBuffer> subscriber) {
            throw new IllegalStateException("no subscribers");
        }
    }

    private static void refused(Authd authd) throws Exception {
        HttpClient http = HttpClient.newHttpClient();
        HttpRequest.Builder request = at("/strict");
        Token token = authd.authorize("mine", request);
        same(http.send(request.build(), BodyHandlers.discarding()).statusCode(), 401);
        authd.authorize("mine", request, TokenOptions.newBuilder().rejectedToken(token.accessToken()).build());
        same(http.send(request.build(), BodyHandlers.discarding()).statusCode(), 200);
    }
}
