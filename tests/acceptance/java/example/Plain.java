package example;

import com.amazonaws.services.lambda.runtime.Client;
import com.amazonaws.services.lambda.runtime.ClientContext;
import com.amazonaws.services.lambda.runtime.Context;
import com.amazonaws.services.lambda.runtime.RequestHandler;
import com.amazonaws.services.lambda.runtime.logging.LogLevel;
import java.util.LinkedHashMap;
import java.util.Map;

public class Plain implements RequestHandler<Map<String, String>, Object> {
    @Override
    public Object handleRequest(Map<String, String> event, Context context) {
        switch (event.getOrDefault("do", "context")) {
            case "log":
                context.getLogger().log("a");
                context.getLogger().log("b\n");
                context.getLogger().log("ü\n".getBytes(java.nio.charset.StandardCharsets.UTF_8));
                context.getLogger().log("quiet", LogLevel.DEBUG);
                context.getLogger().log("loud\n", LogLevel.ERROR);
                return null;
            case "print":
                System.out.println("out ü");
                System.err.print("err");
                return null;
            case "loader":
                return Thread.currentThread().getContextClassLoader() == getClass().getClassLoader();
            case "property":
                return System.getProperty(event.get("name"));
            case "variable":
                return System.getenv(event.get("name"));
            case "memory":
                return Runtime.getRuntime().maxMemory() / 1048576;
            case "arguments":
                return java.lang.management.ManagementFactory.getRuntimeMXBean().getInputArguments();
            case "resource":
                return getClass().getResource(event.get("name")) != null;
            case "class":
                try {
                    return Class.forName(event.get("name")).getDeclaredConstructor().newInstance().toString();
                } catch (ReflectiveOperationException error) {
                    return error.toString();
                }
            case "text":
                return context.equals(context) + " " + context.hashCode() + " " + context;
            default:
                return described(context);
        }
    }

    private static Object described(Context context) {
        Map<String, Object> fields = new LinkedHashMap<>();
        fields.put("requestId", context.getAwsRequestId());
        fields.put("logGroup", context.getLogGroupName());
        fields.put("logStream", context.getLogStreamName());
        fields.put("name", context.getFunctionName());
        fields.put("version", context.getFunctionVersion());
        fields.put("arn", context.getInvokedFunctionArn());
        fields.put("left", context.getRemainingTimeInMillis());
        fields.put("memory", context.getMemoryLimitInMB());
        fields.put("tenant", context.getTenantId());
        fields.put("later", context.laterAddition());
        fields.put("identity", context.getIdentity() == null ? null : context.getIdentity().getIdentityId());
        fields.put("pool", context.getIdentity() == null ? null : context.getIdentity().getIdentityPoolId());
        ClientContext client = context.getClientContext();
        fields.put("custom", client == null ? null : client.getCustom());
        fields.put("environment", client == null ? null : client.getEnvironment());
        Client application = client == null ? null : client.getClient();
        fields.put("application", application == null ? null : application.getAppTitle());
        return fields;
    }
}
