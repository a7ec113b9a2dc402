package lamina.runtime;

import java.util.Map;

/** What the context object says about the function; the same for all invocations. */
final class Environment {
    final String functionName;
    final String functionVersion;
    final String logGroupName;
    final String logStreamName;
    final int memoryLimit;

    Environment(Map<String, String> variables) {
        functionName = variables.get("AWS_LAMBDA_FUNCTION_NAME");
        functionVersion = variables.get("AWS_LAMBDA_FUNCTION_VERSION");
        logGroupName = variables.get("AWS_LAMBDA_LOG_GROUP_NAME");
        logStreamName = variables.get("AWS_LAMBDA_LOG_STREAM_NAME");
        memoryLimit = Integer.parseInt(variables.getOrDefault("AWS_LAMBDA_FUNCTION_MEMORY_SIZE", "128"));
    }
}
