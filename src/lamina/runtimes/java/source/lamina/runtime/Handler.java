package lamina.runtime;

/** A function that has been found: it takes the bytes of an event and gives the bytes of a result. */
interface Handler {
    /** Run one invocation. What the function throws comes through as it is. */
    byte[] handle(Invocation invocation) throws Throwable;
}
