package authd;

import java.net.URI;
import java.net.http.HttpHeaders;
import java.nio.charset.StandardCharsets;
import java.util.Base64;
import java.util.Map;

/** An API's answer, whole. A status of 400 or more is no exception. */
public final class AuthdResponse {
    private final Head head;
    private final byte[] body;
    private final boolean isRefreshed;

    private AuthdResponse(Head head, byte[] body, boolean isRefreshed) {
        this.head = head;
        this.body = body;
        this.isRefreshed = isRefreshed;
    }

    static AuthdResponse of(Map<String, Object> result) {
        String encoded = result.get("bodyBase64") instanceof String given ? given : "";
        byte[] body = result.get("body") instanceof String text
                ? text.getBytes(StandardCharsets.UTF_8)
                : Base64.getDecoder().decode(encoded);
        return new AuthdResponse(Head.of(result), body, Boolean.TRUE.equals(result.get("refreshed")));
    }

    /**
     * The status.
     *
     * @return such as 200
     */
    public int status() {
        return head.status();
    }

    /**
     * The words beside the status.
     *
     * @return such as OK, often empty
     */
    public String statusText() {
        return head.statusText();
    }

    /**
     * Where the answer is from.
     *
     * @return the URL after redirects
     */
    public URI url() {
        return head.url();
    }

    /**
     * The headers.
     *
     * @return the headers, with names in lower case
     */
    public HttpHeaders headers() {
        return head.headers();
    }

    /**
     * The body.
     *
     * @return its bytes
     */
    public byte[] body() {
        return body.clone();
    }

    /**
     * The body as text.
     *
     * @return the body, read as UTF-8
     */
    public String text() {
        return new String(body, StandardCharsets.UTF_8);
    }

    /**
     * Whether the token was renewed on the way, after a 401.
     *
     * @return true if it was
     */
    public boolean isRefreshed() {
        return isRefreshed;
    }

    @Override
    public String toString() {
        return "AuthdResponse[status=%d, url=%s]".formatted(status(), url());
    }
}
