package authd;

import java.util.concurrent.Callable;
import java.util.function.BooleanSupplier;

/** What tests say of what they have found. */
final class Check {
    private Check() {}

    interface Work {
        void run() throws Exception;
    }

    /** Runs a test; the program ends with 1 if it fails. */
    static void test(String name, Work work) {
        try {
            work.run();
            System.out.println("ok " + name);
        } catch (Throwable error) {
            System.err.println("not so: " + name);
            error.printStackTrace();
            System.exit(1);
        }
    }

    static void holds(boolean isSo, String what) {
        if (!isSo) throw new AssertionError(what);
    }

    static void same(Object found, Object expected) {
        holds(expected.equals(found), "%s is expected, %s was found".formatted(expected, found));
    }

    /** Returns the error of this kind with which the work fails. */
    static <E extends Throwable> E fails(Class<E> kind, Callable<?> work) {
        try {
            Object result = work.call();
            throw new AssertionError("no " + kind.getSimpleName() + ", but " + result);
        } catch (Throwable error) {
            if (kind.isInstance(error)) return kind.cast(error);
            throw new AssertionError("another error than " + kind.getSimpleName(), error);
        }
    }

    /** Checks with which reason the work fails. */
    static AuthdException fails(String reason, Callable<?> work) {
        AuthdException error = fails(AuthdException.class, work);
        same(error.reason(), reason);
        return error;
    }

    /** Waits, a minute at most, for what other threads or processes bring about. */
    static void until(String what, BooleanSupplier isSo) throws InterruptedException {
        long end = System.nanoTime() + 60_000_000_000L;
        while (!isSo.getAsBoolean()) {
            holds(System.nanoTime() < end, "not within a minute: " + what);
            Thread.sleep(5);
        }
    }
}
