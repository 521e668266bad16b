<?php

declare(strict_types=1);

namespace Authd;

use Psr\Http\Message\RequestInterface;

/** Requests of PSR-7, sent by authd. */
final class Psr7
{
    public static function send(
        Client $client,
        string $credential,
        #[\SensitiveParameter] RequestInterface $request,
        ?float $timeout,
    ): Response {
        $headers = [];
        foreach ($request->getHeaders() as $name => $values) {
            // authd sets them itself.
            if (!in_array(strtolower((string) $name), ['host', 'content-length'], true)) {
                $headers[$name] = implode(strtolower((string) $name) === 'cookie' ? '; ' : ', ', $values);
            }
        }
        $body = (string) $request->getBody();
        return $client->request(
            $credential,
            $request->getMethod(),
            (string) $request->getUri(),
            $headers,
            $body === '' ? null : $body,
            timeout: $timeout,
        );
    }
}
