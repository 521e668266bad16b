package authd;

import java.io.BufferedReader;
import java.io.IOException;
import java.io.InputStreamReader;
import java.io.PrintStream;
import java.net.URI;
import java.net.http.HttpHeaders;
import java.net.http.HttpRequest;
import java.net.http.HttpRequest.BodyPublisher;
import java.net.http.HttpRequest.BodyPublishers;
import java.net.http.HttpResponse;
import java.nio.ByteBuffer;
import java.nio.charset.CharacterCodingException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Path;
import java.time.Duration;
import java.util.Arrays;
import java.util.Base64;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.concurrent.CancellationException;
import java.util.concurrent.ConcurrentHashMap;

/** The driver of the client for test/conformance: with futures, or with --threads a thread for each call. */
abstract class Conformance {
    private static final List<String> FEATURES = List.of("concurrent", "cancel", "stream", "upload", "duplex", "subscribe");
    private static final PrintStream OUT = new PrintStream(System.out, true, StandardCharsets.UTF_8);

    /** What takes a call back, by its number. */
    final Map<Object, Runnable> cancels = new ConcurrentHashMap<>();
    final NotificationListener listener = (name, params) -> write(Map.of("notification", name, "params", params));
    private final Map<Object, Parts> bodies = new ConcurrentHashMap<>();
    volatile Authd authd;

    /** Carries out a command, whose number is {@code call}, and writes what comes of it. */
    abstract void carryOut(Object call, Map<String, Object> command);

    public static void main(String[] args) throws IOException {
        boolean hasThreads = Arrays.asList(args).contains("--threads");
        Conformance driver = hasThreads ? new ThreadDriver() : new FutureDriver();
        write(Map.of("client", "java", "features", FEATURES));
        BufferedReader in = new BufferedReader(new InputStreamReader(System.in, StandardCharsets.UTF_8));
        for (String line = in.readLine(); line != null; line = in.readLine()) driver.take(Json.readObject(line));
        if (driver.authd != null) driver.authd.close();
    }

    private void take(Map<String, Object> command) {
        switch ((String) command.get("do")) {
            case "part" -> bodies.get(command.get("of")).add(command);
            case "cancel" -> cancels.get(command.get("of")).run();
            case "connect" -> {
                connect(command);
                result(command.get("call"), Map.of());
            }
            default -> {
                bodies.put(command.get("call"), new Parts());
                carryOut(command.get("call"), command);
            }
        }
    }

    private void connect(Map<String, Object> command) {
        if (authd != null) authd.close();
        Path socket = Path.of((String) command.get("socket"));
        Object grace = command.get("graceMs");
        authd = grace == null ? new Authd(socket) : new Authd(socket, Duration.ofMillis((Long) grace));
    }

    static Map<String, Object> params(Map<String, Object> command) {
        return command.get("params") instanceof Map<?, ?> given ? Json.object(given) : Map.of();
    }

    static String credential(Map<String, Object> command) {
        return params(command).get("credential") instanceof String given ? given : null;
    }

    static TokenOptions options(Map<String, Object> command) {
        Map<String, Object> params = params(command);
        TokenOptions.Builder options = TokenOptions.newBuilder();
        options.scope((String) params.get("scope")).audience((String) params.get("audience"));
        options.rejectedToken((String) params.get("rejectedToken"));
        if (params.get("minValidity") instanceof Long seconds) options.minValidity(Duration.ofSeconds(seconds));
        if (params.get("timeoutMs") instanceof Long ms) options.timeout(Duration.ofMillis(ms));
        if (params.get("url") instanceof String url) options.forRequest((String) params.get("method"), URI.create(url));
        if (Boolean.TRUE.equals(params.get("forceRefresh"))) options.forceRefresh();
        return options.build();
    }

