package authd;

import java.time.Duration;
import java.util.HashMap;
import java.util.Map;
import java.util.Optional;

/** An error of authd. Programs go by {@link #reason()}; the message is for people. Neither ever holds a secret. */
public final class AuthdException extends RuntimeException {
    private static final long serialVersionUID = 1;

    /** What went wrong, by its name in the protocol. */
    private final String reason;
    /** The credential, or null. */
    private final String credential;
    /** Milliseconds before another try makes sense, or null. */
    private final Long retryAfterMs;
    /** What the issuer said, or null. */
    private final HashMap<String, Object> oauth;

    /**
     * Makes an error.
     *
     * @param reason one of the protocol's reasons
     * @param message what a person reads
     */
    public AuthdException(String reason, String message) {
        this(reason, message, null);
    }

    AuthdException(String reason, String message, Throwable cause) {
        super(message, cause);
        this.reason = reason;
        this.credential = null;
        this.retryAfterMs = null;
        this.oauth = null;
    }

    private AuthdException(String message, Map<?, ?> data) {
        super(message);
        this.reason = data.get("reason") instanceof String given ? given : "internal";
        this.credential = data.get("credential") instanceof String given ? given : null;
        this.retryAfterMs = data.get("retryAfterMs") instanceof Number given ? given.longValue() : null;
        this.oauth = data.get("oauth") instanceof Map<?, ?> given ? new HashMap<>(Json.object(given)) : null;
    }

    private AuthdException(AuthdException original) {
        super(original.getMessage(), original);
        this.reason = original.reason;
        this.credential = original.credential;
        this.retryAfterMs = original.retryAfterMs;
        this.oauth = original.oauth;
    }

    /** Makes the exception of a JSON-RPC error. */
    static AuthdException of(Map<?, ?> error) {
        Map<?, ?> data = error.get("data") instanceof Map<?, ?> given ? given : Map.of();
        String message = error.get("message") instanceof String given ? given : "authd told no reason.";
        return new AuthdException(message, data);
    }

    /** Makes the same error with the stack of the thread that waited for it. */
    AuthdException here() {
        return new AuthdException(this);
    }

    static AuthdException cancelled(String message) {
        return new AuthdException("cancelled", message);
    }

    /**
     * What went wrong, by its name in the protocol: {@code unknown_credential}, {@code login_required},
     * {@code issuer_unavailable}, {@code no_daemon} and so on. A later authd may add some.
     *
     * @return the reason
     */
    public String reason() {
        return reason;
    }

    /**
     * The credential that the error is about.
     *
     * @return its name, if it is about one
     */
    public Optional<String> credential() {
        return Optional.ofNullable(credential);
    }

    /**
     * How long to wait before another try makes sense.
     *
     * @return the time from now, if authd knows it
     */
    public Optional<Duration> retryAfter() {
        return Optional.ofNullable(retryAfterMs).map(Duration::ofMillis);
    }

    /**
     * What the issuer said: {@code error}, {@code error_description}, {@code status}.
     *
     * @return the members, empty if it said nothing
     */
    public Map<String, Object> oauth() {
        return oauth == null ? Map.of() : new HashMap<>(oauth);
    }
}
