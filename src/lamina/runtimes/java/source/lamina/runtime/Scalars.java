package lamina.runtime;

import java.lang.reflect.Constructor;
import java.lang.reflect.InvocationTargetException;
import java.lang.reflect.Method;
import java.lang.reflect.Modifier;
import java.math.BigDecimal;
import java.math.BigInteger;
import java.text.ParsePosition;
import java.text.SimpleDateFormat;
import java.util.Date;
import java.util.Locale;
import java.util.TimeZone;
import java.util.concurrent.atomic.AtomicBoolean;
import java.util.concurrent.atomic.AtomicInteger;
import java.util.concurrent.atomic.AtomicLong;

/** Values of one piece: numbers, dates, enumeration constants, and whatever can be made of a string. */
final class Scalars {
    private static final String[] DATES = {
        "yyyy-MM-dd'T'HH:mm:ss.SSSX",
        "yyyy-MM-dd'T'HH:mm:ssX",
        "yyyy-MM-dd'T'HH:mmX",
        "yyyy-MM-dd'T'HH:mm:ss.SSS",
        "yyyy-MM-dd'T'HH:mm:ss",
        "yyyy-MM-dd",
        "EEE, dd MMM yyyy HH:mm:ss zzz",
    };

    private Scalars() {}

    static boolean isNumber(Class<?> type) {
        return Number.class.isAssignableFrom(type)
                || type.isPrimitive() && type != boolean.class && type != char.class && type != void.class;
    }

    /** What a variable of a primitive type holds at first; null for other types. */
    static Object zero(Class<?> type) {
        if (type == boolean.class) {
            return false;
        }
        if (type == char.class) {
            return '\0';
        }
        return type.isPrimitive() ? number("0", type) : null;
    }

    /** The number of the type; a fraction loses what a whole number cannot hold. */
    static Object number(String text, Class<?> type) {
        if (type == double.class || type == Double.class) {
            return Double.valueOf(text);
        }
        if (type == float.class || type == Float.class) {
            return Float.valueOf(text);
        }
        if (type == BigDecimal.class) {
            return new BigDecimal(text);
        }
        if (type == Number.class) {
            return JsonReader.natural(text);
        }
        return whole(text, type);
    }

    private static Object whole(String text, Class<?> type) {
        BigDecimal exact = new BigDecimal(text);
        if (exact.scale() < -400) {
            throw new ArithmeticException("the number is too large");
        }
        BigInteger value = exact.toBigInteger();
        if (type == BigInteger.class) {
            return value;
        }
        if (type == long.class || type == Long.class) {
            return value.longValueExact();
        }
        if (type == int.class || type == Integer.class) {
            return value.intValueExact();
        }
        if (type == short.class || type == Short.class) {
            return value.shortValueExact();
        }
        if (type == byte.class || type == Byte.class) {
            return value.byteValueExact();
        }
        if (type == AtomicInteger.class) {
            return new AtomicInteger(value.intValueExact());
        }
        if (type == AtomicLong.class) {
            return new AtomicLong(value.longValueExact());
        }
        throw new NumberFormatException("a number cannot be a " + type.getName());
    }

    /** The value that a string stands for. Raises {@code JsonException} where the type has none for it. */
    static Object of(String text, Class<?> type) throws JsonException {
        try {
            return parsed(text, type);
        } catch (InvocationTargetException error) {
            throw unfit(text, type, error.getCause());
        } catch (ReflectiveOperationException | RuntimeException error) {
            throw unfit(text, type, error);
        }
    }

    private static Object parsed(String text, Class<?> type) throws ReflectiveOperationException {
        if (type.isAssignableFrom(String.class)) {
            return text;
        }
        if (text.isEmpty()) {
            return zero(type);
        }
        if (isNumber(type)) {
            return number(text.trim(), type);
        }
        if (type == boolean.class || type == Boolean.class) {
            return bool(text);
        }
        if (type == AtomicBoolean.class) {
            return new AtomicBoolean(bool(text));
        }
        if (type == char.class || type == Character.class) {
            return single(text);
        }
        if (Enum.class.isAssignableFrom(type)) {
            return constant(text, type);
        }
        if (type == Date.class) {
            return date(text);
        }
        return made(text, type);
    }

    private static boolean bool(String text) {
        if (text.equalsIgnoreCase("true") || text.equalsIgnoreCase("false")) {
            return Boolean.parseBoolean(text);
        }
        throw new IllegalArgumentException("only \"true\" or \"false\" recognized");
    }

    private static char single(String text) {
        if (text.length() != 1) {
            throw new IllegalArgumentException("it is not one character");
        }
        return text.charAt(0);
    }

    private static Object constant(String text, Class<?> type) {
        // The class of a constant with a body of its own is a subclass of the enumeration.
        Class<?> enumeration = type.isEnum() ? type : type.getSuperclass();
        for (Object constant : enumeration.getEnumConstants()) {
            if (((Enum<?>) constant).name().equals(text)) {
                return constant;
            }
        }
        throw new IllegalArgumentException("not one of the values accepted for Enum class");
    }

    private static Date date(String text) {
        if (text.matches("-?\\d+")) {
            return new Date(Long.parseLong(text));
        }
        for (String pattern : DATES) {
            SimpleDateFormat format = new SimpleDateFormat(pattern, Locale.ROOT);
            format.setTimeZone(TimeZone.getTimeZone("UTC"));
            format.setLenient(false);
            ParsePosition position = new ParsePosition(0);
            Date date = format.parse(text, position);
            if (date != null && position.getIndex() == text.length()) {
                return date;
            }
        }
        throw new IllegalArgumentException("not a valid representation of a date");
    }

    /** By the type's own {@code parse}, {@code fromString}, {@code valueOf}, or constructor for a string. */
    private static Object made(String text, Class<?> type) throws ReflectiveOperationException {
        for (String name : new String[] {"parse", "fromString", "valueOf", "of"}) {
            for (Class<?> parameter : new Class<?>[] {CharSequence.class, String.class}) {
                Method method = find(type, name, parameter);
                if (method != null) {
                    return method.invoke(null, text);
                }
            }
        }
        for (Constructor<?> constructor : type.getConstructors()) {
            if (constructor.getParameterCount() == 1 && constructor.getParameterTypes()[0] == String.class) {
                return constructor.newInstance(text);
            }
        }
        throw new InstantiationException("no String-argument constructor/factory method");
    }

    private static Method find(Class<?> type, String name, Class<?> parameter) {
        try {
            Method method = type.getMethod(name, parameter);
            boolean fits = Modifier.isStatic(method.getModifiers()) && type.isAssignableFrom(method.getReturnType());
            return fits ? method : null;
        } catch (NoSuchMethodException error) {
            return null;
        }
    }

    private static JsonException unfit(String text, Class<?> type, Throwable error) {
        String what = "Cannot deserialize value of type " + type.getName() + " from String \"" + text + "\": ";
        return new JsonException(what + error.getMessage(), error);
    }
}
