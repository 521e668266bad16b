import authd.Authd;

/** Prints the microseconds of each of N calls of getToken, for bench/clients.ts: CREDENTIAL N. */
final class Bench {
    public static void main(String[] args) {
        int calls = Integer.parseInt(args[1]);
        try (Authd authd = new Authd()) {
            for (int call = 0; call < calls / 10; call++) authd.getToken(args[0]);
            for (int call = 0; call < calls; call++) {
                long startedAt = System.nanoTime();
                authd.getToken(args[0]);
                System.out.println((System.nanoTime() - startedAt) / 1000.0);
            }
        }
    }
}
