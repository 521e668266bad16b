package authd;

import java.net.URI;
import java.net.http.HttpRequest;
import java.nio.file.Path;
import java.time.Duration;
import java.util.Map;
import java.util.concurrent.CompletableFuture;

/**
 * A client of authd. It connects with its first call, and again after a restart of the daemon; all threads may share
 * it. Every call throws {@link AuthdException}, or its future fails with it; to cancel a future takes the call back.
 *
 * <p>A call waits 65 s longer than its time-out, as a person may have to say yes first.
 */
public final class Authd implements AutoCloseable {
    private final Session session;

    /** Makes a client of the daemon that AUTHD_SOCKET names, or of this user's own. */
    public Authd() {
        this(null);
    }

    /**
     * Makes a client of the daemon on a socket.
     *
     * @param socket the path of the daemon's socket; null for the usual one
     */
    public Authd(Path socket) {
        this(socket, Wire.GRACE);
    }

    /**
     * Makes a client that waits for the daemon as long as it is told.
     *
     * @param socket the path of the daemon's socket; null for the usual one
     * @param grace how much longer than its time-out a call waits
     */
    public Authd(Path socket, Duration grace) {
        this.session = new Session(socket, grace);
    }

    Session session() {
        return session;
    }

    /**
     * Returns a valid token, and the headers to send with it.
     *
     * @param credential the name of the credential
     * @return the token
     */
    public Token getToken(String credential) {
        return getToken(credential, TokenOptions.NONE);
    }

    /**
     * Returns a token, and the headers to send with it.
     *
     * @param credential the name of the credential
     * @param options what the token must be like
     * @return the token
     */
    public Token getToken(String credential, TokenOptions options) {
        return Token.of(object(Call.await(start("getToken", options.params(credential)))));
    }

    /**
     * Returns a valid token, and the headers to send with it, without waiting.
     *
     * @param credential the name of the credential
     * @return the token, when it is there
     */
    public CompletableFuture<Token> getTokenAsync(String credential) {
        return getTokenAsync(credential, TokenOptions.NONE);
    }

    /**
     * Returns a token, and the headers to send with it, without waiting.
     *
     * @param credential the name of the credential
     * @param options what the token must be like
     * @return the token, when it is there
     */
    public CompletableFuture<Token> getTokenAsync(String credential, TokenOptions options) {
        CompletableFuture<Object> result = start("getToken", options.params(credential));
        return Call.promise(session, result, token -> Token.of(object(token)));
    }

    /**
     * Adds what the API wants to a request that this program sends itself. After a 401 call it again, with
     * {@link TokenOptions.Builder#rejectedToken the refused token}, and send the request once more.
     *
     * @param credential the name of the credential
     * @param request the request, with its URL and method
     * @return the token
     */
    public Token authorize(String credential, HttpRequest.Builder request) {
        return authorize(credential, request, TokenOptions.NONE);
    }

    /**
     * Adds what the API wants to a request that this program sends itself.
     *
     * @param credential the name of the credential
     * @param request the request, with its URL and method
     * @param options what the token must be like
     * @return the token
     */
    public Token authorize(String credential, HttpRequest.Builder request, TokenOptions options) {
        HttpRequest sample = request.build();
        URI url = sample.uri();
        Token token = getToken(credential, options.toBuilder().forRequest(sample.method(), url).build());
        if (!token.body().isEmpty()) {
            String text = credential + ": its token belongs in the body. Send the request through authd.";
            throw new AuthdException("invalid_params", text);
        }
        token.headers().forEach(request::setHeader);
        if (!token.query().isEmpty()) request.uri(Query.with(url, token.query()));
        return token;
    }

    /**
     * Has authd send a request, so that this program never sees the token, and returns the whole answer. Bodies that
     * are streamed are sent by an {@link AuthdHttpClient}.
     *
     * @param credential the name of the credential
     * @param request the request
     * @return the answer, of 4 MiB at most
     */
    public AuthdResponse request(String credential, HttpRequest request) {
        return response(Call.await(send(Wire.params(credential, request), request)));
    }

