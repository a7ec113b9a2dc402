package lamina.runtime;

import java.io.BufferedOutputStream;
import java.io.FileDescriptor;
import java.io.FileOutputStream;
import java.io.PrintStream;
import java.io.UnsupportedEncodingException;
import java.nio.charset.StandardCharsets;
import java.text.SimpleDateFormat;
import java.util.Arrays;
import java.util.Date;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import java.util.TimeZone;

/** Standard output and error, and what {@code LambdaLogger} writes. */
final class Log {
    private static final String UNDEFINED = "UNDEFINED";
    private static final List<String> LEVELS =
            Arrays.asList(UNDEFINED, "TRACE", "DEBUG", "INFO", "WARN", "ERROR", "FATAL");

    private final PrintStream out;
    private final PrintStream err;
    private final boolean json;
    private final int threshold;
    private volatile String requestId = "";
    private volatile String tenantId;

    /** Make {@code System.out} and {@code System.err} UTF-8 streams, whatever locales the machine has. */
    Log(Map<String, String> environment) {
        out = stream(FileDescriptor.out);
        err = stream(FileDescriptor.err);
        System.setOut(out);
        System.setErr(err);
        json = "JSON".equalsIgnoreCase(environment.get("AWS_LAMBDA_LOG_FORMAT"));
        String level = environment.getOrDefault("AWS_LAMBDA_LOG_LEVEL", "").toUpperCase(Locale.ROOT);
        threshold = json ? LEVELS.indexOf(level) : -1;
    }

    /** From now on records belong to this request. */
    void begin(String request, String tenant) {
        requestId = request;
        tenantId = tenant;
    }

    /** Write a message; {@code level} may be null. In the JSON format what is below the function's level is left out. */
    void write(String message, String level) {
        String known = level == null ? UNDEFINED : level;
        if (!known.equals(UNDEFINED) && LEVELS.indexOf(known) < threshold) {
            return;
        }
        if (json) {
            write(record(message, known));
        } else {
            String text = String.valueOf(message);
            write((known.equals(UNDEFINED) ? text : "[" + known + "] " + text).getBytes(StandardCharsets.UTF_8));
        }
    }

    /** As above, for bytes: without a level they are written as they are, in either format. */
    void write(byte[] message, String level) {
        if (level == null || level.equals(UNDEFINED)) {
            write(message);
        } else {
            write(new String(message, StandardCharsets.UTF_8), level);
        }
    }

    /** Write an error that the function did not catch. */
    void fault(Fault fault) {
        if (json) {
            write(record(fault.report(), "ERROR"));
        } else {
            write(fault.report().getBytes(StandardCharsets.UTF_8));
        }
    }

    /** Write out what streams of the function's own still hold. */
    void flush() {
        System.out.flush();
        System.err.flush();
        out.flush();
        err.flush();
    }

    private void write(byte[] message) {
        out.write(message, 0, message.length);
    }

    private byte[] record(String message, String level) {
        SimpleDateFormat format = new SimpleDateFormat("yyyy-MM-dd'T'HH:mm:ss.SSS'Z'", Locale.ROOT);
        format.setTimeZone(TimeZone.getTimeZone("UTC"));
        Map<String, Object> fields = new LinkedHashMap<>();
        fields.put("timestamp", format.format(new Date()));
        fields.put("level", level);
        fields.put("message", message);
        fields.put("AWSRequestId", requestId);
        if (tenantId != null) {
            fields.put("tenantId", tenantId);
        }
        byte[] record = JsonWriter.bytes(fields);
        byte[] line = Arrays.copyOf(record, record.length + 1);
        line[record.length] = '\n';
        return line;
    }

    private static PrintStream stream(FileDescriptor descriptor) {
        try {
            return new PrintStream(new BufferedOutputStream(new FileOutputStream(descriptor)), true, "UTF-8");
        } catch (UnsupportedEncodingException error) {
            throw new AssertionError(error);
        }
    }
}
