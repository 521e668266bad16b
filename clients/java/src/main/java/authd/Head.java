package authd;

import java.net.URI;
import java.net.URISyntaxException;
import java.net.http.HttpHeaders;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;

/** What an API's answer begins with. */
record Head(int status, String statusText, URI url, HttpHeaders headers) {
    /** Characters that authd leaves in a URL and java.net.URI does not take. */
    private static final String NOT_IN_A_URI = "\"<>\\^`{|} []";

    static Head of(Map<String, Object> answer) {
        int status = answer.get("status") instanceof Number given ? given.intValue() : 0;
        String text = answer.get("statusText") instanceof String given ? given : "";
        Map<String, List<String>> headers = new LinkedHashMap<>();
        if (answer.get("headers") instanceof Map<?, ?> given)
            given.forEach((name, value) -> headers.put((String) name, values(value)));
        return new Head(status, text, uri((String) answer.get("url")), HttpHeaders.of(headers, (name, value) -> true));
    }

    private static List<String> values(Object value) {
        return value instanceof List<?> given ? given.stream().map(String::valueOf).toList() : List.of((String) value);
    }

    private static URI uri(String url) {
        try {
            return new URI(url);
        } catch (URISyntaxException error) {
            StringBuilder encoded = new StringBuilder();
            for (char c : url.toCharArray()) {
                if (NOT_IN_A_URI.indexOf(c) < 0) encoded.append(c);
                else encoded.append("%%%02X".formatted((int) c));
            }
            return URI.create(encoded.toString());
        }
    }
}
