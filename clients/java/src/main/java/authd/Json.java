package authd;

import java.math.BigInteger;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.regex.Pattern;

/** JSON as maps, lists, strings, numbers (Long, BigInteger, Double), booleans and null. */
final class Json {
    /** Arrays and objects inside one another. */
    private static final int MOST_NESTED = 500;

    private static final Pattern NUMBER = Pattern.compile("-?(0|[1-9]\\d*)(\\.\\d+)?([eE][-+]?\\d+)?");

    private final String text;
    private int at;

    private Json(String text) {
        this.text = text;
    }

    /** Reads one value. Throws IllegalArgumentException at what is no JSON. */
    static Object read(String text) {
        Json reader = new Json(text);
        Object value = reader.value(0);
        reader.peek();
        if (reader.at < text.length()) throw reader.broken();
        return value;
    }

    /** Reads one object. Throws IllegalArgumentException at anything else. */
    static Map<String, Object> readObject(String text) {
        if (read(text) instanceof Map<?, ?> given) return object(given);
        throw new IllegalArgumentException("This is no JSON object.");
    }

    /** What was read has strings as keys. */
    @SuppressWarnings("unchecked")
    static Map<String, Object> object(Map<?, ?> read) {
        return (Map<String, Object>) read;
    }

    /** Writes a value. Throws IllegalArgumentException at what JSON has no word for. */
    static String write(Object value) {
        StringBuilder out = new StringBuilder();
        write(value, out, 0);
        return out.toString();
    }

    private static void write(Object value, StringBuilder out, int depth) {
        if (depth > MOST_NESTED) throw new IllegalArgumentException("The value is nested too deeply.");
        if (value == null || value instanceof Boolean) out.append(value);
        else if (value instanceof CharSequence given) writeString(given, out);
        else if (value instanceof Number given) writeNumber(given, out);
        else if (value instanceof Map<?, ?> given) writeObject(given, out, depth);
        else if (value instanceof Iterable<?> given) writeArray(given, out, depth);
        else throw new IllegalArgumentException("JSON has no " + value.getClass().getName() + ".");
    }

    private static void writeNumber(Number value, StringBuilder out) {
        if (!Double.isFinite(value.doubleValue()) && (value instanceof Double || value instanceof Float))
            throw new IllegalArgumentException("JSON has no " + value + ".");
        out.append(value);
    }

    private static void writeObject(Map<?, ?> value, StringBuilder out, int depth) {
        String before = "{";
        for (Map.Entry<?, ?> member : value.entrySet()) {
            out.append(before);
            writeString(String.valueOf(member.getKey()), out);
            out.append(':');
            write(member.getValue(), out, depth + 1);
            before = ",";
        }
        out.append(value.isEmpty() ? "{}" : "}");
    }

    private static void writeArray(Iterable<?> value, StringBuilder out, int depth) {
        out.append('[');
        String before = "";
        for (Object element : value) {
            out.append(before);
            write(element, out, depth + 1);
            before = ",";
        }
        out.append(']');
    }

    private static void writeString(CharSequence value, StringBuilder out) {
        out.append('"');
        int length = value.length();
        for (int at = 0; at < length; at++) {
            char c = value.charAt(at);
            boolean isPair = Character.isHighSurrogate(c)
                    && at + 1 < length
                    && Character.isLowSurrogate(value.charAt(at + 1));
            if (isPair) out.append(c).append(value.charAt(++at));
            else if (c == '"' || c == '\\') out.append('\\').append(c);
            else if (c < ' ' || Character.isSurrogate(c)) writeCodeUnit(c, out);
            else out.append(c);
        }
        out.append('"');
    }

    private static void writeCodeUnit(char c, StringBuilder out) {
        out.append("\\u");
        for (int shift = 12; shift >= 0; shift -= 4) out.append(Character.forDigit((c >> shift) & 15, 16));
    }

    private Object value(int depth) {
        if (depth > MOST_NESTED) throw broken();
        return switch (peek()) {
            case '{' -> readMembers(depth);
            case '[' -> readElements(depth);
            case '"' -> readString();
            case 't' -> word("true", true);
            case 'f' -> word("false", false);
            case 'n' -> word("null", null);
            default -> readNumber();
        };
    }

    private Map<String, Object> readMembers(int depth) {
        Map<String, Object> members = new LinkedHashMap<>();
        at++;
        if (taken('}')) return members;
        do {
            if (peek() != '"') throw broken();
            String name = readString();
            if (!taken(':')) throw broken();
            members.put(name, value(depth + 1));
        } while (taken(','));
        if (!taken('}')) throw broken();
        return members;
    }

    private List<Object> readElements(int depth) {
        List<Object> elements = new ArrayList<>();
        at++;
        if (taken(']')) return elements;
        do elements.add(value(depth + 1));
        while (taken(','));
        if (!taken(']')) throw broken();
        return elements;
    }

    private Object word(String word, Object value) {
        if (!text.startsWith(word, at)) throw broken();
        at += word.length();
        return value;
    }

    private Object readNumber() {
        int start = at;
        while (at < text.length() && "+-.eE0123456789".indexOf(text.charAt(at)) >= 0) at++;
        String number = text.substring(start, at);
        if (!NUMBER.matcher(number).matches()) throw broken();
        if (number.chars().anyMatch(c -> c == '.' || c == 'e' || c == 'E')) return Double.valueOf(number);
        if (number.length() < 19) return Long.valueOf(number);
        return new BigInteger(number);
    }

    private String readString() {
        int start = ++at;
        for (; at < text.length(); at++) {
            char c = text.charAt(at);
            if (c == '"') return text.substring(start, at++);
            if (c == '\\') return readEscaped(start);
            if (c < ' ') throw broken();
        }
        throw broken();
    }

    /** Reads on at the first escape of a string that begins at {@code start}. */
    private String readEscaped(int start) {
        StringBuilder out = new StringBuilder(text.length() > 1024 ? 1024 : 64).append(text, start, at);
        while (at < text.length()) {
            char c = text.charAt(at++);
            if (c == '"') return out.toString();
            if (c < ' ') throw broken();
            out.append(c == '\\' ? readEscape() : c);
        }
        throw broken();
    }

    private char readEscape() {
        char c = at < text.length() ? text.charAt(at++) : 0;
        return switch (c) {
            case '"', '\\', '/' -> c;
            case 'b' -> '\b';
            case 'f' -> '\f';
            case 'n' -> '\n';
            case 'r' -> '\r';
            case 't' -> '\t';
            case 'u' -> readCodeUnit();
            default -> throw broken();
        };
    }

    private char readCodeUnit() {
        int unit = 0;
        for (int end = at + 4; at < end; at++) {
            int digit = at < text.length() ? Character.digit(text.charAt(at), 16) : -1;
            if (digit < 0) throw broken();
            unit = unit * 16 + digit;
        }
        return (char) unit;
    }

    /** Passes over white space; returns the character after it, 0 at the end. */
    private char peek() {
        while (at < text.length() && " \t\r\n".indexOf(text.charAt(at)) >= 0) at++;
        return at < text.length() ? text.charAt(at) : 0;
    }

    private boolean taken(char wanted) {
        boolean isIt = peek() == wanted;
        if (isIt) at++;
        return isIt;
    }

    /** The text may hold secrets: the error tells only where. */
    private IllegalArgumentException broken() {
        return new IllegalArgumentException("This is no JSON at character " + at + ".");
    }
}
