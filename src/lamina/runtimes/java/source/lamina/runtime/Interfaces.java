package lamina.runtime;

import java.lang.reflect.InvocationHandler;
import java.lang.reflect.InvocationTargetException;
import java.lang.reflect.Method;
import java.lang.reflect.Proxy;
import java.nio.charset.StandardCharsets;
import java.util.LinkedHashMap;
import java.util.Map;

/**
 * The interfaces of {@code com.amazonaws.services.lambda.runtime}, as the function's package has them.
 *
 * <p>A package without them has no {@code Context} and no {@code RequestHandler}; the members are null then.
 */
final class Interfaces {
    private static final String PACKAGE = "com.amazonaws.services.lambda.runtime.";

    final Class<?> requestHandler;
    final Class<?> requestStreamHandler;
    private final Class<?> context;
    private final ClassLoader loader;
    private final Environment environment;
    private final Log log;
    private Object logger;

    Interfaces(ClassLoader loader, Environment environment, Log log) {
        this.loader = loader;
        this.environment = environment;
        this.log = log;
        requestHandler = find("RequestHandler");
        requestStreamHandler = find("RequestStreamHandler");
        context = find("Context");
    }

    /** Whether a parameter of this type is the context object. */
    boolean isContext(Class<?> type) {
        return type == context;
    }

    /** The context object of an invocation. */
    Object context(Invocation invocation) throws JsonException {
        Map<String, Object> identity = parsed(invocation.cognitoIdentity());
        Map<String, Object> client = parsed(invocation.clientContext());
        return proxy("Context", new InvocationHandler() {
            @Override
            public Object invoke(Object self, Method method, Object[] arguments) throws Throwable {
                switch (method.getName()) {
                    case "getAwsRequestId":
                        return invocation.requestId();
                    case "getLogGroupName":
                        return environment.logGroupName;
                    case "getLogStreamName":
                        return environment.logStreamName;
                    case "getFunctionName":
                        return environment.functionName;
                    case "getFunctionVersion":
                        return environment.functionVersion;
                    case "getInvokedFunctionArn":
                        return invocation.functionArn();
                    case "getRemainingTimeInMillis":
                        return (int) Math.max(0, invocation.deadline() - System.currentTimeMillis());
                    case "getMemoryLimitInMB":
                        return environment.memoryLimit;
                    case "getLogger":
                        return logger();
                    case "getTenantId":
                        return invocation.tenantId();
                    case "getXrayTraceId":
                        return invocation.traceId().isEmpty() ? null : invocation.traceId();
                    case "getIdentity":
                        return identity == null ? null : identity(identity);
                    case "getClientContext":
                        return client == null ? null : clientContext(client);
                    default:
                        return other("LambdaContext(" + invocation.requestId() + ")", self, method, arguments);
                }
            }
        });
    }

    private Object logger() {
        if (logger == null) {
            logger = proxy("LambdaLogger", new InvocationHandler() {
                @Override
                public Object invoke(Object self, Method method, Object[] arguments) throws Throwable {
                    return log(self, method, arguments);
                }
            });
        }
        return logger;
    }

    private Object identity(Map<String, Object> fields) {
        return proxy("CognitoIdentity", new InvocationHandler() {
            @Override
            public Object invoke(Object self, Method method, Object[] arguments) throws Throwable {
                switch (method.getName()) {
                    case "getIdentityId":
                        return text(fields.get("cognitoIdentityId"));
                    case "getIdentityPoolId":
                        return text(fields.get("cognitoIdentityPoolId"));
                    default:
                        return other("CognitoIdentity" + fields, self, method, arguments);
                }
            }
        });
    }

    private Object clientContext(Map<String, Object> fields) {
        return proxy("ClientContext", new InvocationHandler() {
            @Override
            public Object invoke(Object self, Method method, Object[] arguments) throws Throwable {
                switch (method.getName()) {
                    case "getClient":
                        return fields.get("client") instanceof Map ? client((Map<?, ?>) fields.get("client")) : null;
                    case "getCustom":
                        return texts(fields.get("custom"));
                    case "getEnvironment":
                        return texts(fields.get("env"));
                    default:
                        return other("ClientContext" + fields, self, method, arguments);
                }
            }
        });
    }

    private Object client(Map<?, ?> fields) {
        return proxy("Client", new InvocationHandler() {
            @Override
            public Object invoke(Object self, Method method, Object[] arguments) throws Throwable {
                switch (method.getName()) {
                    case "getInstallationId":
                        return text(fields.get("installation_id"));
                    case "getAppTitle":
                        return text(fields.get("app_title"));
                    case "getAppVersionName":
                        return text(fields.get("app_version_name"));
                    case "getAppVersionCode":
                        return text(fields.get("app_version_code"));
                    case "getAppPackageName":
                        return text(fields.get("app_package_name"));
                    default:
                        return other("Client" + fields, self, method, arguments);
                }
            }
        });
    }

    private Object log(Object self, Method method, Object[] arguments) throws Throwable {
        if (!method.getName().equals("log")) {
            return other("LambdaLogger", self, method, arguments);
        }
        String level = arguments.length > 1 && arguments[1] != null ? ((Enum<?>) arguments[1]).name() : null;
        if (arguments[0] instanceof byte[]) {
            log.write((byte[]) arguments[0], level);
        } else {
            log.write((String) arguments[0], level);
        }
        return null;
    }

    /** What all objects can do, and what later versions of an interface bring with a body of their own. */
    private static Object other(String text, Object self, Method method, Object[] arguments) throws Throwable {
        switch (method.getName()) {
            case "toString":
                return text;
            case "hashCode":
                return System.identityHashCode(self);
            case "equals":
                return self == arguments[0];
            default:
                if (!method.isDefault()) {
                    throw new UnsupportedOperationException(method.toString());
                }
                return invokeDefault(self, method, arguments);
        }
    }

    /** {@code InvocationHandler.invokeDefault} is there since Java 16. */
    private static Object invokeDefault(Object self, Method method, Object[] arguments) throws Throwable {
        try {
            Method invoke =
                    InvocationHandler.class.getMethod("invokeDefault", Object.class, Method.class, Object[].class);
            return invoke.invoke(null, self, method, arguments);
        } catch (NoSuchMethodException error) {
            throw new UnsupportedOperationException(method.toString());
        } catch (InvocationTargetException error) {
            throw error.getCause();
        }
    }

    private Object proxy(String name, InvocationHandler handler) {
        Class<?> type = find(name);
        return type == null ? null : Proxy.newProxyInstance(loader, new Class<?>[] {type}, handler);
    }

    private Class<?> find(String name) {
        try {
            return Class.forName(PACKAGE + name, false, loader);
        } catch (ClassNotFoundException error) {
            return null;
        }
    }

    @SuppressWarnings("unchecked")
    private static Map<String, Object> parsed(String json) throws JsonException {
        Object value = json.isEmpty() ? null : new JsonReader(json.getBytes(StandardCharsets.UTF_8)).any();
        return value instanceof Map ? (Map<String, Object>) value : null;
    }

    private static String text(Object value) {
        return value == null ? null : value.toString();
    }

    private static Map<String, String> texts(Object value) {
        if (!(value instanceof Map)) {
            return null;
        }
        Map<String, String> texts = new LinkedHashMap<>();
        for (Map.Entry<?, ?> entry : ((Map<?, ?>) value).entrySet()) {
            texts.put((String) entry.getKey(), text(entry.getValue()));
        }
        return texts;
    }
}
