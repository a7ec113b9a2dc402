package lamina.runtime;

import java.io.ByteArrayOutputStream;
import java.io.EOFException;
import java.io.IOException;
import java.io.InputStream;
import java.net.InetSocketAddress;
import java.net.Socket;
import java.nio.charset.StandardCharsets;
import java.util.Arrays;
import java.util.HashMap;
import java.util.Locale;
import java.util.Map;

/**
 * A client of the Runtime API (2018-06-01) over one kept-alive connection.
 *
 * <p>The answer to an invocation and the request for the next one leave in one write, and come back in that order.
 */
final class RuntimeApi {
    private static final String ROOT = "/2018-06-01/runtime";
    private static final int MAX_HEAD = 1 << 20;

    private final String address;
    private final byte[] next;
    private Socket socket;
    private InputStream input;
    private byte[] buffer = new byte[16384];
    private int start;
    private int end;

    RuntimeApi(String address) {
        this.address = address;
        this.next = bytes("GET " + ROOT + "/invocation/next HTTP/1.1\r\nHost: " + address + "\r\n\r\n");
    }

    /** Wait for the first invocation. */
    Invocation next() {
        return exchange(next)[0].invocation();
    }

    /** Send a result, or an error when there is an {@code errorType}, and wait for the next invocation. */
    Invocation answer(String requestId, byte[] body, String errorType) {
        return exchange(post(answerPath(requestId, errorType), body, errorType), next)[1].invocation();
    }

    /** Send the error of an invocation after which there is to be no other. */
    void fail(String requestId, byte[] body, String errorType) {
        exchange(post(answerPath(requestId, errorType), body, errorType));
    }

    /** Report that the function could not be initialised. */
    void failInit(byte[] body, String errorType) {
        exchange(post("/init/error", body, errorType));
    }

    private static String answerPath(String requestId, String errorType) {
        return "/invocation/" + requestId + (errorType == null ? "/response" : "/error");
    }

    private byte[] post(String path, byte[] body, String errorType) {
        StringBuilder head = new StringBuilder(256);
        head.append("POST ").append(ROOT).append(path).append(" HTTP/1.1\r\nHost: ").append(address);
        if (errorType == null) {
            head.append("\r\nContent-Type: application/json");
        } else {
            head.append("\r\nContent-Type: application/vnd.aws.lambda.error+json");
            head.append("\r\nLambda-Runtime-Function-Error-Type: ").append(printable(errorType));
        }
        head.append("\r\nContent-Length: ").append(body.length).append("\r\n\r\n");
        return joined(bytes(head.toString()), body);
    }

    /** The answers to the requests, in order. A server that has closed an old connection is asked once more. */
    private Answer[] exchange(byte[]... requests) {
        Answer[] answers = new Answer[requests.length];
        int done = 0;
        boolean fresh = socket == null;
        while (done < requests.length) {
            try {
                if (socket == null) {
                    connect();
                }
                socket.getOutputStream().write(joined(Arrays.copyOfRange(requests, done, requests.length)));
                while (done < requests.length) {
                    answers[done] = receive();
                    done++;
                }
            } catch (IOException error) {
                disconnect();
                if (fresh) {
                    throw new IllegalStateException("The Runtime API cannot be reached", error);
                }
                fresh = true;
            }
        }
        return answers;
    }

    private void connect() throws IOException {
        int colon = address.lastIndexOf(':');
        Socket connecting = new Socket();
        connecting.connect(
                new InetSocketAddress(address.substring(0, colon), Integer.parseInt(address.substring(colon + 1))));
        connecting.setTcpNoDelay(true);
        socket = connecting;
        input = connecting.getInputStream();
        start = end = 0;
    }

    private void disconnect() {
        if (socket != null) {
            try {
                socket.close();
            } catch (IOException ignored) {
                // It is given up anyway.
            }
        }
        socket = null;
    }

