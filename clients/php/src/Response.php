<?php

declare(strict_types=1);

namespace Authd;

/** An API's answer, whole. A status of 400 or more is no exception. */
final class Response
{
    /**
     * @param string $url after redirects
     * @param array<string, string|list<string>> $headers names in lower case
     * @param bool $refreshed the token was renewed on the way, after a 401
     */
    private function __construct(
        public readonly int $status,
        public readonly string $reason,
        public readonly string $url,
        #[\SensitiveParameter] public readonly array $headers,
        #[\SensitiveParameter] public readonly string $body,
        public readonly bool $refreshed,
    ) {
    }

    /** @param array<string, mixed> $result */
    public static function of(#[\SensitiveParameter] array $result): self
    {
        return new self(
            $result['status'],
            $result['statusText'] ?? '',
            $result['url'],
            $result['headers'] ?? [],
            $result['body'] ?? base64_decode($result['bodyBase64'] ?? ''),
            $result['refreshed'] ?? false,
        );
    }

    /** Returns the body's JSON, objects as arrays. */
    public function json(): mixed
    {
        return json_decode($this->body, true, 512, JSON_THROW_ON_ERROR);
    }
}
