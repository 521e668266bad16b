<?php

declare(strict_types=1);

// Several cookies of a PSR-7 request go as one header. Needs Guzzle; the socket is in AUTHD_SOCKET.

require '/usr/share/php/GuzzleHttp/autoload.php';
require dirname(__DIR__) . '/autoload.php';

$factory = new GuzzleHttp\Psr7\HttpFactory();
$headers = ['Cookie' => ['a=1', 'b=2'], 'Accept' => ['x/y', 'x/z']];
$client = new Authd\Psr18Client(new Authd\Client(), 'a', $factory, $factory);
$client->sendRequest(new GuzzleHttp\Psr7\Request('GET', 'https://api.example/x', $headers));
