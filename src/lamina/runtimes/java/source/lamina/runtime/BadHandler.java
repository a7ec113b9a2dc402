package lamina.runtime;

/** The text of the {@code Handler} setting names nothing that can be called. */
final class BadHandler extends Exception {
    private static final long serialVersionUID = 1;

    final String type;

    BadHandler(String message, String type, Throwable cause) {
        super(message, cause);
        this.type = type;
    }
}
