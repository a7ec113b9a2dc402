package example;

/** The type of the event stands two classes above. */
public class Generic extends GenericMiddle<Shapes.Line> {}
