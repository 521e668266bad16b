package authd;

import java.io.IOException;
import java.nio.ByteBuffer;
import java.nio.channels.ReadableByteChannel;
import java.nio.charset.StandardCharsets;
import java.util.Arrays;
import java.util.Map;
import java.util.function.ObjIntConsumer;

/** Cuts what a connection brings into messages. */
final class Lines {
    private static final int READ_BYTES = 64 * 1024;

    private byte[] held = new byte[READ_BYTES];
    private int end;

    /**
     * Reads what has come, and hands out each whole message with its length in bytes. Returns false at the end of
     * the input. Throws IllegalArgumentException at what is no message.
     */
    boolean read(ReadableByteChannel channel, ObjIntConsumer<Map<String, Object>> onMessage) throws IOException {
        if (held.length - end < READ_BYTES / 2) held = Arrays.copyOf(held, held.length * 2);
        int room = Math.min(held.length - end, READ_BYTES);
        int count = channel.read(ByteBuffer.wrap(held, end, room));
        if (count < 0) return false;
        int from = end;
        end += count;
        int start = 0;
        for (int at = from; at < end; at++) {
            if (held[at] != '\n') continue;
            take(start, at, onMessage);
            start = at + 1;
        }
        if (start > 0) keepFrom(start);
        return true;
    }

    private void take(int start, int stop, ObjIntConsumer<Map<String, Object>> onMessage) {
        String line = new String(held, start, stop - start, StandardCharsets.UTF_8);
        if (!line.isBlank()) onMessage.accept(Json.readObject(line), stop - start);
    }

    private void keepFrom(int start) {
        int left = end - start;
        boolean isTooLarge = held.length > READ_BYTES && left < READ_BYTES / 2;
        byte[] room = isTooLarge ? new byte[READ_BYTES] : held;
        System.arraycopy(held, start, room, 0, left);
        held = room;
        end = left;
    }
}
