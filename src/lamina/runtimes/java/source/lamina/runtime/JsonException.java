package lamina.runtime;

import java.io.IOException;

/** A text is not JSON, or not of the shape that a type needs, or a value has no JSON form. */
final class JsonException extends IOException {
    private static final long serialVersionUID = 1;

    JsonException(String message) {
        super(message);
    }

    JsonException(String message, Throwable cause) {
        super(message, cause);
    }
}
