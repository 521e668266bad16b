package authd;

import static authd.Check.fails;
import static authd.Check.holds;
import static authd.Check.same;
import static authd.Check.test;

import java.io.ByteArrayInputStream;
import java.io.IOException;
import java.io.InputStream;
import java.net.ConnectException;
import java.net.URI;
import java.net.http.HttpClient;
import java.net.http.HttpRequest;
import java.net.http.HttpRequest.BodyPublishers;
import java.net.http.HttpResponse;
import java.net.http.HttpResponse.BodyHandlers;
import java.nio.charset.StandardCharsets;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.Queue;
import java.util.concurrent.CancellationException;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.ConcurrentLinkedQueue;
import java.util.concurrent.ExecutionException;

/** The client at the daemon of authd sandbox. LABELF_URL and REALTYNA_URL are the practice APIs' addresses. */
final class SandboxTest {
    private static final URI MODELS = URI.create(System.getenv("LABELF_URL") + "/v2/models");
    private static final URI INFERENCE = URI.create(MODELS + "/7/inference");
    private static final URI PROPERTIES = URI.create(System.getenv("REALTYNA_URL") + "/reso/odata/Property");
    private static final URI ELSEWHERE = URI.create("https://example.com/");
    private static final String QUESTION = "{\"texts\":[\"Breakfast was not tasty\"],\"max_predictions\":2}";

    public static void main(String[] args) {
        try (Authd authd = new Authd()) {
            test("a token and a request", () -> tokenAndRequest(authd));
            test("errors have their reasons, and the stack of the caller", () -> errors(authd));
            test("threads share a client and its connection", () -> threads(authd));
            test("an interrupt ends the call of its thread alone", () -> interrupt(authd));
            test("futures", () -> futures(authd));
            test("an HttpClient whose requests authd sends", () -> httpClient(authd));
            test("errors of an HttpClient", () -> httpErrors(authd));
            test("a request that this program sends itself", () -> authorize(authd));
            test("notifications, whose listener may call authd", () -> notifications(authd));
        }
        test("a closed client", SandboxTest::closed);
    }

    private static HttpRequest.Builder question() {
        return HttpRequest.newBuilder(INFERENCE).header("content-type", "application/json");
    }

    private static void tokenAndRequest(Authd authd) {
        Token token = authd.getToken("labelf");
        holds(token.headers().get("authorization").startsWith("Bearer "), "the header is ready");
        holds(!token.toString().contains(token.accessToken()), "its text shows no token");
        AuthdResponse response = authd.request("labelf", question().POST(BodyPublishers.ofString(QUESTION)).build());
        same(response.status(), 200);
        same(response.url(), INFERENCE);
        holds(response.headers().firstValue("Content-Type").orElse("").contains("json"), "names in any case");
        holds(response.text().contains("label"), response.text());
        holds(!response.isRefreshed(), "nothing was renewed");
    }

    private static void errors(Authd authd) {
        AuthdException error = fails("unknown_credential", () -> authd.getToken("lablef"));
        boolean hasCaller = List.of(error.getStackTrace()).stream()
                .anyMatch(frame -> frame.getClassName().equals(SandboxTest.class.getName()));
        holds(hasCaller, "the stack is the caller's");
        fails("origin_not_allowed", () -> authd.request("labelf", HttpRequest.newBuilder(ELSEWHERE).build()));
        fails("invalid_params", () -> authd.call("getToken", Map.of("credential", new Object())));
        fails("invalid_params", () -> authd.call("getToken", Map.of("credential", Double.NaN)));
        try (Authd nobody = new Authd(Path.of("/nowhere/authd.sock"))) {
            fails("no_daemon", () -> nobody.getToken("labelf"));
        }
    }

    private static void threads(Authd authd) throws InterruptedException {
        Queue<String> tokens = new ConcurrentLinkedQueue<>();
        long before = connections(authd);
        List<Thread> threads = new ArrayList<>();
        for (int number = 0; number < 8; number++) {
            Thread thread = new Thread(() -> {
                for (int call = 0; call < 50; call++) tokens.add(authd.getToken("labelf").accessToken());
            });
            threads.add(thread);
            thread.start();
        }
        for (Thread thread : threads) thread.join();
        same(tokens.size(), 400);
        same(connections(authd), before);
    }

    private static Long connections(Authd authd) {
        return (Long) ((Map<?, ?>) authd.call("status", Map.of())).get("connections");
    }

    private static void interrupt(Authd authd) {
        Connection before = authd.session().connected();
        for (int call = 0; call < 20; call++) {
            Thread.currentThread().interrupt();
            // The answer may be there before anybody waits for it.
            try {
                authd.getToken("labelf");
            } catch (AuthdException error) {
                same(error.reason(), "cancelled");
            }
            holds(Thread.interrupted(), "the thread stays interrupted");
        }
        Thread.currentThread().interrupt();
        try (Authd fresh = new Authd()) {
            fails("cancelled", () -> fresh.getToken("labelf"));
        }
        holds(Thread.interrupted(), "the thread stays interrupted");
        authd.getToken("labelf");
        holds(before == authd.session().connected(), "the connection stays");
    }

