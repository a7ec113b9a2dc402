package lamina.runtime;

import java.io.PrintWriter;
import java.io.StringWriter;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.Collections;
import java.util.IdentityHashMap;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Set;

/** An error to report. Its payload is that of AWS's runtime: message, type, stack trace, cause. */
final class Fault {
    private static final String HERE = Main.class.getPackage().getName() + ".";
    private static final String[] REFLECTION = {
        "java.lang.reflect.", "java.lang.invoke.", "jdk.internal.reflect.", "sun.reflect."
    };

    private final String message;
    private final String type;
    private final Throwable thrown;
    private final boolean isThrown;

    /** {@code thrown} is the error itself when {@code isThrown}, and else its cause, if there is one. */
    private Fault(String message, String type, Throwable thrown, boolean isThrown) {
        this.message = message;
        this.type = type;
        this.thrown = thrown;
        this.isThrown = isThrown;
    }

    /** The fault for what was thrown; the bootstrap's own frames are taken out of every stack trace of it. */
    static Fault of(Throwable error) {
        Set<Throwable> seen = Collections.newSetFromMap(new IdentityHashMap<>());
        for (Throwable each = error; each != null && seen.add(each); each = each.getCause()) {
            each.setStackTrace(own(each.getStackTrace()));
        }
        if (error instanceof BadHandler) {
            return new Fault(error.getMessage(), ((BadHandler) error).type, error.getCause(), false);
        }
        return new Fault(text(error), error.getClass().getName(), error, true);
    }

    String type() {
        return type;
    }

    /** Whether the process must not go on. */
    boolean fatal() {
        return isThrown && thrown instanceof VirtualMachineError;
    }

    byte[] payload() {
        Set<Throwable> seen = Collections.newSetFromMap(new IdentityHashMap<>());
        if (isThrown) {
            return JsonWriter.bytes(described(thrown, seen));
        }
        Map<String, Object> payload = new LinkedHashMap<>();
        payload.put("errorMessage", message);
        payload.put("errorType", type);
        if (thrown != null) {
            payload.put("cause", described(thrown, seen));
        }
        return JsonWriter.bytes(payload);
    }

    /** What is written to the log. */
    String report() {
        StringWriter trace = new StringWriter();
        if (thrown != null) {
            thrown.printStackTrace(new PrintWriter(trace, true));
        }
        return message + ": " + type + "\n" + trace;
    }

    private static Map<String, Object> described(Throwable error, Set<Throwable> seen) {
        seen.add(error);
        Map<String, Object> payload = new LinkedHashMap<>();
        payload.put("errorMessage", text(error));
        payload.put("errorType", error.getClass().getName());
        List<String> frames = new ArrayList<>();
        for (StackTraceElement frame : error.getStackTrace()) {
            frames.add(frame.toString());
        }
        payload.put("stackTrace", frames);
        Throwable cause = error.getCause();
        if (cause != null && !seen.contains(cause)) {
            payload.put("cause", described(cause, seen));
        }
        return payload;
    }

    private static StackTraceElement[] own(StackTraceElement[] frames) {
        int length = 0;
        while (length < frames.length && !frames[length].getClassName().startsWith(HERE)) {
            length++;
        }
        if (length < frames.length) {
            while (length > 0 && isReflection(frames[length - 1].getClassName())) {
                length--;
            }
        }
        return Arrays.copyOf(frames, length);
    }

    private static boolean isReflection(String name) {
        for (String prefix : REFLECTION) {
            if (name.startsWith(prefix)) {
                return true;
            }
        }
        return false;
    }

    private static String text(Throwable error) {
        try {
            String text = error.getLocalizedMessage();
            return text == null ? error.getClass().getName() : text;
        } catch (RuntimeException failed) {
            return "<the message of the exception failed: " + failed.getClass().getName() + ">";
        }
    }
}
