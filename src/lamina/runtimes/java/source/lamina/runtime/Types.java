package lamina.runtime;

import java.lang.reflect.Array;
import java.lang.reflect.GenericArrayType;
import java.lang.reflect.ParameterizedType;
import java.lang.reflect.Type;
import java.lang.reflect.TypeVariable;
import java.lang.reflect.WildcardType;
import java.util.Arrays;
import java.util.HashMap;
import java.util.Map;

/** What the variables of generic classes stand for. Resolved types are classes and parameterized types of such. */
final class Types {
    private Types() {}

    /** The class of a resolved type. */
    static Class<?> raw(Type type) {
        return type instanceof Class ? (Class<?>) type : (Class<?>) ((ParameterizedType) type).getRawType();
    }

    /** What the type variables of the type, of its superclasses and of its interfaces stand for. */
    static Map<TypeVariable<?>, Type> variables(Type type) {
        Map<TypeVariable<?>, Type> found = new HashMap<>();
        collect(type, found);
        return found;
    }

    /** The type with its variables replaced; one that is not known is taken for its bound. */
    static Type resolve(Type type, Map<TypeVariable<?>, Type> variables) {
        if (type instanceof TypeVariable) {
            Type known = variables.get(type);
            return known != null ? known : erased(((TypeVariable<?>) type).getBounds()[0], variables);
        }
        if (type instanceof WildcardType) {
            return resolve(((WildcardType) type).getUpperBounds()[0], variables);
        }
        if (type instanceof GenericArrayType) {
            Type component = resolve(((GenericArrayType) type).getGenericComponentType(), variables);
            return Array.newInstance(raw(component), 0).getClass();
        }
        if (type instanceof ParameterizedType) {
            ParameterizedType generic = (ParameterizedType) type;
            Type[] arguments = generic.getActualTypeArguments();
            for (int index = 0; index < arguments.length; index++) {
                arguments[index] = resolve(arguments[index], variables);
            }
            return new Resolved((Class<?>) generic.getRawType(), generic.getOwnerType(), arguments);
        }
        return type;
    }

    /** The type that the variable number {@code index} of {@code generic} has in {@code type}, a subtype of it. */
    static Type argument(Type type, Class<?> generic, int index) {
        return resolve(generic.getTypeParameters()[index], variables(type));
    }

    /** A bound may speak of the very variable that it bounds, as in {@code T extends Comparable<T>}. */
    private static Type erased(Type bound, Map<TypeVariable<?>, Type> variables) {
        if (bound instanceof ParameterizedType) {
            return ((ParameterizedType) bound).getRawType();
        }
        return resolve(bound, variables);
    }

    private static void collect(Type type, Map<TypeVariable<?>, Type> found) {
        if (type == null) {
            return;
        }
        if (type instanceof ParameterizedType) {
            TypeVariable<?>[] variables = raw(type).getTypeParameters();
            Type[] arguments = ((ParameterizedType) type).getActualTypeArguments();
            for (int index = 0; index < variables.length; index++) {
                found.put(variables[index], resolve(arguments[index], found));
            }
            Type owner = ((ParameterizedType) type).getOwnerType();
            if (owner instanceof ParameterizedType) {
                collect(owner, found);
            }
        }
        Class<?> raw = raw(type);
        collect(raw.getGenericSuperclass(), found);
        for (Type each : raw.getGenericInterfaces()) {
            collect(each, found);
        }
    }

    private static final class Resolved implements ParameterizedType {
        private final Class<?> raw;
        private final Type owner;
        private final Type[] arguments;

        Resolved(Class<?> raw, Type owner, Type[] arguments) {
            this.raw = raw;
            this.owner = owner;
            this.arguments = arguments;
        }

        @Override
        public Type[] getActualTypeArguments() {
            return arguments.clone();
        }

        @Override
        public Type getRawType() {
            return raw;
        }

        @Override
        public Type getOwnerType() {
            return owner;
        }

        @Override
        public boolean equals(Object other) {
            return other instanceof Resolved
                    && raw == ((Resolved) other).raw
                    && Arrays.equals(arguments, ((Resolved) other).arguments);
        }

        @Override
        public int hashCode() {
            return raw.hashCode() ^ Arrays.hashCode(arguments);
        }

        @Override
        public String toString() {
            return raw.getName() + Arrays.toString(arguments);
        }
    }
}
