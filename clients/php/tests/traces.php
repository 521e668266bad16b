<?php

declare(strict_types=1);

// No exception's trace holds what was sent or came. The socket is in AUTHD_SOCKET. Needs zend.exception_ignore_args=0.

require dirname(__DIR__) . '/autoload.php';

const SECRET = 'not-to-be-seen';

$client = new Authd\Client(grace: 5.0);
$url = 'https://api.example/x';
$headers = ['x-key' => SECRET];
$long = str_repeat(SECRET, 100_000);
$broken = "\xff" . SECRET;
$calls = [
    fn () => $client->getToken('a', rejectedToken: SECRET),
    fn () => $client->getToken('a', rejectedToken: $broken),
    fn () => $client->call('vault/import', ['data' => SECRET]),
    fn () => $client->request('a', 'POST', $url, $headers, SECRET),
    fn () => $client->request('a', 'POST', $url, $headers, json: [SECRET]),
    fn () => $client->request('a', 'POST', $url, $headers, json: [$broken]),
    fn () => $client->request('a', 'POST', $url, ['x-key' => $broken]),
    fn () => $client->request('a', 'POST', $url, $headers, $long),
    fn () => $client->stream('a', 'POST', $url, $headers, SECRET),
    fn () => $client->stream('a', 'POST', $url, $headers, [SECRET]),
    fn () => $client->getToken('lost', rejectedToken: SECRET),
];
foreach ($calls as $number => $call) {
    try {
        $call();
        fwrite(STDERR, "call $number has not failed\n");
        exit(1);
    } catch (Authd\AuthdException $thrown) {
        for ($error = $thrown; $error !== null; $error = $error->getPrevious()) {
            if (str_contains(print_r($error->getTrace(), true), SECRET)) {
                fwrite(STDERR, "the trace of call $number holds it\n");
                exit(1);
            }
        }
    }
}
