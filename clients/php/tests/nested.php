<?php

declare(strict_types=1);

// A listener makes calls while a call of the program waits: test/clients/php.ts runs this.

require __DIR__ . '/../autoload.php';

$client = new Authd\Client(grace: 1.0);
$inner = [];
$client->subscribe(static function (string $name, array $params) use ($client, &$inner): void {
    $inner[] = $client->getToken($params['credential'])->accessToken;
});
$outer = $client->getToken('outer')->accessToken;
sort($inner);
exit([$outer, $inner] === ['of outer', ['of inner 1', 'of inner 2']] ? 0 : 1);
