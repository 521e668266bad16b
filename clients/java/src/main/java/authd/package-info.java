/**
 * Client of authd, the credential daemon on this machine: tokens, and requests that authd sends so that this
 * program never sees the token. {@link authd.Authd} is where to begin.
 */
package authd;
