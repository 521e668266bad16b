package authd;

/** The connection broke; whether the request was carried out is unknown. Never leaves the client. */
final class ConnectionLostException extends Exception {
    private static final long serialVersionUID = 1;

    ConnectionLostException(Throwable cause) {
        super(cause);
    }
}