    /**
     * Has authd send a request, and returns the whole answer.
     *
     * @param credential the name of the credential
     * @param request the request
     * @param mostBytes how long the body of the answer may be; authd allows 32 MiB at most
     * @return the answer
     */
    public AuthdResponse request(String credential, HttpRequest request, int mostBytes) {
        return response(Call.await(send(limited(credential, request, mostBytes), request)));
    }

    /**
     * Has authd send a request, without waiting.
     *
     * @param credential the name of the credential
     * @param request the request
     * @return the answer, of 4 MiB at most, when it is there
     */
    public CompletableFuture<AuthdResponse> requestAsync(String credential, HttpRequest request) {
        return Call.promise(session, send(Wire.params(credential, request), request), Authd::response);
    }

    /**
     * Has authd send a request, without waiting.
     *
     * @param credential the name of the credential
     * @param request the request
     * @param mostBytes how long the body of the answer may be; authd allows 32 MiB at most
     * @return the answer, when it is there
     */
    public CompletableFuture<AuthdResponse> requestAsync(String credential, HttpRequest request, int mostBytes) {
        return Call.promise(session, send(limited(credential, request, mostBytes), request), Authd::response);
    }

    /**
     * Calls any method of the protocol.
     *
     * @param method its name
     * @param params strings, numbers, booleans, null, lists and maps
     * @return the result, of the same types
     */
    public Object call(String method, Map<String, ?> params) {
        return Call.await(start(method, params));
    }

    /**
     * Calls any method of the protocol, without waiting.
     *
     * @param method its name
     * @param params strings, numbers, booleans, null, lists and maps
     * @return the result, of the same types, when it is there
     */
    public CompletableFuture<Object> callAsync(String method, Map<String, ?> params) {
        return Call.promise(session, start(method, params), result -> result);
    }

    /**
     * Has a listener told of notifications from now on, also after a restart of the daemon.
     *
     * @param subscription which ones
     * @param listener who is told; a listener that is given twice is told once
     */
    public void subscribe(Subscription subscription, NotificationListener listener) {
        boolean isNew = session.add(listener);
        try {
            CompletableFuture<Object> result = new CompletableFuture<>();
            Call call = Call.start(session, "subscribe", subscription.params(), result);
            Call.await(result);
            session.watch(subscription, call.connection());
        } catch (AuthdException error) {
            if (isNew) session.remove(listener);
            throw error;
        }
    }

    /** Ends all subscriptions. */
    public void unsubscribe() {
        session.unwatch(null);
        call("unsubscribe", Map.of());
    }

    /**
     * Ends the subscriptions to one credential.
     *
     * @param credential its name
     */
    public void unsubscribe(String credential) {
        session.unwatch(credential);
        call("unsubscribe", Map.of("credential", credential));
    }

    /** Ends the connection; what is in flight fails with the reason {@code cancelled}. */
    @Override
    public void close() {
        session.close();
    }

    private CompletableFuture<Object> start(String method, Map<String, ?> params) {
        CompletableFuture<Object> result = new CompletableFuture<>();
        Call.start(session, method, params, result);
        return result;
    }

    private CompletableFuture<Object> send(Map<String, Object> params, HttpRequest request) {
        CompletableFuture<Object> result = new CompletableFuture<>();
        Requests.send(session, params, request, result);
        return result;
    }

    private static Map<String, Object> limited(String credential, HttpRequest request, int mostBytes) {
        Map<String, Object> params = Wire.params(credential, request);
        params.put("maxResponseBytes", mostBytes);
        return params;
    }

    private static AuthdResponse response(Object result) {
        return AuthdResponse.of(object(result));
    }

    private static Map<String, Object> object(Object result) {
        if (result instanceof Map<?, ?> given) return Json.object(given);
        throw new AuthdException("request_failed", "authd has answered with no object.");
    }
}
