package lamina.runtime;

import java.lang.reflect.Method;
import java.util.ArrayList;
import java.util.List;

/** The public methods of a class as its source has them. */
final class Methods {
    private Methods() {}

    /**
     * All but those that the compiler has added. Where it did so only because a superclass is not public, the method
     * that is meant stands in that superclass.
     */
    static List<Method> of(Class<?> type) {
        List<Method> written = new ArrayList<>();
        List<Method> added = new ArrayList<>();
        for (Method method : type.getMethods()) {
            (method.isBridge() ? added : written).add(method);
        }
        List<Method> found = new ArrayList<>(written);
        for (Method bridge : added) {
            Method original = original(bridge);
            if (original != null && !hasAlike(written, bridge)) {
                found.add(original);
            }
        }
        return found;
    }

    private static boolean hasAlike(List<Method> methods, Method bridge) {
        for (Method method : methods) {
            if (isAlike(method, bridge)) {
                return true;
            }
        }
        return false;
    }

    private static boolean isAlike(Method one, Method other) {
        return one.getName().equals(other.getName()) && one.getParameterCount() == other.getParameterCount();
    }

    private static Method original(Method bridge) {
        Class<?> owner = bridge.getDeclaringClass().getSuperclass();
        for (; owner != null; owner = owner.getSuperclass()) {
            try {
                Method method = owner.getDeclaredMethod(bridge.getName(), bridge.getParameterTypes());
                if (!method.isBridge()) {
                    return method;
                }
            } catch (NoSuchMethodException error) {
                continue;
            }
        }
        return null;
    }
}
