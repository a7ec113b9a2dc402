package lamina.runtime;

import java.math.BigDecimal;
import java.math.BigInteger;
import java.nio.ByteBuffer;
import java.nio.CharBuffer;
import java.nio.charset.CharacterCodingException;
import java.nio.charset.StandardCharsets;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;

/** Reads one JSON text (RFC 8259) piece by piece; whoever reads says what is to come. */
final class JsonReader {
    /** Deeper than this nothing sensible is nested, and the stack would not bear it. */
    static final int MAX_DEPTH = 1000;

    private final String text;
    private int at;
    private int depth;

    JsonReader(byte[] json) throws JsonException {
        text = decoded(json);
    }

    private static String decoded(byte[] json) throws JsonException {
        try {
            CharBuffer decoded = StandardCharsets.UTF_8.newDecoder().decode(ByteBuffer.wrap(json));
            return decoded.toString();
        } catch (CharacterCodingException error) {
            throw new JsonException("Invalid UTF-8", error);
        }
    }

    /** The first character of the next token: one of <code>{ [ " t f n -</code> or a digit. */
    char peek() throws JsonException {
        skipBlanks();
        if (at == text.length()) {
            throw new JsonException("Unexpected end-of-input");
        }
        return text.charAt(at);
    }

    /** The name of the next token in the words that AWS's errors use. */
    String token() throws JsonException {
        char first = peek();
        switch (first) {
            case '{':
                return "START_OBJECT";
            case '[':
                return "START_ARRAY";
            case '"':
                return "VALUE_STRING";
            case 't':
                return "VALUE_TRUE";
            case 'f':
                return "VALUE_FALSE";
            case 'n':
                return "VALUE_NULL";
            default:
                return "VALUE_NUMBER";
        }
    }

    /** Begin an object or array, whose first character is {@code open}. */
    void open(char open) throws JsonException {
        expect(open);
        if (++depth > MAX_DEPTH) {
            throw new JsonException("Document nesting depth (" + depth + ") exceeds the maximum allowed");
        }
    }

    /** Whether the object or array that {@code close} ends has another element; {@code first} for the first time. */
    boolean more(char close, boolean first) throws JsonException {
        if (peek() == close) {
            at++;
            depth--;
            return false;
        }
        if (!first) {
            expect(',');
        }
        return true;
    }

    /** The name of a member, and the colon after it. */
    String name() throws JsonException {
        String name = string();
        expect(':');
        return name;
    }

    boolean takeNull() throws JsonException {
        if (peek() != 'n') {
            return false;
        }
        word("null");
        return true;
    }

    boolean bool() throws JsonException {
        boolean value = peek() == 't';
        word(value ? "true" : "false");
        return value;
    }

    String string() throws JsonException {
        expect('"');
        int from = at;
        int end = from;
        while (end < text.length() && text.charAt(end) >= ' ' && text.charAt(end) != '"' && text.charAt(end) != '\\') {
            end++;
        }
        if (end < text.length() && text.charAt(end) == '"') {
            at = end + 1;
            return text.substring(from, end);
        }
        StringBuilder built = new StringBuilder(text.substring(from, end));
        at = end;
        while (true) {
            char next = character();
            if (next == '"') {
                return built.toString();
            }
            if (next < ' ') {
                throw unexpected(next);
            }
            built.append(next == '\\' ? escaped() : next);
        }
    }

    private char escaped() throws JsonException {
        char kind = character();
        int known = "\"\\/bfnrt".indexOf(kind);
        if (known >= 0) {
            return "\"\\/\b\f\n\r\t".charAt(known);
        }
        if (kind != 'u' || at + 4 > text.length()) {
            throw unexpected(kind);
        }
        int value = 0;
        for (int end = at + 4; at < end; at++) {
            int digit = "0123456789abcdef".indexOf(Character.toLowerCase(text.charAt(at)));
            if (digit < 0) {
                throw unexpected(text.charAt(at));
            }
            value = value * 16 + digit;
        }
        return (char) value;
    }

    /** The characters of a number. */
    String number() throws JsonException {
        peek();
        int from = at;
        accept('-');
        if (!accept('0')) {
            digits();
        }
        if (accept('.')) {
            digits();
        }
        if (accept('e') || accept('E')) {
            if (!accept('+')) {
                accept('-');
            }
            digits();
        }
        return text.substring(from, at);
    }

    /** Whatever comes, as maps, lists, strings, numbers and booleans. */
    Object any() throws JsonException {
        switch (peek()) {
            case '{':
                Map<String, Object> members = new LinkedHashMap<>();
                open('{');
                for (boolean first = true; more('}', first); first = false) {
                    members.put(name(), any());
                }
                return members;
            case '[':
                List<Object> elements = new ArrayList<>();
                open('[');
                for (boolean first = true; more(']', first); first = false) {
                    elements.add(any());
                }
                return elements;
            case '"':
                return string();
            case 't':
            case 'f':
                return bool();
            case 'n':
                takeNull();
                return null;
            default:
                return natural(number());
        }
    }

    /** A number as the smallest of Integer, Long and BigInteger that holds it, or as Double when it is a fraction. */
    static Number natural(String number) {
        if (number.indexOf('.') >= 0 || number.indexOf('e') >= 0 || number.indexOf('E') >= 0) {
            return Double.valueOf(number);
        }
        if (number.length() < 19) {
            long value = Long.parseLong(number);
            if (value == (int) value) {
                return (int) value;
            }
            return value;
        }
        BigInteger value = new BigDecimal(number).toBigInteger();
        return value.bitLength() < 64 ? (Number) value.longValue() : value;
    }

    /** Make sure that nothing but blanks is left. */
    void end() throws JsonException {
        skipBlanks();
        if (at < text.length()) {
            throw unexpected(text.charAt(at));
        }
    }

    private void digits() throws JsonException {
        int from = at;
        while (at < text.length() && text.charAt(at) >= '0' && text.charAt(at) <= '9') {
            at++;
        }
        if (at == from) {
            throw at == text.length() ? new JsonException("Unexpected end-of-input") : unexpected(text.charAt(at));
        }
    }

    private boolean accept(char wanted) {
        boolean found = at < text.length() && text.charAt(at) == wanted;
        at += found ? 1 : 0;
        return found;
    }

    private void expect(char wanted) throws JsonException {
        if (peek() != wanted) {
            throw unexpected(text.charAt(at));
        }
        at++;
    }

    private void word(String word) throws JsonException {
        if (!text.startsWith(word, at)) {
            throw unexpected(text.charAt(at));
        }
        at += word.length();
    }

    private char character() throws JsonException {
        if (at == text.length()) {
            throw new JsonException("Unexpected end-of-input in VALUE_STRING");
        }
        return text.charAt(at++);
    }

    private void skipBlanks() {
        while (at < text.length() && " \t\r\n".indexOf(text.charAt(at)) >= 0) {
            at++;
        }
    }

    private JsonException unexpected(char found) {
        return new JsonException(String.format("Unexpected character ('%c' (code %d)) at %d", found, (int) found, at));
    }
}
