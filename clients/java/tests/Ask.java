package authd;

import java.nio.file.Path;

/** Asks who listens on a socket, or in the usual place, for a token, and prints why there is none. */
final class Ask {
    public static void main(String[] args) {
        try (Authd authd = args.length == 0 ? new Authd() : new Authd(Path.of(args[0]))) {
            System.out.println(authd.getToken("mine"));
        } catch (AuthdException error) {
            System.out.println(error.reason() + " " + error.getMessage());
        }
    }
}
