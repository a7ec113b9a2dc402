package lamina.runtime;

import java.lang.reflect.Constructor;
import java.lang.reflect.Method;

/** Objects of event classes that have no constructor without arguments, such as those of S3 notifications. */
final class Unconstructed {
    private Unconstructed() {}

    /** An object whose constructor has not run; only {@code allowed} classes are made that way. */
    static Object make(Class<?> type, boolean allowed) throws ReflectiveOperationException {
        if (!allowed || type.isInterface()) {
            throw new InstantiationException("it has no constructor without arguments");
        }
        Class<?> factory = Class.forName("sun.reflect.ReflectionFactory");
        Object instance = factory.getMethod("getReflectionFactory").invoke(null);
        Method forSerialization =
                factory.getMethod("newConstructorForSerialization", Class.class, Constructor.class);
        Constructor<?> plain = Object.class.getConstructor();
        return ((Constructor<?>) forSerialization.invoke(instance, type, plain)).newInstance();
    }
}
