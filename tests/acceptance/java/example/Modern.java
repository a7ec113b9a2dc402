package example;

import java.util.List;

/** What Java 8 does not have. */
public class Modern {
    public record Point(int x, Integer y, List<String> names) {}

    public record Pair<T>(T first, T second) {}

    record Quiet(String text) {}

    public record Checked(int value) {
        public Checked {
            if (value < 0) {
                throw new IllegalArgumentException("negative");
            }
        }
    }

    public Point point(Point point) {
        return point;
    }

    public Pair<Long> pair(Pair<Long> pair) {
        return new Pair<>(pair.second() + 1, pair.first() + 1);
    }

    public Quiet quiet(Quiet quiet) {
        return quiet;
    }

    public Checked checked(Checked checked) {
        return checked;
    }
}
