package authd;

import java.time.Duration;
import java.util.ArrayDeque;
import java.util.Queue;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.Executor;
import java.util.concurrent.SynchronousQueue;
import java.util.concurrent.ThreadPoolExecutor;
import java.util.concurrent.TimeUnit;

/** Threads that keep no program from its end, and timers. */
final class Threads {
    private Threads() {}

    static Thread start(String name, Runnable work) {
        Thread thread = new Thread(work, name);
        thread.setDaemon(true);
        thread.start();
        return thread;
    }

    /** Threads for the code of whoever calls, as many as are needed. They end when they are idle. */
    static Executor workers() {
        return new ThreadPoolExecutor(0, Integer.MAX_VALUE, 5, TimeUnit.SECONDS, new SynchronousQueue<>(), work -> {
            Thread thread = new Thread(work, "authd-worker");
            thread.setDaemon(true);
            return thread;
        });
    }

    /** Runs {@code work}, which must be short, after this time unless what is returned is cancelled before. */
    static CompletableFuture<Void> after(Duration time, Runnable work) {
        CompletableFuture<Void> timer = new CompletableFuture<>();
        timer.thenRun(work);
        return timer.completeOnTimeout(null, TimeUnit.MILLISECONDS.convert(time), TimeUnit.MILLISECONDS);
    }

    /** Runs the code of whoever calls: what it throws, errors too, is told as any thread's, and ends nothing else. */
    static void guarded(Runnable code) {
        try {
            code.run();
        } catch (Throwable error) {
            Thread thread = Thread.currentThread();
            thread.getUncaughtExceptionHandler().uncaughtException(thread, error);
        }
    }

    /** Runs one task after the other, in the order in which they came, in threads of an executor. */
    static final class Serial implements Executor {
        private final Executor workers;
        private final Queue<Runnable> tasks = new ArrayDeque<>();
        private boolean isRunning;

        Serial(Executor workers) {
            this.workers = workers;
        }

        @Override
        public void execute(Runnable task) {
            synchronized (tasks) {
                tasks.add(task);
                if (isRunning) return;
                isRunning = true;
            }
            workers.execute(this::run);
        }

        private void run() {
            for (Runnable task = next(); task != null; task = next()) guarded(task);
        }

        private Runnable next() {
            synchronized (tasks) {
                Runnable task = tasks.poll();
                isRunning = task != null;
                return task;
            }
        }
    }
}
