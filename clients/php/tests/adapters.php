<?php

declare(strict_types=1);

// Guzzle and PSR-18 against the practice API at LABELF_URL.

require '/usr/share/php/GuzzleHttp/autoload.php';
require __DIR__ . '/../autoload.php';

use GuzzleHttp\Psr7\HttpFactory;
use GuzzleHttp\Psr7\Request;

function check(bool $holds, string $what): void
{
    if (!$holds) {
        fwrite(STDERR, "not so: $what\n");
        exit(1);
    }
}

$url = getenv('LABELF_URL') . '/v2/models/7/inference';
$question = ['texts' => ['Breakfast was not tasty'], 'max_predictions' => 2];
$client = new Authd\Client();
$json = ['content-type' => 'application/json'];

$factory = new HttpFactory();
$psr18 = new Authd\Psr18Client($client, 'labelf', $factory, $factory);
$response = $psr18->sendRequest(new Request('POST', $url, $json, json_encode($question)));
check($response->getStatusCode() === 200, 'PSR-18 gets an answer');
check(str_contains((string) $response->getBody(), 'predictions'), 'PSR-18 gets the body');
try {
    $psr18->sendRequest(new Request('GET', 'https://elsewhere.example/'));
    check(false, 'PSR-18 throws for another origin');
} catch (Psr\Http\Client\NetworkExceptionInterface $error) {
    check($error->getPrevious() instanceof Authd\OriginNotAllowedException, 'the cause is of authd');
}

$stack = GuzzleHttp\HandlerStack::create();
$stack->push(new Authd\GuzzleMiddleware($client, 'labelf'));
$guzzle = new GuzzleHttp\Client(['handler' => $stack]);
$answer = json_decode((string) $guzzle->post($url, ['json' => $question])->getBody(), true);
check(isset($answer[0]['predictions']) || str_contains(json_encode($answer), 'predictions'), 'Guzzle gets the body');
try {
    $guzzle->get('https://elsewhere.example/');
    check(false, 'Guzzle throws for another origin');
} catch (GuzzleHttp\Exception\ConnectException $error) {
    check($error->getPrevious() instanceof Authd\OriginNotAllowedException, 'the cause is of authd');
}
ob_start();
var_dump($client->getToken('labelf'));
check(!str_contains((string) ob_get_clean(), $client->getToken('labelf')->accessToken), 'var_dump shows no token');
