package lamina.runtime;

import java.io.ByteArrayInputStream;
import java.io.ByteArrayOutputStream;
import java.io.InputStream;
import java.io.OutputStream;
import java.io.UncheckedIOException;
import java.lang.reflect.Constructor;
import java.lang.reflect.InvocationTargetException;
import java.lang.reflect.Method;
import java.lang.reflect.Modifier;
import java.lang.reflect.Type;
import java.util.ArrayList;
import java.util.List;

/**
 * Finding a function by its {@code Handler} setting: {@code package.Class::method}, or {@code package.Class} for a
 * class that implements one of AWS's interfaces.
 *
 * <p>Nothing on the way to the first invocation is a lambda expression: the first of them costs a start some
 * milliseconds more than a class does.
 */
final class Handlers {
    private static final String NO_METHOD = "java.lang.NoSuchMethodException";

    private final Interfaces interfaces;
    private final Class<?> owner;

    private Handlers(Class<?> owner, Interfaces interfaces) {
        this.owner = owner;
        this.interfaces = interfaces;
    }

    /** The function. Raises {@code BadHandler}, or what the function's own code throws while it is loaded. */
    static Handler load(String name, ClassLoader loader, Interfaces interfaces) throws Throwable {
        String[] parts = name.split("::", -1);
        if (name.isEmpty() || parts.length > 2 || parts[0].isEmpty() || parts[parts.length - 1].isEmpty()) {
            throw new BadHandler("Invalid handler: `" + name + "'", "java.lang.IllegalArgumentException", null);
        }
        Handlers handlers = new Handlers(classOf(parts[0], loader), interfaces);
        return parts.length == 1 ? handlers.ofInterface() : handlers.ofMethod(parts[1]);
    }

    private static Class<?> classOf(String name, ClassLoader loader) throws BadHandler {
        try {
            return Class.forName(name, true, loader);
        } catch (ClassNotFoundException error) {
            throw new BadHandler("Class not found: " + name, error.getClass().getName(), null);
        } catch (LinkageError error) {
            throw new BadHandler("Error loading class " + name, error.getClass().getName(), causeOf(error));
        }
    }

    private Handler ofInterface() throws Throwable {
        Class<?> plain = interfaces.requestHandler;
        Class<?> stream = interfaces.requestStreamHandler;
        if (plain != null && plain.isAssignableFrom(owner)) {
            Type input = Types.argument(owner, plain, 0);
            return call(only(plain, "handleRequest"), input, true);
        }
        if (stream != null && stream.isAssignableFrom(owner)) {
            return stream(only(stream, "handleRequest"));
        }
        String text = "Class " + owner.getName() + " does not implement an appropriate handler interface";
        throw new BadHandler(text, "java.lang.ClassCastException", null);
    }

    private static Method only(Class<?> type, String name) throws BadHandler {
        for (Method method : type.getMethods()) {
            if (method.getName().equals(name)) {
                return method;
            }
        }
        throw new BadHandler("No public method named " + name + " on " + type, NO_METHOD, null);
    }

    private Handler ofMethod(String name) throws Throwable {
        Method best = null;
        try {
            for (Method method : Methods.of(owner)) {
                if (method.getName().equals(name) && fits(method.getParameterTypes())) {
                    best = best == null || rank(method) > rank(best) ? method : best;
                }
            }
        } catch (LinkageError error) {
            String text = "Error loading method " + name + " on class " + owner.getName();
            throw new BadHandler(text, error.getClass().getName(), causeOf(error));
        }
        if (best == null) {
            String text = "No public method named " + name + " with appropriate method signature found on class ";
            throw new BadHandler(text + owner.getName(), NO_METHOD, null);
        }
        if (!Modifier.isPublic(best.getDeclaringClass().getModifiers())) {
            best.setAccessible(true);
        }
        return isStream(best.getParameterTypes()) ? stream(best) : plain(best);
    }

