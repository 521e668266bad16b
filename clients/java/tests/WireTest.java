package authd;

import static authd.Check.fails;
import static authd.Check.holds;
import static authd.Check.same;
import static authd.Check.test;

import java.io.InputStream;
import java.math.BigInteger;
import java.net.StandardProtocolFamily;
import java.net.URI;
import java.net.UnixDomainSocketAddress;
import java.net.http.HttpRequest;
import java.net.http.HttpRequest.BodyPublishers;
import java.net.http.HttpResponse.BodyHandlers;
import java.net.http.HttpTimeoutException;
import java.nio.channels.Channels;
import java.nio.channels.ServerSocketChannel;
import java.nio.channels.SocketChannel;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Duration;
import java.time.temporal.ChronoUnit;
import java.util.Arrays;
import java.util.List;
import java.util.Map;
import java.util.Scanner;
import java.util.concurrent.CountDownLatch;
import java.util.concurrent.ExecutionException;

/** JSON, and what the wire has that no case of the conformance suite plays. SOCKET_FOLDER is an empty folder. */
final class WireTest {
    public static void main(String[] args) {
        test("JSON is read as it is written", WireTest::json);
        test("what is no JSON", WireTest::noJson);
        test("a body that pauses is kept alive", WireTest::keepAlive);
        test("a daemon that says nothing", WireTest::silence);
        test("an HttpClient without a time-out waits for a day", () -> longest(HttpRequest.newBuilder()));
        HttpRequest.Builder forever = HttpRequest.newBuilder().timeout(ChronoUnit.FOREVER.getDuration());
        test("and so does one whose time-out has no end", () -> longest(forever));
        test("a subscription whose connection is lost before it is noted", Subscriptions::lost);
        test("a subscription that is refused has no listener", Subscriptions::refused);
    }

    private static void json() {
        List<Object> values = Arrays.asList(
                null, true, false, 0L, -1L, 12L, 1.5, -0.0, 1e300, new BigInteger("18446744073709551615"), "",
                "\u0000\u001f\"\\/\b\f\n\r\t äß \uD83D\uDD11 \u2028", List.of(), Map.of(), Map.of("a", List.of(1L, "b")));
        for (Object value : values) {
            Object read = Json.read(Json.write(value));
            holds(value == null ? read == null : value.equals(read), value + " became " + read);
        }
        same(Json.read(" [ 1 , 1.0e2,\"\\u00e9\\/\" ] "), List.of(1L, 100.0, "é/"));
        same(Json.write("\uD800x\uDC00"), "\"\\ud800x\\udc00\"");
        same(Json.write(Map.of("list", List.of())), "{\"list\":[]}");
        same(Json.write(7), "7");
        same(Json.read("9223372036854775807"), BigInteger.valueOf(Long.MAX_VALUE));
    }

    private static void noJson() {
        List<String> texts = List.of(
                "", " ", "{", "[", "[1", "[1,]", "{\"a\"}", "{\"a\":}", "{\"a\":1,}", "{a:1}", "tru", "nul", "01", "1.",
                ".5", "+1", "-", "1e", "--1", "1 2", "\"", "\"\\\"", "\"\\x\"", "\"\\u12\"", "\"\n\"", "[1]]", "'a'",
                "1\u0000", "[".repeat(100_000));
        for (String text : texts) fails(IllegalArgumentException.class, () -> Json.read(text));
        fails(IllegalArgumentException.class, () -> Json.write(new int[0]));
        fails(IllegalArgumentException.class, () -> Json.write(Double.POSITIVE_INFINITY));
    }

