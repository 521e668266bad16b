package authd;

import java.util.Map;

/** Is told what authd tells without being asked. */
@FunctionalInterface
public interface NotificationListener {
    /**
     * Takes a notification. They come one after the other, in a thread in which this may wait and call authd.
     *
     * @param name such as {@code token/refreshed}
     * @param params its members: strings, numbers, booleans, null, lists and maps
     */
    void notified(String name, Map<String, Object> params);
}
