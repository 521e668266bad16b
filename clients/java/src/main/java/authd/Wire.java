package authd;

import java.net.http.HttpRequest;
import java.nio.ByteBuffer;
import java.nio.charset.CharacterCodingException;
import java.nio.charset.StandardCharsets;
import java.time.Duration;
import java.util.Base64;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import java.util.Set;
import java.util.concurrent.TimeUnit;

/** Messages on the socket, and which of them may be sent again. */
final class Wire {
    /** Bytes of a request; the daemon accepts no longer one. */
    static final int MOST_REQUEST_BYTES = 8 * 1024 * 1024;
    /** Bytes of a body that goes in one message; a longer one goes in parts. */
    static final int SHORT_BODY = 1024 * 1024;
    /** How much longer than a call's time-out the daemon may take: a person may have to say yes first. */
    static final Duration GRACE = Duration.ofSeconds(65);
    /** The longest time-out that authd takes; that of requests that name none to an HttpClient. */
    static final long NO_TIMEOUT_MS = 86_400_000;

    private static final long DEFAULT_TIMEOUT_MS = 30_000;
    /** The daemon ends a sign-in after half an hour at the latest. */
    private static final long LOGIN_TIMEOUT_MS = 31 * 60_000;
    private static final Set<String> REPEATABLE = Set.of(
            "initialize", "getToken", "tokenFiles/list", "credentials/list", "credentials/show", "credentials/discover",
            "credentials/introspect", "status", "events", "reload", "approvals/pending", "audit/head", "subscribe",
            "unsubscribe", "lock", "login/start");
    private static final Set<String> IDEMPOTENT = Set.of("GET", "HEAD", "OPTIONS", "PUT", "DELETE");

    private Wire() {}

    /** True if a request whose connection ended without an answer may be sent once more. */
    static boolean mayRepeat(String method, Map<String, ?> params) {
        if (!method.equals("authorizedRequest")) return REPEATABLE.contains(method);
        return IDEMPOTENT.contains(params.get("method") instanceof String given ? given.toUpperCase(Locale.ROOT) : "GET");
    }

    /** Returns how long the daemon may work on a request. */
    static Duration timeoutOf(String method, Map<String, ?> params) {
        if (params.get("timeoutMs") instanceof Number given) return Duration.ofMillis(given.longValue());
        return Duration.ofMillis(method.equals("login/finish") ? LOGIN_TIMEOUT_MS : DEFAULT_TIMEOUT_MS);
    }

    /** Returns a time as the protocol has it: a millisecond at least, a day at most. */
    static long timeoutMs(Duration time) {
        return Math.max(1, Math.min(TimeUnit.MILLISECONDS.convert(time), NO_TIMEOUT_MS));
    }

    /** Returns a message as it goes over the socket. */
    static ByteBuffer encode(Map<String, ?> message) {
        byte[] line;
        try {
            line = (Json.write(message) + "\n").getBytes(StandardCharsets.UTF_8);
        } catch (IllegalArgumentException error) {
            throw new AuthdException("invalid_params", "The params are no JSON: " + error.getMessage(), error);
        }
        if (line.length > MOST_REQUEST_BYTES) {
            String text = "The request takes %d bytes; authd accepts %d in one message.";
            throw new AuthdException("request_too_large", text.formatted(line.length, MOST_REQUEST_BYTES));
        }
        return ByteBuffer.wrap(line);
    }

    static ByteBuffer request(long id, String method, Map<String, ?> params) {
        Map<String, Object> message = new LinkedHashMap<>();
        message.put("jsonrpc", "2.0");
        message.put("id", id);
        message.put("method", method);
        message.put("params", params);
        return encode(message);
    }

    static ByteBuffer cancel(long id) {
        return encode(Map.of("jsonrpc", "2.0", "method", "$/cancelRequest", "params", Map.of("id", id)));
    }

    /** Params of an authorized request without its body. */
    static Map<String, Object> params(String credential, HttpRequest request) {
        Map<String, Object> params = new LinkedHashMap<>();
        params.put("credential", credential);
        params.put("method", request.method());
        params.put("url", request.uri().toString());
        Map<String, Object> headers = new LinkedHashMap<>();
        request.headers().map().forEach((name, values) -> headers.put(name, joined(name, values)));
        if (!headers.isEmpty()) params.put("headers", headers);
        request.timeout().ifPresent(timeout -> params.put("timeoutMs", timeoutMs(timeout)));
        return params;
    }

    private static String joined(String name, List<String> values) {
        return String.join(name.equalsIgnoreCase("cookie") ? "; " : ", ", values);
    }

    /** Adds the member that carries a short body. */
    static void putBody(Map<String, Object> params, byte[] body) {
        try {
            params.put("body", StandardCharsets.UTF_8.newDecoder().decode(ByteBuffer.wrap(body)).toString());
        } catch (CharacterCodingException error) {
            params.put("bodyBase64", Base64.getEncoder().encodeToString(body));
        }
    }
}
