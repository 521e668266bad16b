package authd;

import java.time.Duration;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.Executor;
import java.util.function.BooleanSupplier;

/** Looks now and then whether authd says nothing although it should. */
final class Watchdog {
    private final Duration limit;
    private final Duration period;
    private final Executor inOrder;
    private final BooleanSupplier isProgramsTurn;
    private final Runnable onSilence;
    private volatile long heardAt = System.nanoTime();
    private CompletableFuture<Void> timer;
    private boolean isOver;

    /**
     * Calls {@code onSilence}, in order with all else, once authd has said nothing for {@code limit}. It asks at least
     * once a {@code period} whether authd waits for the program.
     */
    Watchdog(Duration limit, Duration period, Executor inOrder, BooleanSupplier isProgramsTurn, Runnable onSilence) {
        this.limit = limit;
        this.period = period;
        this.inOrder = inOrder;
        this.isProgramsTurn = isProgramsTurn;
        this.onSilence = onSilence;
    }

    /** Notes that authd has said something. */
    void heard() {
        heardAt = System.nanoTime();
    }

    void start() {
        Duration next = untilSilent().compareTo(period) < 0 ? untilSilent() : period;
        timer = Threads.after(next.plusMillis(1), () -> inOrder.execute(this::look));
    }

    void stop() {
        isOver = true;
        if (timer != null) timer.cancel(false);
    }

    private void look() {
        if (isOver) return;
        if (isProgramsTurn.getAsBoolean()) heard();
        if (untilSilent().isNegative()) onSilence.run();
        else start();
    }

    private Duration untilSilent() {
        return limit.minusNanos(System.nanoTime() - heardAt);
    }
}
