package lamina.runtime;

import java.lang.reflect.AccessibleObject;
import java.lang.reflect.Constructor;
import java.lang.reflect.Field;
import java.lang.reflect.InvocationTargetException;
import java.lang.reflect.Member;
import java.lang.reflect.Method;
import java.lang.reflect.Modifier;
import java.lang.reflect.Type;
import java.lang.reflect.TypeVariable;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.Collection;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import java.util.TreeMap;

/** The properties of a class, as the rules for Java beans and for records have them. */
final class Bean {
    /** The event classes of AWS's library differ from their JSON in capitals and hyphens. */
    private static final String EVENTS = "com.amazonaws.services.lambda.runtime.events.";

    /** What {@code Class.getRecordComponents} and its elements offer since Java 16. */
    private static final Method RECORD_COMPONENTS = method(Class.class, "getRecordComponents");

    final boolean event;
    private final Class<?> raw;
    private final Map<TypeVariable<?>, Type> variables;
    private final Map<String, Property> properties = new LinkedHashMap<>();
    private final Map<String, Property> loosely = new LinkedHashMap<>();
    private List<String> components;
    private Constructor<?> constructor;

    Bean(Type type) {
        raw = Types.raw(type);
        variables = Types.variables(type);
        event = raw.getName().startsWith(EVENTS);
        if (!raw.isInterface()) {
            addFields(raw);
        }
        addMethods();
        if (isRecord()) {
            findComponents();
        } else {
            constructor = zeroArguments();
        }
        for (Property property : new ArrayList<>(properties.values())) {
            if (!property.visible()) {
                properties.remove(property.name);
            } else if (event) {
                loosely.put(loose(property.name), property);
            }
        }
    }

    Collection<Property> properties() {
        return properties.values();
    }

    /** The property for a member of a JSON object, or null. */
    Property property(String name) {
        Property found = properties.get(name);
        return found == null && event ? loosely.get(loose(name)) : found;
    }

    /** A new object with these values. */
    Object create(Map<Property, Object> values) throws JsonException {
        try {
            if (components != null) {
                return record(values);
            }
            Object made = constructor == null ? Unconstructed.make(raw, event) : constructor.newInstance();
            for (Map.Entry<Property, Object> entry : values.entrySet()) {
                entry.getKey().set(made, entry.getValue());
            }
            return made;
        } catch (InvocationTargetException error) {
            throw new JsonException(raw.getName() + ": " + error.getCause(), error.getCause());
        } catch (ReflectiveOperationException | IllegalArgumentException error) {
            throw new JsonException("Cannot construct instance of " + raw.getName() + ": " + error.getMessage(), error);
        }
    }

    private Object record(Map<Property, Object> values) throws ReflectiveOperationException {
        Object[] arguments = new Object[components.size()];
        for (int index = 0; index < arguments.length; index++) {
            Property property = properties.get(components.get(index));
            Object value = values.get(property);
            arguments[index] = value == null ? Scalars.zero(Types.raw(property.type)) : value;
        }
        return constructor.newInstance(arguments);
    }

    private boolean isRecord() {
        return raw.getSuperclass() != null && raw.getSuperclass().getName().equals("java.lang.Record");
    }

    private void findComponents() {
        try {
            List<Class<?>> types = new ArrayList<>();
            components = new ArrayList<>();
            for (Object component : (Object[]) RECORD_COMPONENTS.invoke(raw)) {
                String name = (String) method(component.getClass(), "getName").invoke(component);
                types.add((Class<?>) method(component.getClass(), "getType").invoke(component));
                components.add(name);
                Method accessor = (Method) method(component.getClass(), "getAccessor").invoke(component);
                open(accessor);
                named(name, accessor.getGenericReturnType()).getter = accessor;
            }
            constructor = raw.getDeclaredConstructor(types.toArray(new Class<?>[0]));
            open(constructor);
        } catch (ReflectiveOperationException error) {
            throw new IllegalStateException(error);
        }
    }

    private Constructor<?> zeroArguments() {
        if (raw.isInterface() || Modifier.isAbstract(raw.getModifiers())) {
            return null;
        }
        try {
            Constructor<?> found = raw.getDeclaredConstructor();
            return open(found) ? found : null;
        } catch (NoSuchMethodException error) {
            return null;
        }
    }

