package authd;

import java.net.URI;
import java.net.URLDecoder;
import java.net.URLEncoder;
import java.nio.charset.StandardCharsets;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;

/** Parameters in a URL. */
final class Query {
    private Query() {}

    /** Returns the URL with these parameters, in the place of those of the same names. */
    static URI with(URI url, Map<String, String> parameters) {
        List<String> parts = new ArrayList<>();
        String query = url.getRawQuery();
        for (String part : query == null || query.isEmpty() ? new String[0] : query.split("&"))
            if (!parameters.containsKey(decoded(part.split("=", 2)[0]))) parts.add(part);
        parameters.forEach((name, value) -> parts.add(encoded(name) + "=" + encoded(value)));
        String text = url.toString();
        int end = text.indexOf('#') < 0 ? text.length() : text.indexOf('#');
        int start = text.indexOf('?') < 0 ? end : Math.min(end, text.indexOf('?'));
        return URI.create(text.substring(0, start) + "?" + String.join("&", parts) + text.substring(end));
    }

    private static String encoded(String text) {
        return URLEncoder.encode(text, StandardCharsets.UTF_8).replace("+", "%20");
    }

    private static String decoded(String text) {
        try {
            return URLDecoder.decode(text, StandardCharsets.UTF_8);
        } catch (IllegalArgumentException error) {
            return text;
        }
    }
}