    HttpRequest request(Map<String, Object> command) {
        Map<String, Object> params = params(command);
        HttpRequest.Builder request = HttpRequest.newBuilder(URI.create((String) params.get("url")));
        BodyPublisher body = BodyPublishers.noBody();
        if (params.get("body") instanceof String text) body = BodyPublishers.ofString(text);
        if (params.get("bodyBase64") instanceof String text)
            body = BodyPublishers.ofByteArray(Base64.getDecoder().decode(text));
        Parts parts = bodies.get(command.get("call"));
        if (Boolean.TRUE.equals(command.get("upload"))) body = BodyPublishers.ofInputStream(() -> parts);
        if (params.get("timeoutMs") instanceof Long ms) request.timeout(Duration.ofMillis(ms));
        if (params.get("headers") instanceof Map<?, ?> headers)
            headers.forEach((name, value) -> request.header((String) name, (String) value));
        return request.method((String) params.getOrDefault("method", "GET"), body).build();
    }

    static Subscription subscription(Map<String, Object> command) {
        Map<String, Object> params = params(command);
        boolean hasEvents = Boolean.TRUE.equals(params.get("events"));
        return new Subscription(credential(command), hasEvents, Boolean.TRUE.equals(params.get("approvals")));
    }

    static Map<String, Object> told(Token token) {
        Map<String, Object> result = new LinkedHashMap<>();
        result.put("accessToken", token.accessToken());
        result.put("tokenType", token.tokenType());
        result.put("expiresAt", token.expiresAt().map(end -> end.toEpochMilli()).orElse(null));
        result.put("scope", token.scope().orElse(null));
        result.put("headers", token.headers());
        result.put("query", token.query().isEmpty() ? null : token.query());
        result.put("body", token.body().isEmpty() ? null : token.body());
        result.put("extra", token.extra().isEmpty() ? null : token.extra());
        return result;
    }

    static Map<String, Object> told(AuthdResponse response) {
        Map<String, Object> result = new LinkedHashMap<>();
        result.put("status", response.status());
        result.put("statusText", response.statusText());
        result.put("url", response.url().toString());
        result.put("headers", told(response.headers()));
        result.put("refreshed", response.isRefreshed());
        try {
            ByteBuffer bytes = ByteBuffer.wrap(response.body());
            result.put("body", StandardCharsets.UTF_8.newDecoder().decode(bytes).toString());
        } catch (CharacterCodingException error) {
            result.put("bodyBase64", Base64.getEncoder().encodeToString(response.body()));
        }
        return result;
    }

    private static Map<String, Object> told(HttpHeaders headers) {
        Map<String, Object> result = new LinkedHashMap<>();
        headers.map().forEach((name, values) -> result.put(name, name.equals("set-cookie") ? values : values.get(0)));
        return result;
    }

    static void head(Object call, HttpResponse<?> response) {
        String url = response.uri().toString();
        Map<String, Object> headers = told(response.headers());
        write(Map.of("call", call, "head", Map.of("status", response.statusCode(), "url", url, "headers", headers)));
    }

    static void chunk(Object call, byte[] data) {
        write(Map.of("call", call, "chunk", Base64.getEncoder().encodeToString(data)));
    }

    static void result(Object call, Object result) {
        write(Map.of("call", call, "result", result == null ? Map.of() : result));
    }

    static void error(Object call, Throwable error) {
        write(Map.of("call", call, "error", told(error)));
    }

    private static Map<String, Object> told(Throwable error) {
        Map<String, Object> result = new LinkedHashMap<>();
        for (Throwable cause = error; cause != null; cause = cause.getCause()) {
            if (cause instanceof AuthdException given) {
                result.put("reason", given.reason());
                result.put("message", given.getMessage());
                result.put("credential", given.credential().orElse(null));
                result.put("retryAfterMs", given.retryAfter().map(Duration::toMillis).orElse(null));
                result.put("oauth", given.oauth().isEmpty() ? null : given.oauth());
                return result;
            }
            if (cause instanceof CancellationException || cause instanceof InterruptedException) {
                result.put("reason", "cancelled");
                result.put("message", cause.toString());
                return result;
            }
        }
        result.put("reason", "driver");
        result.put("message", error + " " + Arrays.asList(error.getStackTrace()) + " " + error.getCause());
        return result;
    }

    static void write(Map<String, ?> line) {
        OUT.println(Json.write(line));
    }
}
