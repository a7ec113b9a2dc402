package lamina.runtime;

import java.lang.reflect.Array;
import java.lang.reflect.Constructor;
import java.lang.reflect.Modifier;
import java.lang.reflect.Type;
import java.math.BigDecimal;
import java.nio.ByteBuffer;
import java.time.Instant;
import java.util.ArrayDeque;
import java.util.ArrayList;
import java.util.Base64;
import java.util.Calendar;
import java.util.Collection;
import java.util.Date;
import java.util.EnumMap;
import java.util.EnumSet;
import java.util.HashMap;
import java.util.LinkedHashMap;
import java.util.LinkedHashSet;
import java.util.List;
import java.util.Map;
import java.util.TreeMap;
import java.util.TreeSet;
import java.util.concurrent.ConcurrentHashMap;
import java.util.concurrent.ConcurrentSkipListMap;

/** Makes objects of the function's own types from JSON. */
final class Binder {
    private static final Class<?>[] MAPS = {
        LinkedHashMap.class, TreeMap.class, ConcurrentHashMap.class, ConcurrentSkipListMap.class
    };
    private static final Class<?>[] COLLECTIONS = {
        ArrayList.class, LinkedHashSet.class, TreeSet.class, ArrayDeque.class
    };
    private static final Map<Type, Bean> BEANS = new ConcurrentHashMap<>();

    private Binder() {}

    /** The whole text as an object of the resolved type. */
    static Object read(byte[] json, Type type) throws JsonException {
        JsonReader in = new JsonReader(json);
        Object value = value(in, type, false);
        in.end();
        return value;
    }

    /** The properties of a type, looked up once. */
    static Bean bean(Type type) {
        Bean known = BEANS.get(type);
        if (known == null) {
            known = new Bean(type);
            BEANS.put(type, known);
        }
        return known;
    }

    /** {@code event}: whether it belongs to an object of AWS's event classes, whose dates are seconds. */
    private static Object value(JsonReader in, Type type, boolean event) throws JsonException {
        Class<?> raw = Types.raw(type);
        if (raw == Object.class) {
            return in.any();
        }
        char first = in.peek();
        if (first == 'n') {
            in.takeNull();
            return Scalars.zero(raw);
        }
        if (first == '{') {
            return Map.class.isAssignableFrom(raw) ? map(in, type, raw, event) : object(in, type, raw);
        }
        if (first == '[') {
            return sequence(in, type, raw, event);
        }
        if (first == '"') {
            return text(in.string(), raw);
        }
        return first == 't' || first == 'f' ? bool(in, raw) : number(in, raw, event);
    }

    private static Object object(JsonReader in, Type type, Class<?> raw) throws JsonException {
        if (isSimple(raw)) {
            throw unfit(in, raw);
        }
        Bean bean = bean(type);
        Map<Bean.Property, Object> values = new LinkedHashMap<>();
        in.open('{');
        for (boolean first = true; in.more('}', first); first = false) {
            String name = in.name();
            Bean.Property property = bean.property(name);
            if (property == null) {
                in.any();
                continue;
            }
            try {
                values.put(property, value(in, property.type, bean.event));
            } catch (JsonException error) {
                String place = " (through reference chain: " + raw.getName() + "[\"" + name + "\"])";
                throw new JsonException(error.getMessage() + place, error.getCause());
            }
        }
        return bean.create(values);
    }

    private static boolean isSimple(Class<?> raw) {
        return raw.isPrimitive()
                || raw.isArray()
                || raw.isEnum()
                || Collection.class.isAssignableFrom(raw)
                || Scalars.isNumber(raw)
                || raw.getName().startsWith("java.");
    }

    @SuppressWarnings("unchecked")
    private static Object map(JsonReader in, Type type, Class<?> raw, boolean event) throws JsonException {
        Type keys = Types.argument(type, Map.class, 0);
        Type values = Types.argument(type, Map.class, 1);
        Map<Object, Object> made = (Map<Object, Object>) newMap(raw, Types.raw(keys));
        in.open('{');
        for (boolean first = true; in.more('}', first); first = false) {
            Object key = Scalars.of(in.name(), Types.raw(keys));
            made.put(key, value(in, values, event));
        }
        return made;
    }

    @SuppressWarnings({"unchecked", "rawtypes"})
    private static Object newMap(Class<?> raw, Class<?> keys) throws JsonException {
        return raw == EnumMap.class ? new EnumMap(keys) : newest(raw, MAPS);
    }

    @SuppressWarnings({"unchecked", "rawtypes"})
    private static Object sequence(JsonReader in, Type type, Class<?> raw, boolean event) throws JsonException {
        if (raw.isArray()) {
            return array(in, raw.getComponentType(), event);
        }
        if (!Iterable.class.isAssignableFrom(raw) || Map.class.isAssignableFrom(raw)) {
            throw unfit(in, raw);
        }
        Type elements = Types.argument(type, Iterable.class, 0);
        Collection<Object> made = raw == EnumSet.class
                ? (Collection) EnumSet.noneOf((Class) Types.raw(elements))
                : (Collection<Object>) newest(raw, COLLECTIONS);
        in.open('[');
        for (boolean first = true; in.more(']', first); first = false) {
            made.add(value(in, elements, event));
        }
        return made;
    }