    private static void longest(HttpRequest.Builder builder) throws Exception {
        Path socket = Path.of(System.getenv("SOCKET_FOLDER"), "day.sock");
        try (ServerSocketChannel server = ServerSocketChannel.open(StandardProtocolFamily.UNIX);
                Authd authd = new Authd(socket, ChronoUnit.FOREVER.getDuration())) {
            server.bind(UnixDomainSocketAddress.of(socket));
            HttpRequest request = builder.uri(URI.create("https://api.example/x")).build();
            var answer = new AuthdHttpClient(authd, "c").sendAsync(request, BodyHandlers.discarding());
            try (SocketChannel client = server.accept();
                    Scanner lines = new Scanner(Channels.newInputStream(client), StandardCharsets.UTF_8)) {
                Map<String, Object> sent = Json.readObject(lines.nextLine());
                same(((Map<?, ?>) sent.get("params")).get("timeoutMs"), Duration.ofDays(1).toMillis());
            }
            fails(ExecutionException.class, answer::get);
        } finally {
            Files.deleteIfExists(socket);
        }
    }

    private static void silence() throws Exception {
        Path socket = Path.of(System.getenv("SOCKET_FOLDER"), "silent.sock");
        try (ServerSocketChannel server = ServerSocketChannel.open(StandardProtocolFamily.UNIX);
                Authd authd = new Authd(socket, Duration.ofMillis(50))) {
            server.bind(UnixDomainSocketAddress.of(socket));
            HttpRequest request = HttpRequest.newBuilder(URI.create("https://api.example/x"))
                    .timeout(Duration.ofMillis(50))
                    .build();
            AuthdHttpClient client = new AuthdHttpClient(authd, "c");
            fails(HttpTimeoutException.class, () -> client.send(request, BodyHandlers.discarding()));
            fails("timeout", () -> authd.request("c", request));
        } finally {
            Files.deleteIfExists(socket);
        }
    }

    /** A daemon that takes a body in parts, and counts the empty ones. */
    private static void serve(ServerSocketChannel server, CountDownLatch empty) throws Exception {
        try (SocketChannel client = server.accept();
                Scanner lines = new Scanner(Channels.newInputStream(client), StandardCharsets.UTF_8)) {
            while (lines.hasNextLine()) {
                Map<String, Object> request = Json.readObject(lines.nextLine());
                Map<?, ?> params = (Map<?, ?>) request.get("params");
                if ("".equals(params.get("data"))) empty.countDown();
                boolean isLast = Boolean.TRUE.equals(params.get("last"));
                boolean isOpen = request.get("method").equals("request/open");
                Map<String, Object> answer = Map.of(
                        "status", 200, "statusText", "OK", "url", "https://api.example/x", "headers", Map.of(), "body", "");
                Object result = isLast ? answer : isOpen ? Map.of("upload", "u") : Map.of();
                String line = Json.write(Map.of("jsonrpc", "2.0", "id", request.get("id"), "result", result));
                client.write(StandardCharsets.UTF_8.encode(line + "\n"));
            }
        }
    }

    private static void keepAlive() throws Exception {
        Path socket = Path.of(System.getenv("SOCKET_FOLDER"), "keep.sock");
        CountDownLatch empty = new CountDownLatch(3);
        try (ServerSocketChannel server = ServerSocketChannel.open(StandardProtocolFamily.UNIX);
                // Its source pauses for longer than authd may be silent.
                Authd authd = new Authd(socket, Duration.ofMillis(1))) {
            server.bind(UnixDomainSocketAddress.of(socket));
            Threads.start("server", () -> {
                try {
                    serve(server, empty);
                } catch (Exception error) {
                    error.printStackTrace();
                }
            });
            authd.session().keepAlive = Duration.ofMillis(50);
            InputStream pausing = new InputStream() {
                @Override
                public int read() {
                    try {
                        empty.await();
                        return -1;
                    } catch (InterruptedException error) {
                        throw new IllegalStateException(error);
                    }
                }
            };
            HttpRequest request = HttpRequest.newBuilder(URI.create("https://api.example/x"))
                    .PUT(BodyPublishers.ofInputStream(() -> pausing))
                    .build();
            same(authd.request("c", request).status(), 200);
        } finally {
            Files.deleteIfExists(socket);
        }
    }
}
