<?php

declare(strict_types=1);

// A request that the daemon does not read is taken back, and the client goes on. The socket is in AUTHD_SOCKET; the
// argument says what ends the request.

require dirname(__DIR__) . '/autoload.php';

pcntl_async_signals(true);
pcntl_signal(SIGUSR1, static fn () => throw new RuntimeException('signal'));
$asked = 0;
$isCancelled = match ($argv[1]) {
    'cancelled' => static function () use (&$asked): bool {
        return ++$asked === 2;
    },
    default => null,
};
$limit = $argv[1] === 'timeout' ? 0.1 : 60.0;
$client = new Authd\Client(grace: $limit, isCancelled: $isCancelled);
try {
    $client->request('a', 'POST', 'https://api.example/x', body: str_repeat('a', 900_000), timeout: $limit);
    exit(1);
} catch (Authd\AuthdException $error) {
    $ending = $error->reason;
} catch (RuntimeException $error) {
    $ending = $error->getMessage();
}
exit($ending === $argv[1] && $client->getToken('quick', timeout: 60.0)->accessToken === 'quick' ? 0 : 2);
