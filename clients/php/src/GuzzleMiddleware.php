<?php

declare(strict_types=1);

namespace Authd;

use GuzzleHttp\Exception\ConnectException;
use GuzzleHttp\Promise\Create;
use GuzzleHttp\Promise\PromiseInterface;
use GuzzleHttp\Psr7\Response as GuzzleResponse;
use Psr\Http\Message\RequestInterface;

/** Middleware of Guzzle that has authd send each request, in place of the handler: `$stack->push(…)`. */
final class GuzzleMiddleware
{
    public function __construct(private readonly Client $client, private readonly string $credential)
    {
    }

    public function __invoke(callable $handler): callable
    {
        return function (
            #[\SensitiveParameter] RequestInterface $request,
            #[\SensitiveParameter] array $options,
        ): PromiseInterface {
            $timeout = empty($options['timeout']) ? null : (float) $options['timeout'];
            try {
                $answer = Psr7::send($this->client, $this->credential, $request, $timeout);
            } catch (AuthdException $error) {
                return Create::rejectionFor(new ConnectException($error->getMessage(), $request, $error));
            }
            $response = new GuzzleResponse($answer->status, $answer->headers, $answer->body, '1.1', $answer->reason);
            return Create::promiseFor($response);
        };
    }
}
