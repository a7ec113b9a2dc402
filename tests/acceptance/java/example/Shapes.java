package example;

import com.amazonaws.services.lambda.runtime.Context;
import com.amazonaws.services.lambda.runtime.events.NotificationEvent;
import java.io.IOException;
import java.io.InputStream;
import java.io.OutputStream;
import java.math.BigDecimal;
import java.math.BigInteger;
import java.time.Instant;
import java.time.LocalDate;
import java.util.ArrayList;
import java.util.Date;
import java.util.EnumMap;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.TreeMap;
import java.util.UUID;

/** One method for each kind of signature that a handler may have. */
public class Shapes {
    public enum Colour {
        RED,
        GREEN {
            @Override
            public String toString() {
                return "not the name";
            }
        }
    }

    public static class Base {
        public String id;
        private int hidden = 7;
    }

    public static class Order extends Base {
        private String name;
        private boolean active;
        private Boolean flag;
        private List<Line> lines;
        private Map<Colour, Long> counts;
        private final String url = "fixed";
        transient String skipped = "no";

        public String getName() {
            return name;
        }

        public void setName(String name) {
            this.name = name;
        }

        public boolean isActive() {
            return active;
        }

        public void setActive(boolean active) {
            this.active = active;
        }

        public Boolean getFlag() {
            return flag;
        }

        public void setFlag(Boolean flag) {
            this.flag = flag;
        }

        public List<Line> getLines() {
            return lines;
        }

        public void setLines(List<Line> lines) {
            this.lines = lines;
        }

        public Map<Colour, Long> getCounts() {
            return counts;
        }

        public void setCounts(Map<Colour, Long> counts) {
            this.counts = counts;
        }

        public String getURL() {
            return url;
        }
    }

    public static class Line {
        public BigDecimal price;
        public Colour colour;
        public byte[] data;
        public int[] sizes;
        public Line inner;
    }

    public static class Box<T> {
        private T value;

        public T getValue() {
            return value;
        }

        public void setValue(T value) {
            this.value = value;
        }
    }

    public static class Moments {
        public Date date;
        public Instant instant;
        public LocalDate day;
        public UUID uuid;
    }

    static class Invisible {
        private String text = "seen";

        public String getText() {
            return text;
        }
    }

    public static class Failing {
        public String getText() {
            throw new IllegalStateException("getter");
        }
    }

    public Order order(Order order) {
        return order;
    }

    public String types(Order order) {
        Object key = order.getCounts().keySet().iterator().next();
        return order.getLines().get(0).getClass().getSimpleName() + key.getClass();
    }

    public static String text(String text) {
        return text;
    }

    public int length(String text) {
        return text.length();
    }

    public int twice(int number) {
        return number * 2;
    }

    public Long large(Long number) {
        return number;
    }

    public boolean not(boolean value) {
        return !value;
    }

    public double half(double value) {
        return value / 2;
    }

    public BigDecimal exact(BigDecimal value) {
        return value;
    }

    public BigInteger whole(BigInteger value) {
        return value;
    }

    public Object any(Object value) {
        return value;
    }

    public String kind(Object value) {
        return value == null ? "null" : value.getClass().getName();
    }

    public Map<String, Object> map(Map<String, Object> map) {
        return map;
    }

    public TreeMap<Integer, String> sorted(TreeMap<Integer, String> map) {
        return map;
    }

    public EnumMap<Colour, Integer> colours(EnumMap<Colour, Integer> map) {
        return map;
    }

    public int sum(List<Integer> numbers) {
        return numbers.stream().mapToInt(Integer::intValue).sum();
    }

    public Set<String> distinct(Set<String> texts) {
        return texts;
    }

    public String[] array(String[] texts) {
        return texts;
    }

    public long box(Box<List<Box<Long>>> box) {
        return box.getValue().get(0).getValue();
    }

    public Box<Box<String>> nested(Box<Box<String>> box) {
        return box;
    }

    public Moments moments(Moments moments) {
        return moments;
    }

    public Colour colour(Colour colour) {
        return colour;
    }

    public Object doubles(double value) {
        return new double[] {value / 0, 1e300, 0.1};
    }

    public Object floats() {
        return new Object[] {1.5f, (byte) 1, 'c', new StringBuilder("built"), new byte[] {1, 2}};
    }

    public Object withNulls() {
        Map<String, Object> map = new HashMap<>();
        map.put("kept", null);
        return map;
    }

    public Object invisible() {
        return new Invisible();
    }

    public Object failing() {
        return new Failing();
    }

    public Object cycle() {
        List<Object> list = new ArrayList<>();
        list.add(list);
        return list;
    }

    public Object lonely() {
        return "\ud83d\"\\\n\u0001ü\ud83d\ude00";
    }

    public void nothing() {}

    public String onlyContext(Context context) {
        return context.getAwsRequestId();
    }

    public String eventAndContext(String event, Context context) {
        return event + " " + context.getFunctionName();
    }

    public void stream(InputStream input, OutputStream output) throws IOException {
        output.write('[');
        for (int each = input.read(); each >= 0; each = input.read()) {
            output.write(each);
        }
        output.write(']');
    }

    public void streamWithContext(InputStream input, OutputStream output, Context context) throws IOException {
        output.write(('"' + context.getAwsRequestId() + '"').getBytes());
    }

    public String overloaded() {
        return "none";
    }

    public String overloaded(String event) {
        return "event";
    }

    public String overloaded(Context context) {
        return "context";
    }

    public String overloaded(String event, Context context) {
        return "event and context";
    }

    public String overloaded(String event, String other) {
        return "two events";
    }

    public String single(String event) {
        return "event";
    }

    public String single(Context context) {
        return "context";
    }

    public Object event(NotificationEvent event) {
        NotificationEvent.Item item = event.getRecords().get(0);
        return new Object[] {item.getEventSourceArn(), item.getTime().getTime(), item.getDetailType()};
    }

    public String unmappable(Runnable runnable) {
        return "never";
    }

    public String twoEvents(String first, String second) {
        return "never";
    }

    private String secret() {
        return "never";
    }
}
