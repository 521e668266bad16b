package authd;

import java.io.IOException;
import java.io.InputStream;
import java.util.Base64;
import java.util.Map;
import java.util.concurrent.BlockingQueue;
import java.util.concurrent.LinkedBlockingQueue;

/** A body whose parts come as commands. */
final class Parts extends InputStream {
    private static final byte[] END = {};

    private final BlockingQueue<byte[]> parts = new LinkedBlockingQueue<>();
    private byte[] part = {0};
    private int at = 1;

    void add(Map<String, Object> command) {
        if (command.get("data") instanceof String data) parts.add(Base64.getDecoder().decode(data));
        if (Boolean.TRUE.equals(command.get("last"))) parts.add(END);
    }

    @Override
    public int read() throws IOException {
        byte[] one = new byte[1];
        return read(one, 0, 1) < 0 ? -1 : one[0] & 0xff;
    }

    @Override
    public int read(byte[] into, int offset, int length) throws IOException {
        try {
            if (part != END && at == part.length) {
                part = parts.take();
                at = 0;
            }
        } catch (InterruptedException error) {
            throw new IOException(error);
        }
        if (part == END) return -1;
        int count = Math.min(length, part.length - at);
        System.arraycopy(part, at, into, offset, count);
        at += count;
        return count;
    }
}
