package authd;

import java.io.IOException;
import java.io.InputStream;
import java.io.UncheckedIOException;
import java.net.http.HttpResponse;
import java.net.http.HttpResponse.BodyHandlers;
import java.util.Arrays;
import java.util.Map;
import java.util.concurrent.CancellationException;
import java.util.concurrent.atomic.AtomicBoolean;

/** Each call has a thread of its own, and is taken back by an interrupt, or once its answer has begun by closing that. */
final class ThreadDriver extends Conformance {
    @Override
    void carryOut(Object call, Map<String, Object> command) {
        Thread thread = new Thread(() -> {
            try {
                result(call, resultOf(call, command));
            } catch (Exception error) {
                error(call, error);
            }
        });
        thread.setDaemon(true);
        cancels.put(call, thread::interrupt);
        thread.start();
    }

    private Object resultOf(Object call, Map<String, Object> command) throws Exception {
        Map<String, Object> params = params(command);
        String credential = credential(command);
        switch ((String) command.get("do")) {
            case "getToken":
                return told(authd.getToken(credential, options(command)));
            case "authorizedRequest":
                if (params.get("maxResponseBytes") instanceof Long most)
                    return told(authd.request(credential, request(command), most.intValue()));
                return told(authd.request(credential, request(command)));
            case "request":
                return authd.call((String) command.get("method"), params);
            case "stream":
                stream(call, command);
                return null;
            case "subscribe":
                authd.subscribe(subscription(command), listener);
                return null;
            case "unsubscribe":
                if (credential == null) authd.unsubscribe();
                else authd.unsubscribe(credential);
                return null;
            default:
                authd.close();
                return null;
        }
    }

    private void stream(Object call, Map<String, Object> command) throws Exception {
        AuthdHttpClient client = new AuthdHttpClient(authd, credential(command));
        HttpResponse<InputStream> response = client.send(request(command), BodyHandlers.ofInputStream());
        AtomicBoolean isTakenBack = new AtomicBoolean();
        cancels.put(call, () -> {
            isTakenBack.set(true);
            close(response.body());
        });
        head(call, response);
        byte[] buffer = new byte[65_536];
        try (InputStream body = response.body()) {
            for (int count = body.read(buffer); count >= 0; count = body.read(buffer))
                chunk(call, Arrays.copyOf(buffer, count));
        } catch (IOException error) {
            if (!isTakenBack.get()) throw error;
        }
        if (isTakenBack.get()) throw new CancellationException();
    }

    private static void close(InputStream body) {
        try {
            body.close();
        } catch (IOException error) {
            throw new UncheckedIOException(error);
        }
    }
}
