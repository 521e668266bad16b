<?php

declare(strict_types=1);

namespace Authd;

/** Finds the daemon's socket, and connects to it if it is ours. */
final class Socket
{
    private const HINT = 'Start authd with `authd serve`, or name its socket in AUTHD_SOCKET.';

    /** @return resource */
    public static function connect(?string $path)
    {
        $where = $path ?? self::defaultPath();
        $real = realpath($where);
        clearstatcache();
        $found = $real === false ? false : @stat($real);
        if ($real === false || $found === false) {
            throw self::noDaemon("No daemon answers on $where (no such file).");
        }
        self::refuseImpostor($where, $real, $found);
        $stream = @stream_socket_client("unix://$real", $code, $why, 10);
        if ($stream === false) {
            throw self::noDaemon("No daemon answers on $where ($why).");
        }
        stream_set_read_buffer($stream, 0);
        stream_set_chunk_size($stream, 65536);
        return $stream;
    }

    /** Returns where a client looks for the daemon. A service's socket counts without XDG_RUNTIME_DIR. */
    private static function defaultPath(): string
    {
        $told = self::variable('AUTHD_SOCKET');
        if ($told !== '') {
            return $told;
        }
        $runtime = self::variable('XDG_RUNTIME_DIR');
        if (str_starts_with($runtime, '/')) {
            return "$runtime/authd/authd.sock";
        }
        $own = self::stateFolder() . '/authd.sock';
        $service = '/run/user/' . self::user() . '/authd/authd.sock';
        // Of two sockets the newer one counts: a daemon that was killed leaves its own behind.
        return (int) @filemtime($service) > (int) @filemtime($own) ? $service : $own;
    }

    private static function stateFolder(): string
    {
        $told = self::variable('AUTHD_STATE_DIR');
        if ($told !== '') {
            return $told;
        }
        $home = self::variable('HOME');
        if (PHP_OS_FAMILY === 'Darwin') {
            return "$home/Library/Application Support/authd";
        }
        $state = self::variable('XDG_STATE_HOME');
        return (str_starts_with($state, '/') ? $state : "$home/.local/state") . '/authd';
    }

    private static function variable(string $name): string
    {
        $value = getenv($name);
        return $value === false ? '' : $value;
    }

    /** Returns the effective user, also where PHP has no posix extension. */
    private static function user(): int
    {
        return function_exists('posix_geteuid') ? posix_geteuid() : (int) @fileowner('/proc/self');
    }

    /**
     * Whoever owns the socket sees what is sent: that must be us, root, or whom root has put there.
     *
     * @param array<int|string, int> $found
     */
    private static function refuseImpostor(string $path, string $real, array $found): void
    {
        if (($found['mode'] & 0170000) !== 0140000) {
            throw self::noDaemon("$path is not a socket.");
        }
        $owner = $found['uid'];
        if ($owner !== self::user() && $owner !== 0 && !self::isOfRoot($real, $owner)) {
            throw self::noDaemon("The socket $path belongs to user $owner, not to you: nothing was sent.");
        }
    }

    /** True if only root can have made this place: all folders are root's, the last may be the owner's. */
    private static function isOfRoot(string $real, int $owner): bool
    {
        for ($here = dirname($real); ; $here = dirname($here)) {
            $found = lstat($here);
            $isLast = $here === dirname($real);
            if ($found === false || ($found['uid'] !== 0 && !($isLast && $found['uid'] === $owner))) {
                return false;
            }
            if (($found['mode'] & 0022) !== 0) {
                return false;
            }
            if ($here === '/') {
                return true;
            }
        }
    }

    private static function noDaemon(string $text): NoDaemonException
    {
        return new NoDaemonException("$text " . self::HINT, 'no_daemon');
    }
}
