/** Client of authd, the credential daemon on this machine. */
module authd {
    requires transitive java.net.http;
    requires jdk.net;

    exports authd;
}
