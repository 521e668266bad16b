package authd;

import java.net.URI;
import java.time.Duration;
import java.util.LinkedHashMap;
import java.util.Map;

/** What a token must be like. */
public final class TokenOptions {
    /** Any valid token. */
    static final TokenOptions NONE = newBuilder().build();

    private final Map<String, Object> params;

    private TokenOptions(Map<String, Object> params) {
        this.params = params;
    }

    /**
     * Begins with any valid token.
     *
     * @return a builder
     */
    public static Builder newBuilder() {
        return new Builder(Map.of());
    }

    /** Returns a builder that begins with these. */
    Builder toBuilder() {
        return new Builder(params);
    }

    /** Params of {@code getToken}. */
    Map<String, Object> params(String credential) {
        Map<String, Object> all = new LinkedHashMap<>();
        all.put("credential", credential);
        all.putAll(params);
        return all;
    }

    /** Collects options. */
    public static final class Builder {
        private final Map<String, Object> params;

        private Builder(Map<String, Object> params) {
            this.params = new LinkedHashMap<>(params);
        }

        /**
         * Asks for a token that stays valid for a time.
         *
         * @param time at least so long, in whole seconds
         * @return this
         */
        public Builder minValidity(Duration time) {
            return with("minValidity", time.toSeconds());
        }

        /**
         * Asks for another scope than the credential's own.
         *
         * @param scope names, separated by blanks
         * @return this
         */
        public Builder scope(String scope) {
            return with("scope", scope);
        }

        /**
         * Asks for another audience than the credential's own.
         *
         * @param audience for whom the token is meant
         * @return this
         */
        public Builder audience(String audience) {
            return with("audience", audience);
        }

        /**
         * Asks for a token that is obtained now.
         *
         * @return this
         */
        public Builder forceRefresh() {
            return with("forceRefresh", true);
        }

        /**
         * Names a token that an API has refused with 401: it is renewed unless a newer one is there.
         *
         * @param accessToken the refused token
         * @return this
         */
        public Builder rejectedToken(String accessToken) {
            return with("rejectedToken", accessToken);
        }

        /**
         * Limits how long authd may work on it; by default 30 s.
         *
         * @param time how long
         * @return this
         */
        public Builder timeout(Duration time) {
            return with("timeoutMs", Wire.timeoutMs(time));
        }

        /**
         * Names the request that the token is for, where a proof is made for each (DPoP).
         *
         * @param method its method
         * @param url its URL
         * @return this
         */
        public Builder forRequest(String method, URI url) {
            return with("method", method).with("url", url.toString());
        }

        /**
         * Has authd open the browser on its own desktop if a person must sign in first.
         *
         * @return this
         */
        public Builder interactive() {
            return with("interactive", true);
        }

        /**
         * Ends the collection.
         *
         * @return the options
         */
        public TokenOptions build() {
            return new TokenOptions(Map.copyOf(params));
        }

        private Builder with(String name, Object value) {
            if (value == null) params.remove(name);
            else params.put(name, value);
            return this;
        }
    }
}
