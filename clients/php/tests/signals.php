<?php

declare(strict_types=1);

// What a signal handler throws ends a call that waits, and the client goes on. The socket is in AUTHD_SOCKET.

require dirname(__DIR__) . '/autoload.php';

final class OutOfTime extends RuntimeException
{
}

pcntl_async_signals(true);
pcntl_signal(SIGUSR1, static fn () => throw new OutOfTime());

$client = new Authd\Client();
try {
    $client->getToken('slow');
    exit(1);
} catch (OutOfTime) {
    exit($client->getToken('quick')->accessToken === 'quick' ? 0 : 2);
}
