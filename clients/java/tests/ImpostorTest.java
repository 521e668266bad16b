package authd;

import java.nio.file.Path;

/** Prints why the client does not talk to who listens on a socket. */
final class ImpostorTest {
    public static void main(String[] args) {
        try (Authd authd = new Authd(Path.of(args[0]))) {
            System.out.println(authd.getToken("mine"));
        } catch (AuthdException error) {
            System.out.println(error.reason() + " " + error.getMessage());
        }
    }
}
