package authd;

import static authd.Check.fails;
import static authd.Check.same;
import static authd.Check.until;

import java.io.IOException;
import java.net.StandardProtocolFamily;
import java.net.UnixDomainSocketAddress;
import java.nio.channels.Channels;
import java.nio.channels.ServerSocketChannel;
import java.nio.channels.SocketChannel;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import java.util.Map;
import java.util.Queue;
import java.util.Scanner;
import java.util.concurrent.ConcurrentLinkedQueue;

/** Subscriptions that something happens to, at a socket in SOCKET_FOLDER. */
final class Subscriptions {
    private static final Path SOCKET = Path.of(System.getenv("SOCKET_FOLDER"), "subscribe.sock");

    private Subscriptions() {}

    private static ServerSocketChannel listen() throws IOException {
        return ServerSocketChannel.open(StandardProtocolFamily.UNIX).bind(UnixDomainSocketAddress.of(SOCKET));
    }

    private static Scanner lines(SocketChannel client) {
        return new Scanner(Channels.newInputStream(client), StandardCharsets.UTF_8);
    }

    static void lost() throws Exception {
        try (ServerSocketChannel server = listen();
                Authd authd = new Authd(SOCKET)) {
            Connection used = authd.session().connected();
            server.accept().close();
            until("the connection is lost", used::isClosed);
            authd.session().watch(Subscription.to("c"), used);
            try (SocketChannel client = server.accept();
                    Scanner lines = lines(client)) {
                Map<String, Object> sent = Json.readObject(lines.nextLine());
                same(sent.get("method"), "subscribe");
                same(sent.get("params"), Map.of("credential", "c"));
            }
        } finally {
            Files.deleteIfExists(SOCKET);
        }
    }

    static void refused() throws Exception {
        Queue<String> told = new ConcurrentLinkedQueue<>();
        try (ServerSocketChannel server = listen();
                Authd authd = new Authd(SOCKET)) {
            Threads.start("server", () -> {
                try {
                    serve(server);
                } catch (IOException error) {
                    error.printStackTrace();
                }
            });
            fails("unknown_credential", () -> {
                authd.subscribe(Subscription.to("c"), (name, params) -> told.add("refused"));
                return "subscribed";
            });
            authd.subscribe(Subscription.to("c"), (name, params) -> told.add("taken"));
            until("a listener is told", () -> told.contains("taken"));
            same(List.copyOf(told), List.of("taken"));
        } finally {
            Files.deleteIfExists(SOCKET);
        }
    }

    /** A daemon that refuses the first subscription, and notifies of the second one. */
    private static void serve(ServerSocketChannel server) throws IOException {
        try (SocketChannel client = server.accept();
                Scanner lines = lines(client)) {
            Map<String, Object> first = Json.readObject(lines.nextLine());
            Object error = Map.of("code", -32000, "message", "no", "data", Map.of("reason", "unknown_credential"));
            write(client, Map.of("jsonrpc", "2.0", "id", first.get("id"), "error", error));
            Map<String, Object> second = Json.readObject(lines.nextLine());
            write(client, Map.of("jsonrpc", "2.0", "id", second.get("id"), "result", Map.of()));
            write(client, Map.of("jsonrpc", "2.0", "method", "token/refreshed", "params", Map.of("credential", "c")));
            while (lines.hasNextLine()) lines.nextLine();
        }
    }

    private static void write(SocketChannel client, Map<String, Object> message) throws IOException {
        client.write(StandardCharsets.UTF_8.encode(Json.write(message) + "\n"));
    }
}