    private Answer receive() throws IOException {
        String[] lines = until("\r\n\r\n").split("\r\n");
        int status = status(lines[0]);
        Map<String, String> headers = new HashMap<>();
        for (int index = 1; index < lines.length; index++) {
            int colon = lines[index].indexOf(':');
            if (colon > 0) {
                String name = lines[index].substring(0, colon).toLowerCase(Locale.ROOT);
                headers.put(name, lines[index].substring(colon + 1).trim());
            }
        }
        if ("chunked".equalsIgnoreCase(headers.get("transfer-encoding"))) {
            return new Answer(status, headers, chunks());
        }
        return new Answer(status, headers, exactly(Integer.parseInt(headers.getOrDefault("content-length", "0"))));
    }

    private static int status(String line) {
        String[] words = line.split(" ", 3);
        if (words.length < 2 || !words[1].matches("\\d{3}")) {
            throw new IllegalStateException("The server sent no HTTP: " + line);
        }
        return Integer.parseInt(words[1]);
    }

    private byte[] chunks() throws IOException {
        ByteArrayOutputStream body = new ByteArrayOutputStream();
        while (true) {
            int size = Integer.parseInt(until("\r\n").split(";")[0].trim(), 16);
            if (size == 0) {
                break;
            }
            body.write(exactly(size));
            until("\r\n");
        }
        while (!until("\r\n").isEmpty()) {
            continue;
        }
        return body.toByteArray();
    }

    private String until(String mark) throws IOException {
        int from = start;
        while (true) {
            int found = find(mark, from);
            if (found >= 0) {
                String text = new String(buffer, start, found - start, StandardCharsets.UTF_8);
                start = found + mark.length();
                return text;
            }
            if (end - start > MAX_HEAD) {
                throw new IllegalStateException("The server sent a header without an end.");
            }
            int searched = Math.max(0, end - start - mark.length());
            more();
            from = start + searched;
        }
    }

    private int find(String mark, int from) {
        for (int at = from; at <= end - mark.length(); at++) {
            int matched = 0;
            while (matched < mark.length() && buffer[at + matched] == mark.charAt(matched)) {
                matched++;
            }
            if (matched == mark.length()) {
                return at;
            }
        }
        return -1;
    }

    private void more() throws IOException {
        if (start > 0) {
            System.arraycopy(buffer, start, buffer, 0, end - start);
            end -= start;
            start = 0;
        }
        if (end == buffer.length) {
            buffer = Arrays.copyOf(buffer, buffer.length * 2);
        }
        int count = input.read(buffer, end, buffer.length - end);
        if (count < 0) {
            throw new EOFException();
        }
        end += count;
    }

    private byte[] exactly(int length) throws IOException {
        byte[] body = new byte[length];
        int have = Math.min(length, end - start);
        System.arraycopy(buffer, start, body, 0, have);
        start += have;
        while (have < length) {
            int count = input.read(body, have, length - have);
            if (count < 0) {
                throw new EOFException();
            }
            have += count;
        }
        return body;
    }

    private static byte[] joined(byte[]... parts) {
        if (parts.length == 1) {
            return parts[0];
        }
        int length = 0;
        for (byte[] part : parts) {
            length += part.length;
        }
        byte[] whole = new byte[length];
        int at = 0;
        for (byte[] part : parts) {
            System.arraycopy(part, 0, whole, at, part.length);
            at += part.length;
        }
        return whole;
    }

    private static byte[] bytes(String text) {
        return text.getBytes(StandardCharsets.UTF_8);
    }

    private static String printable(String text) {
        return text.replaceAll("[^ -~]", "?");
    }

    private static final class Answer {
        private final int status;
        private final Map<String, String> headers;
        private final byte[] body;

        Answer(int status, Map<String, String> headers, byte[] body) {
            this.status = status;
            this.headers = headers;
            this.body = body;
        }

        Invocation invocation() {
            if (status != 200) {
                throw new IllegalStateException(
                        "The server answered " + status + " to the request for an invocation.");
            }
            return new Invocation(headers, body);
        }
    }
}
