package example;

import java.util.ArrayList;
import java.util.List;

public class Failures {
    private static int count;

    public int count() {
        return ++count;
    }

    public void plain() {
        throw new IllegalArgumentException("no");
    }

    public void checked() throws Exception {
        try {
            plain();
        } catch (IllegalArgumentException error) {
            throw new Exception("outer", error);
        }
    }

    public void silent() {
        throw new RuntimeException();
    }

    public void overflow() {
        overflow();
    }

    public void exhausted() {
        List<byte[]> kept = new ArrayList<>();
        while (true) {
            kept.add(new byte[1 << 20]);
        }
    }

    public void exit() {
        System.exit(7);
    }

    public void thread() throws InterruptedException {
        Thread thread = new Thread(() -> { throw new IllegalStateException("in a thread"); });
        thread.start();
        thread.join();
    }

    public static class InConstructor {
        public InConstructor() {
            throw new IllegalStateException("constructor");
        }

        public void handle() {}
    }

    public static class InInitialiser {
        static final int VALUE = Integer.parseInt("x");

        public void handle() {}
    }

    public static class NoConstructor {
        public NoConstructor(String text) {}

        public void handle() {}
    }

    public abstract static class Unfinished {
        public void handle() {}
    }
}