    /** Fields come first, those of superclasses before all: this is the order in which properties are written. */
    private void addFields(Class<?> owner) {
        if (owner.getSuperclass() != null && owner.getSuperclass() != Object.class) {
            addFields(owner.getSuperclass());
        }
        for (Field field : owner.getDeclaredFields()) {
            if (!Modifier.isStatic(field.getModifiers()) && !field.isSynthetic()) {
                boolean hidden = Modifier.isTransient(field.getModifiers());
                Property property = named(field.getName(), field.getGenericType());
                property.field = !hidden && open(field) ? field : null;
                property.isPublic = property.field != null && Modifier.isPublic(field.getModifiers());
            }
        }
    }

    private void addMethods() {
        Collection<Method> methods = ownMethods();
        for (Method method : methods) {
            String getter = getterOf(method);
            if (getter != null && open(method)) {
                Property property = named(getter, method.getGenericReturnType());
                if (property.getter == null || !method.getName().startsWith("is")) {
                    property.getter = method;
                }
            }
        }
        for (Method method : methods) {
            if (isSetter(method) && open(method)) {
                Type type = method.getGenericParameterTypes()[0];
                Property property = named(decapitalized(method.getName().substring(3)), type);
                // Of several setters the one is meant that takes what the getter gives.
                if (property.setter == null || Types.raw(property.type) == method.getParameterTypes()[0]) {
                    property.setter = method;
                }
            }
        }
        for (Property property : properties.values()) {
            property.settle(variables);
        }
    }

    /** Sorted, because a class gives its methods in any order. */
    private Collection<Method> ownMethods() {
        Map<String, Method> sorted = new TreeMap<>();
        for (Method method : Methods.of(raw)) {
            if (!Modifier.isStatic(method.getModifiers()) && method.getDeclaringClass() != Object.class) {
                sorted.put(method.getName() + Arrays.toString(method.getParameterTypes()), method);
            }
        }
        return sorted.values();
    }

    private static String getterOf(Method method) {
        String name = method.getName();
        Class<?> given = method.getReturnType();
        if (method.getParameterCount() > 0 || given == void.class) {
            return null;
        }
        if (name.startsWith("get") && name.length() > 3) {
            return decapitalized(name.substring(3));
        }
        boolean bool = given == boolean.class || given == Boolean.class;
        return bool && name.startsWith("is") && name.length() > 2 ? decapitalized(name.substring(2)) : null;
    }

    private static boolean isSetter(Method method) {
        return method.getName().startsWith("set")
                && method.getName().length() > 3
                && method.getParameterCount() == 1;
    }

    /** The first letter in lower case, except where the second is a capital too: {@code URL} stays. */
    private static String decapitalized(String name) {
        if (name.length() > 1 && Character.isUpperCase(name.charAt(0)) && Character.isUpperCase(name.charAt(1))) {
            return name;
        }
        return Character.toLowerCase(name.charAt(0)) + name.substring(1);
    }

    private static String loose(String name) {
        return name.replace("-", "").replace("_", "").toLowerCase(Locale.ROOT);
    }

    private Property named(String name, Type type) {
        Property known = properties.get(name);
        if (known == null) {
            known = new Property(name, Types.resolve(type, variables));
            properties.put(name, known);
        }
        return known;
    }

    private static <T extends AccessibleObject & Member> boolean open(T member) {
        if (Modifier.isPublic(member.getModifiers()) && Modifier.isPublic(member.getDeclaringClass().getModifiers())) {
            return true;
        }
        try {
            member.setAccessible(true);
            return true;
        } catch (RuntimeException error) {
            return false; // A module of the class library keeps it to itself.
        }
    }

    private static Method method(Class<?> owner, String name) {
        try {
            return owner.getMethod(name);
        } catch (NoSuchMethodException error) {
            return null;
        }
    }

    /** One property: how it is read, how it is written, and its type. */
    static final class Property {
        final String name;
        Type type;
        Method getter;
        Method setter;
        Field field;
        boolean isPublic;

        Property(String name, Type type) {
            this.name = name;
            this.type = type;
        }

        boolean readable() {
            return getter != null || isPublic;
        }

        boolean visible() {
            return readable() || setter != null;
        }

        Object get(Object owner) throws ReflectiveOperationException {
            return getter != null ? getter.invoke(owner) : field.get(owner);
        }

        /** A property that can only be read is left as it is. */
        void set(Object owner, Object value) throws ReflectiveOperationException {
            if (value == null && Types.raw(type).isPrimitive()) {
                return;
            }
            if (setter != null) {
                setter.invoke(owner, value);
            } else if (field != null) {
                field.set(owner, value);
            }
        }

        private void settle(Map<TypeVariable<?>, Type> variables) {
            if (setter != null) {
                type = Types.resolve(setter.getGenericParameterTypes()[0], variables);
            } else if (field != null) {
                type = Types.resolve(field.getGenericType(), variables);
            }
        }
    }
}
