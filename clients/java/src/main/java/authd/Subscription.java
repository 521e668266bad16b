package authd;

import java.util.LinkedHashMap;
import java.util.Map;

/**
 * Which notifications a program wants.
 *
 * @param credential the credential that they are about, or null for all
 * @param events every event, in place of {@code token/refreshed} and {@code credential/stateChanged}
 * @param approvals the questions to a person, too
 */
public record Subscription(String credential, boolean events, boolean approvals) {
    /**
     * Notifications about every credential.
     *
     * @return the subscription
     */
    public static Subscription toAll() {
        return new Subscription(null, false, false);
    }

    /**
     * Notifications about one credential.
     *
     * @param credential its name
     * @return the subscription
     */
    public static Subscription to(String credential) {
        return new Subscription(credential, false, false);
    }

    Map<String, Object> params() {
        Map<String, Object> params = new LinkedHashMap<>();
        if (credential != null) params.put("credential", credential);
        if (events) params.put("events", true);
        if (approvals) params.put("approvals", true);
        return params;
    }
}
