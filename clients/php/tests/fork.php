<?php

declare(strict_types=1);

// Parent and child each have a connection of their own: test/clients/php.ts runs this.

require __DIR__ . '/../autoload.php';

$client = new Authd\Client();
$before = $client->getToken('a')->accessToken;
$child = pcntl_fork();
$seen = [];
for ($call = 0; $call < 20; $call++) {
    $seen[] = $client->getToken('a')->accessToken;
}
if ($child === 0) {
    exit(array_unique($seen) === ['connection 2'] ? 0 : 1);
}
pcntl_waitpid($child, $status);
exit($before === 'connection 1' && array_unique($seen) === ['connection 1'] && $status === 0 ? 0 : 1);