    /** Most parameters first, and among equals the one with the context last: AWS's rule for overloaded methods. */
    private int rank(Method method) {
        return method.getParameterCount() * 2 + (endsWithContext(method.getParameterTypes()) ? 1 : 0);
    }

    private boolean fits(Class<?>[] parameters) {
        return isStream(parameters)
                || parameters.length < 2
                || parameters.length == 2 && endsWithContext(parameters);
    }

    private boolean isStream(Class<?>[] parameters) {
        return parameters.length >= 2
                && parameters.length <= 3
                && parameters[0] == InputStream.class
                && parameters[1] == OutputStream.class
                && (parameters.length == 2 || endsWithContext(parameters));
    }

    private boolean endsWithContext(Class<?>[] parameters) {
        return parameters.length > 0 && interfaces.isContext(parameters[parameters.length - 1]);
    }

    private Handler plain(Method method) throws Throwable {
        boolean context = endsWithContext(method.getParameterTypes());
        boolean input = method.getParameterCount() > (context ? 1 : 0);
        Type type = input ? Types.resolve(method.getGenericParameterTypes()[0], Types.variables(owner)) : null;
        return call(method, type, context);
    }

    /** Calls the method with the event, when there is an {@code input} type for it, and the context. */
    private Handler call(Method method, Type input, boolean context) throws Throwable {
        Object instance = instance(method);
        return new Handler() {
            @Override
            public byte[] handle(Invocation invocation) throws Throwable {
                List<Object> arguments = new ArrayList<>(2);
                if (input != null) {
                    arguments.add(event(invocation.payload, input));
                }
                if (context) {
                    arguments.add(interfaces.context(invocation));
                }
                return result(invoke(method, instance, arguments.toArray()));
            }
        };
    }

    private Handler stream(Method method) throws Throwable {
        Object instance = instance(method);
        boolean context = method.getParameterCount() == 3;
        return new Handler() {
            @Override
            public byte[] handle(Invocation invocation) throws Throwable {
                InputStream input = new ByteArrayInputStream(invocation.payload);
                ByteArrayOutputStream output = new ByteArrayOutputStream(1024);
                Object about = context ? interfaces.context(invocation) : null;
                invoke(method, instance, context ? new Object[] {input, output, about} : new Object[] {input, output});
                return output.toByteArray();
            }
        };
    }

    private Object instance(Method method) throws Throwable {
        if (Modifier.isStatic(method.getModifiers())) {
            return null;
        }
        try {
            Constructor<?> constructor = owner.getConstructor();
            if (!Modifier.isPublic(owner.getModifiers())) {
                constructor.setAccessible(true);
            }
            return constructor.newInstance();
        } catch (NoSuchMethodException error) {
            String text = "Class " + owner.getName() + " has no public zero-argument constructor";
            throw new BadHandler(text, NO_METHOD, null);
        } catch (InstantiationException error) {
            String text = "Class " + owner.getName() + " cannot be instantiated: it is abstract";
            throw new BadHandler(text, error.getClass().getName(), null);
        } catch (InvocationTargetException error) {
            throw error.getCause();
        }
    }

    private static Object invoke(Method method, Object instance, Object[] arguments) throws Throwable {
        try {
            return method.invoke(instance, arguments);
        } catch (InvocationTargetException error) {
            throw error.getCause();
        }
    }

    private static Object event(byte[] payload, Type type) {
        try {
            return Binder.read(payload, type);
        } catch (JsonException error) {
            throw new RuntimeException("An error occurred during JSON parsing", new UncheckedIOException(error));
        }
    }

    private static byte[] result(Object value) {
        try {
            return JsonWriter.of(value);
        } catch (JsonException error) {
            throw new RuntimeException(
                    "An error occurred during JSON serialization of response", new UncheckedIOException(error));
        }
    }

    private static Throwable causeOf(Throwable error) {
        return error.getCause() == null ? error : error.getCause();
    }
}
