<?php

declare(strict_types=1);

namespace Authd;

use Psr\Http\Client\ClientInterface;
use Psr\Http\Message\RequestInterface;
use Psr\Http\Message\ResponseFactoryInterface;
use Psr\Http\Message\ResponseInterface;
use Psr\Http\Message\StreamFactoryInterface;

/** Has authd send the requests of a library that takes a PSR-18 client. */
final class Psr18Client implements ClientInterface
{
    public function __construct(
        private readonly Client $client,
        private readonly string $credential,
        private readonly ResponseFactoryInterface $responses,
        private readonly StreamFactoryInterface $streams,
        private readonly ?float $timeout = null,
    ) {
    }

    public function sendRequest(#[\SensitiveParameter] RequestInterface $request): ResponseInterface
    {
        try {
            $answer = Psr7::send($this->client, $this->credential, $request, $this->timeout);
        } catch (AuthdException $error) {
            throw new Psr18Exception($request, $error);
        }
        $response = $this->responses->createResponse($answer->status, $answer->reason)
            ->withBody($this->streams->createStream($answer->body));
        foreach ($answer->headers as $name => $value) {
            $response = $response->withHeader((string) $name, $value);
        }
        return $response;
    }
}
