package lamina.runtime;

import java.util.Map;

/** One event for the handler, as it came. */
final class Invocation {
    final byte[] payload;
    private final Map<String, String> headers;

    Invocation(Map<String, String> headers, byte[] payload) {
        this.headers = headers;
        this.payload = payload;
    }

    String requestId() {
        return header("aws-request-id");
    }

    /** The X-Ray trace header, or an empty string. */
    String traceId() {
        return header("trace-id");
    }

    /** When the invocation times out, in milliseconds since 1970. */
    long deadline() {
        String text = header("deadline-ms");
        return text.isEmpty() ? 0 : Long.parseLong(text);
    }

    /** The ARN by which the function was invoked. */
    String functionArn() {
        return header("invoked-function-arn");
    }

    /** JSON of the client's context, or an empty string. */
    String clientContext() {
        return header("client-context");
    }

    /** JSON of the caller's Cognito identity, or an empty string. */
    String cognitoIdentity() {
        return header("cognito-identity");
    }

    /** The tenant of a function with tenant isolation, or null. */
    String tenantId() {
        return headers.get("lambda-runtime-aws-tenant-id");
    }

    private String header(String name) {
        return headers.getOrDefault("lambda-runtime-" + name, "");
    }
}
