<?php

declare(strict_types=1);

// A body goes on after the head of its answer has come. The socket is in AUTHD_SOCKET.

require dirname(__DIR__) . '/autoload.php';

// More parts than are sent before the first of them is answered.
$parts = array_map('strval', range(10, 59));
$client = new Authd\Client(grace: 5.0);
$stream = $client->stream('a', 'PUT', 'https://api.example/x', body: $parts, timeout: 5.0);
exit($stream->status === 200 && $stream->read() === 'hi' ? 0 : 1);
