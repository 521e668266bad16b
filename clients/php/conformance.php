<?php

declare(strict_types=1);

// The driver of the PHP client for test/conformance. It carries out one command after the other.

require __DIR__ . '/autoload.php';

use Authd\AuthdException;
use Authd\CancelledException;
use Authd\Client;

$client = null;
$rest = '';
$queue = [];
$current = null;
stream_set_blocking(STDIN, false);

function write(array $line): void
{
    fwrite(STDOUT, json_encode($line, JSON_THROW_ON_ERROR | JSON_INVALID_UTF8_SUBSTITUTE) . "\n");
}

/** Takes what has come on standard input, waiting for it at most so many seconds; false at its end. */
function receive(float $seconds): bool
{
    global $rest, $queue;
    $read = [STDIN];
    $none = null;
    if (stream_select($read, $none, $none, 0, (int) ($seconds * 1e6))) {
        $data = fread(STDIN, 1 << 20);
        if ($data === '' && feof(STDIN)) {
            return false;
        }
        $lines = explode("\n", $rest . $data);
        $rest = array_pop($lines);
        foreach ($lines as $line) {
            $queue[] = json_decode($line, true, 512, JSON_THROW_ON_ERROR);
        }
    }
    return true;
}

/** Returns the next command, or null at the end of input. Notifications are told meanwhile. */
function command(bool $listening): ?array
{
    global $client, $queue;
    while ($queue === []) {
        if (!receive($listening ? 0.0 : 0.05)) {
            return null;
        }
        if ($queue === [] && $listening) {
            $client->listen(0.02);
        }
    }
    return array_shift($queue);
}

/** True if a command that has come by now takes the call back that is under way. */
function isCancelled(): bool
{
    global $queue, $current;
    receive(0.0);
    foreach ($queue as $one) {
        if ($one['do'] === 'cancel' && $one['of'] === $current) {
            return true;
        }
    }
    return false;
}

/** Returns the parts of a body, which come as commands. A source that is not to go on throws. */
function parts(): Generator
{
    while (($command = command(false)) !== null && !($command['last'] ?? false)) {
        if ($command['do'] === 'cancel') {
            throw new CancelledException('The source of the body has ended.', 'cancelled');
        }
        yield base64_decode($command['data']);
    }
}

function named(array $params): array
{
    if (array_key_exists('timeoutMs', $params)) {
        $params['timeout'] = $params['timeoutMs'] === null ? null : $params['timeoutMs'] / 1000;
    }
    if (isset($params['bodyBase64'])) {
        $params['body'] = base64_decode($params['bodyBase64']);
    }
    unset($params['timeoutMs'], $params['bodyBase64']);
    return $params;
}

function body(string $body): array
{
    return preg_match('//u', $body) ? ['body' => $body] : ['bodyBase64' => base64_encode($body)];
}

function getToken(Client $client, array $params): array
{
    $token = $client->getToken(...named($params));
    $expiresAt = $token->expiresAt === null ? null : (int) round($token->expiresAt * 1000);
    return [
        'accessToken' => $token->accessToken, 'tokenType' => $token->tokenType, 'expiresAt' => $expiresAt,
        'scope' => $token->scope, 'headers' => (object) $token->headers,
        'query' => $token->query ?: null, 'body' => $token->body ?: null, 'extra' => $token->extra ?: null,
    ];
}

function authorizedRequest(Client $client, array $params): array
{
    $response = $client->request(...named($params + ['method' => 'GET']));
    return [
        'status' => $response->status, 'statusText' => $response->reason, 'url' => $response->url,
        'headers' => (object) $response->headers, 'refreshed' => $response->refreshed,
    ] + body($response->body);
}

function stream(Client $client, array $command): void
{
    $body = ($command['upload'] ?? false) ? ['body' => parts()] : [];
    $stream = $client->stream(...named($command['params'] + ['method' => 'GET']), ...$body);
    $head = ['status' => $stream->status, 'url' => $stream->url, 'headers' => (object) $stream->headers];
    write(['call' => $command['call'], 'head' => $head]);
    foreach ($stream as $chunk) {
        write(['call' => $command['call'], 'chunk' => base64_encode($chunk)]);
    }
}

function notified(string $name, array $params): void
{
    write(['notification' => $name, 'params' => (object) $params]);
}

function carryOut(array $command): mixed
{
    global $client, $isListening;
    $params = $command['params'] ?? [];
    switch ($command['do']) {
        case 'connect':
            $client?->close();
            $isListening = false;
            $grace = isset($command['graceMs']) ? ['grace' => $command['graceMs'] / 1000] : [];
            $client = new Client($command['socket'], ...$grace, isCancelled: isCancelled(...));
            return null;
        case 'getToken':
            return getToken($client, $params);
        case 'authorizedRequest':
            return authorizedRequest($client, $params);
        case 'request':
            return $client->call($command['method'], $params);
        case 'stream':
            stream($client, $command);
            return null;
        case 'subscribe':
            $client->subscribe('notified', ...$params);
            $isListening = true;
            return null;
        case 'unsubscribe':
            $client->unsubscribe(...$params);
            return null;
        case 'close':
            $client->close();
            $isListening = false;
            return null;
    }
    throw new LogicException("unknown command {$command['do']}");
}

function described(Throwable $error): array
{
    if (!$error instanceof AuthdException) {
        return ['reason' => 'driver', 'message' => (string) $error];
    }
    return [
        'reason' => $error->reason, 'message' => $error->getMessage(), 'credential' => $error->credential,
        'retryAfterMs' => $error->retryAfterMs, 'oauth' => $error->oauth,
    ];
}

$isListening = false;
write(['client' => 'php', 'features' => ['cancel', 'stream', 'upload', 'subscribe']]);
while (($command = command($isListening)) !== null) {
    // Parts of a body whose answer came early, and what was carried out while the call was under way.
    if ($command['do'] === 'part' || $command['do'] === 'cancel') {
        continue;
    }
    $current = $command['call'];
    try {
        $result = carryOut($command);
        write(['call' => $command['call'], 'result' => $result === null || $result === [] ? (object) [] : $result]);
    } catch (Throwable $error) {
        write(['call' => $command['call'], 'error' => described($error)]);
    }
}
