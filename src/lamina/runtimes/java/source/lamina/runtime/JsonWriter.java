package lamina.runtime;

import java.io.File;
import java.io.UncheckedIOException;
import java.lang.reflect.Array;
import java.lang.reflect.InvocationTargetException;
import java.lang.reflect.Type;
import java.nio.ByteBuffer;
import java.nio.charset.StandardCharsets;
import java.util.Base64;
import java.util.Calendar;
import java.util.Date;
import java.util.Iterator;
import java.util.Map;
import java.util.concurrent.atomic.AtomicBoolean;

/** Writes objects as JSON, with the choices of AWS's runtime: no properties that are null, dates as milliseconds. */
final class JsonWriter {
    private static final String HEX = "0123456789abcdef";
    private static final Class<?>[] WRITTEN_AS_TEXT = {
        CharSequence.class,
        Character.class,
        java.util.UUID.class,
        java.net.URL.class,
        java.net.URI.class,
        java.util.Locale.class,
        java.util.Currency.class,
        java.util.TimeZone.class,
        java.util.regex.Pattern.class,
        java.nio.file.Path.class,
        File.class,
    };

    private final StringBuilder out = new StringBuilder(256);
    private int depth;

    private JsonWriter() {}

    /** The bytes of a value. What a getter throws comes as {@code JsonException}. */
    static byte[] of(Object value) throws JsonException {
        JsonWriter writer = new JsonWriter();
        writer.value(value);
        return writer.out.toString().getBytes(StandardCharsets.UTF_8);
    }

    /** The bytes of a value of the runtime's own, which has no cycles and no getters. */
    static byte[] bytes(Object value) {
        try {
            return of(value);
        } catch (JsonException error) {
            throw new UncheckedIOException(error);
        }
    }

    private void value(Object value) throws JsonException {
        if (value == null) {
            out.append("null");
        } else if (value instanceof String) {
            string((String) value);
        } else if (value instanceof Number) {
            number((Number) value);
        } else if (value instanceof Boolean || value instanceof AtomicBoolean) {
            out.append(value);
        } else if (value instanceof Enum) {
            string(((Enum<?>) value).name());
        } else if (value instanceof Date) {
            out.append(((Date) value).getTime());
        } else if (value instanceof Calendar) {
            out.append(((Calendar) value).getTimeInMillis());
        } else if (isText(value)) {
            string(value.toString());
        } else if (value instanceof Class) {
            string(((Class<?>) value).getName());
        } else {
            nested(value);
        }
    }

    private static boolean isText(Object value) {
        for (Class<?> type : WRITTEN_AS_TEXT) {
            if (type.isInstance(value)) {
                return true;
            }
        }
        String name = value.getClass().getName();
        return name.startsWith("java.time.") || name.startsWith("org.joda.time.");
    }

    private void nested(Object value) throws JsonException {
        if (++depth > JsonReader.MAX_DEPTH) {
            String text = "Document nesting depth (" + depth + ") exceeds the maximum allowed: does ";
            throw new JsonException(text + value.getClass().getName() + " refer to itself?");
        }
        if (value instanceof Map) {
            map((Map<?, ?>) value);
        } else if (value instanceof Iterable) {
            elements(((Iterable<?>) value).iterator());
        } else if (value instanceof Iterator) {
            elements((Iterator<?>) value);
        } else if (value instanceof byte[]) {
            string(Base64.getEncoder().encodeToString((byte[]) value));
        } else if (value instanceof char[]) {
            string(new String((char[]) value));
        } else if (value instanceof ByteBuffer) {
            buffer(((ByteBuffer) value).duplicate());
        } else if (value.getClass().isArray()) {
            array(value);
        } else {
            bean(value, value.getClass());
        }
        depth--;
    }

    private void map(Map<?, ?> map) throws JsonException {
        out.append('{');
        char before = 0;
        for (Map.Entry<?, ?> entry : map.entrySet()) {
            before = separated(before);
            string(key(entry.getKey()));
            out.append(':');
            value(entry.getValue());
        }
        out.append('}');
    }

    private static String key(Object key) throws JsonException {
        if (key == null) {
            throw new JsonException("Null key for a Map not allowed in JSON");
        }
        return key instanceof Enum ? ((Enum<?>) key).name() : key.toString();
    }

    private void elements(Iterator<?> elements) throws JsonException {
        out.append('[');
        char before = 0;
        while (elements.hasNext()) {
            before = separated(before);
            value(elements.next());
        }
        out.append(']');
    }

    private void array(Object array) throws JsonException {
        out.append('[');
        char before = 0;
        for (int index = 0; index < Array.getLength(array); index++) {
            before = separated(before);
            value(Array.get(array, index));
        }
        out.append(']');
    }

    private void bean(Object value, Type type) throws JsonException {
        out.append('{');
        char before = 0;
        for (Bean.Property property : Binder.bean(type).properties()) {
            Object member = property.readable() ? member(value, property) : null;
            if (member != null) {
                before = separated(before);
                string(property.name);
                out.append(':');
                value(member);
            }
        }
        out.append('}');
    }

    private static Object member(Object owner, Bean.Property property) throws JsonException {
        try {
            return property.get(owner);
        } catch (InvocationTargetException error) {
            String place = owner.getClass().getName() + "[\"" + property.name + "\"]";
            throw new JsonException(error.getCause() + " (through reference chain: " + place + ")", error.getCause());
        } catch (ReflectiveOperationException error) {
            throw new JsonException(error.getMessage(), error);
        }
    }

    private void buffer(ByteBuffer buffer) {
        byte[] content = new byte[buffer.remaining()];
        buffer.get(content);
        string(Base64.getEncoder().encodeToString(content));
    }

    private char separated(char before) {
        if (before != 0) {
            out.append(before);
        }
        return ',';
    }

    private void number(Number number) {
        double value = number instanceof Double || number instanceof Float ? number.doubleValue() : 0;
        if (Double.isNaN(value) || Double.isInfinite(value)) {
            string(number.toString());
        } else {
            out.append(number);
        }
    }

    private void string(String text) {
        out.append('"');
        for (int index = 0; index < text.length(); index++) {
            char each = text.charAt(index);
            if (each == '"' || each == '\\') {
                out.append('\\').append(each);
            } else if (each < ' ' || isLonely(text, index)) {
                escape(each);
            } else {
                out.append(each);
            }
        }
        out.append('"');
    }

    /** Half of a surrogate pair has no UTF-8 form, but an escape. */
    private static boolean isLonely(String text, int index) {
        char each = text.charAt(index);
        if (Character.isHighSurrogate(each)) {
            return index + 1 == text.length() || !Character.isLowSurrogate(text.charAt(index + 1));
        }
        return Character.isLowSurrogate(each) && (index == 0 || !Character.isHighSurrogate(text.charAt(index - 1)));
    }

    private void escape(char character) {
        int known = "\b\f\n\r\t".indexOf(character);
        if (known >= 0) {
            out.append('\\').append("bfnrt".charAt(known));
            return;
        }
        out.append("\\u");
        for (int shift = 12; shift >= 0; shift -= 4) {
            out.append(HEX.charAt(character >> shift & 15));
        }
    }
}
