<?php

declare(strict_types=1);

// Prints the microseconds of each of N calls of getToken, for bench/clients.ts: CREDENTIAL N.

require __DIR__ . '/autoload.php';

[, $credential, $calls] = $argv;
$client = new Authd\Client();
for ($call = 0; $call < $calls / 10; $call++) {
    $client->getToken($credential);
}
for ($call = 0; $call < $calls; $call++) {
    $startedAt = hrtime(true);
    $client->getToken($credential);
    echo (hrtime(true) - $startedAt) / 1000, "\n";
}
