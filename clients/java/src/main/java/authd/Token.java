package authd;

import java.time.Instant;
import java.util.Collections;
import java.util.LinkedHashMap;
import java.util.Map;
import java.util.Optional;

/**
 * A token, and all that an API wants with it.
 *
 * @param accessToken the token itself
 * @param tokenType such as Bearer
 * @param expiresAt its end, if the issuer told one
 * @param scope what it is for, if the issuer told that
 * @param headers every header that the API wants, names in lower case, ready to send
 * @param query parameters that the API wants in the query, not encoded
 * @param body members that the API wants in the body
 * @param extra values of the issuer's answer that the credential keeps
 */
public record Token(
        String accessToken,
        String tokenType,
        Optional<Instant> expiresAt,
        Optional<String> scope,
        Map<String, String> headers,
        Map<String, String> query,
        Map<String, String> body,
        Map<String, String> extra) {

    static Token of(Map<String, Object> result) {
        return new Token(
                (String) result.get("accessToken"),
                (String) result.get("tokenType"),
                Optional.ofNullable((Number) result.get("expiresAt")).map(ms -> Instant.ofEpochMilli(ms.longValue())),
                Optional.ofNullable((String) result.get("scope")),
                texts(result.get("headers")),
                texts(result.get("query")),
                texts(result.get("body")),
                texts(result.get("extra")));
    }

    private static Map<String, String> texts(Object members) {
        Map<String, String> texts = new LinkedHashMap<>();
        if (members instanceof Map<?, ?> given)
            given.forEach((name, value) -> texts.put((String) name, String.valueOf(value)));
        return Collections.unmodifiableMap(texts);
    }

    /** Returns a text without the token. */
    @Override
    public String toString() {
        return "Token[tokenType=%s, expiresAt=%s, scope=%s]".formatted(tokenType, expiresAt, scope);
    }
}