    private static Object array(JsonReader in, Class<?> component, boolean event) throws JsonException {
        List<Object> elements = new ArrayList<>();
        in.open('[');
        for (boolean first = true; in.more(']', first); first = false) {
            elements.add(value(in, component, event));
        }
        Object array = Array.newInstance(component, elements.size());
        for (int index = 0; index < elements.size(); index++) {
            Array.set(array, index, elements.get(index));
        }
        return array;
    }

    /** An object of the class itself, or of the first of these that is one. */
    private static Object newest(Class<?> raw, Class<?>[] usual) throws JsonException {
        if (raw.isInterface() || Modifier.isAbstract(raw.getModifiers())) {
            for (Class<?> candidate : usual) {
                if (raw.isAssignableFrom(candidate)) {
                    return made(candidate);
                }
            }
        }
        return made(raw);
    }

    private static Object made(Class<?> raw) throws JsonException {
        try {
            Constructor<?> constructor = raw.getDeclaredConstructor();
            if (!Modifier.isPublic(constructor.getModifiers()) || !Modifier.isPublic(raw.getModifiers())) {
                constructor.setAccessible(true);
            }
            return constructor.newInstance();
        } catch (ReflectiveOperationException | RuntimeException error) {
            throw new JsonException("Cannot construct instance of " + raw.getName(), error);
        }
    }

    private static Object text(String text, Class<?> raw) throws JsonException {
        if (raw == byte[].class || raw == ByteBuffer.class) {
            byte[] decoded = decoded(text);
            return raw == byte[].class ? decoded : ByteBuffer.wrap(decoded);
        }
        if (raw == char[].class) {
            return text.toCharArray();
        }
        if (Calendar.class.isAssignableFrom(raw)) {
            return calendar((Date) Scalars.of(text, Date.class));
        }
        return Scalars.of(text, raw);
    }

    private static byte[] decoded(String text) throws JsonException {
        try {
            return Base64.getDecoder().decode(text.replaceAll("\\s", "").replace('-', '+').replace('_', '/'));
        } catch (IllegalArgumentException error) {
            throw new JsonException("Failed to decode VALUE_STRING as base64: " + error.getMessage(), error);
        }
    }

    private static Object bool(JsonReader in, Class<?> raw) throws JsonException {
        if (raw == boolean.class || raw.isAssignableFrom(Boolean.class)) {
            return in.bool();
        }
        if (raw.isAssignableFrom(String.class) || raw.getName().equals("java.util.concurrent.atomic.AtomicBoolean")) {
            return Scalars.of(String.valueOf(in.bool()), raw);
        }
        throw unfit(in, raw);
    }

    private static Object number(JsonReader in, Class<?> raw, boolean event) throws JsonException {
        if (raw == boolean.class || raw == Boolean.class) {
            return new BigDecimal(in.number()).signum() != 0;
        }
        if (Scalars.isNumber(raw) || raw.isAssignableFrom(String.class)) {
            return Scalars.of(in.number(), raw);
        }
        if (raw == Date.class || Calendar.class.isAssignableFrom(raw)) {
            BigDecimal number = new BigDecimal(in.number());
            Date date = new Date((event ? number.movePointRight(3) : number).longValue());
            return raw == Date.class ? date : calendar(date);
        }
        if (raw == Instant.class) {
            BigDecimal seconds = new BigDecimal(in.number());
            BigDecimal nanoseconds = seconds.remainder(BigDecimal.ONE).movePointRight(9);
            return Instant.ofEpochSecond(seconds.longValue(), nanoseconds.longValue());
        }
        if (raw.isEnum()) {
            return constant(in, raw);
        }
        if (event) {
            return Scalars.of(in.number(), raw);
        }
        throw unfit(in, raw);
    }

    private static Object constant(JsonReader in, Class<?> raw) throws JsonException {
        String number = in.number();
        Object[] constants = raw.getEnumConstants();
        if (number.length() > 9 || !number.matches("\\d+") || Integer.parseInt(number) >= constants.length) {
            throw new JsonException("Cannot deserialize value of type " + raw.getName() + " from number " + number);
        }
        return constants[Integer.parseInt(number)];
    }

    private static Calendar calendar(Date date) {
        if (date == null) {
            return null;
        }
        Calendar calendar = Calendar.getInstance();
        calendar.setTime(date);
        return calendar;
    }

    private static JsonException unfit(JsonReader in, Class<?> raw) throws JsonException {
        String text = "Can not deserialize instance of " + raw.getTypeName() + " out of " + in.token() + " token";
        return new JsonException(text);
    }
}