    private static void futures(Authd authd) throws Exception {
        List<CompletableFuture<Token>> tokens = new ArrayList<>();
        for (int call = 0; call < 100; call++) tokens.add(authd.getTokenAsync("labelf"));
        for (CompletableFuture<Token> token : tokens) holds(!token.get().accessToken().isEmpty(), "a token");
        // The code of a program that goes on may call authd, and wait.
        String twice = authd.getTokenAsync("labelf").thenApply(token -> authd.getToken("labelf").tokenType()).get();
        same(twice.toLowerCase(), "bearer");
        ExecutionException error = fails(ExecutionException.class, () -> authd.getTokenAsync("lablef").get());
        same(((AuthdException) error.getCause()).reason(), "unknown_credential");
        CompletableFuture<Token> cancelled = authd.getTokenAsync("labelf");
        if (cancelled.cancel(true)) fails(CancellationException.class, cancelled::get);
    }

    private static void httpClient(Authd authd) throws Exception {
        HttpClient labelf = new AuthdHttpClient(authd, "labelf");
        HttpResponse<String> models = labelf.send(HttpRequest.newBuilder(MODELS).build(), BodyHandlers.ofString());
        same(models.statusCode(), 200);
        same(models.uri(), MODELS);
        holds(models.body().contains("Guest reviews"), models.body());
        byte[] bytes = QUESTION.getBytes(StandardCharsets.UTF_8);
        HttpRequest streamed = question()
                .POST(BodyPublishers.ofInputStream(() -> new ByteArrayInputStream(bytes)))
                .build();
        HttpResponse<InputStream> answer = labelf.sendAsync(streamed, BodyHandlers.ofInputStream()).get();
        try (InputStream body = answer.body()) {
            holds(new String(body.readAllBytes(), StandardCharsets.UTF_8).contains("label"), "the answer is streamed");
        }
        HttpRequest wrong = HttpRequest.newBuilder(MODELS.resolve("/nowhere")).build();
        same(labelf.send(wrong, BodyHandlers.discarding()).statusCode(), 404);
    }

    private static void httpErrors(Authd authd) throws Exception {
        HttpClient labelf = new AuthdHttpClient(authd, "labelf");
        HttpRequest elsewhere = HttpRequest.newBuilder(ELSEWHERE).build();
        IOException refused = fails(IOException.class, () -> labelf.send(elsewhere, BodyHandlers.ofString()));
        same(((AuthdException) refused.getCause()).reason(), "origin_not_allowed");
        ExecutionException later =
                fails(ExecutionException.class, () -> labelf.sendAsync(elsewhere, BodyHandlers.ofString()).get());
        holds(later.getCause() instanceof IOException, "a future fails with the same");
        try (Authd nobody = new Authd(Path.of("/nowhere/authd.sock"))) {
            HttpClient client = new AuthdHttpClient(nobody, "labelf");
            fails(ConnectException.class, () -> client.send(elsewhere, BodyHandlers.ofString()));
        }
        HttpRequest models = HttpRequest.newBuilder(MODELS).build();
        IOException own = fails(IOException.class, () -> labelf.send(models, info -> {
            throw new IllegalStateException("own");
        }));
        same(own.getCause().getMessage(), "own");
    }

    private static void authorize(Authd authd) throws Exception {
        HttpClient http = HttpClient.newHttpClient();
        HttpRequest.Builder models = HttpRequest.newBuilder(MODELS);
        Token token = authd.authorize("labelf", models);
        HttpResponse<String> answer = http.send(models.build(), BodyHandlers.ofString());
        same(answer.statusCode(), 200);
        same(answer.request().headers().firstValue("authorization").orElse(""), token.headers().get("authorization"));
        HttpRequest.Builder properties = HttpRequest.newBuilder(PROPERTIES);
        authd.authorize("realtyna", properties);
        same(http.send(properties.build(), BodyHandlers.discarding()).statusCode(), 200);
        URI url = URI.create("https://api.example/x?a=1&key=old&b=%20#there");
        same(Query.with(url, Map.of("key", "n/ew")), URI.create("https://api.example/x?a=1&b=%20&key=n%2Few#there"));
        same(Query.with(MODELS, Map.of("key", "k")), URI.create(MODELS + "?key=k"));
    }

    private static void notifications(Authd authd) throws Exception {
        CompletableFuture<Object> told = new CompletableFuture<>();
        authd.subscribe(Subscription.to("zebbra"), (name, params) -> {
            throw new AssertionError("a listener's own, which the others do not notice");
        });
        authd.subscribe(Subscription.to("zebbra"), (name, params) -> {
            if (name.equals("token/refreshed") && authd.getToken("labelf") != null) told.complete(params.get("credential"));
        });
        authd.call("credentials/refresh", Map.of("credential", "zebbra"));
        same(told.get(), "zebbra");
        authd.unsubscribe();
    }

    private static void closed() throws Exception {
        Authd authd = new Authd();
        authd.getToken("labelf");
        authd.close();
        authd.close();
        fails("cancelled", () -> authd.getToken("labelf"));
        Check.until("its thread ends", () -> Thread.getAllStackTraces().keySet().stream()
                .noneMatch(thread -> thread.getName().equals("authd")));
    }
}
