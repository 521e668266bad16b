<?php

declare(strict_types=1);

namespace Authd;

/** A token, and all that an API wants with it. */
final class Token
{
    /**
     * @param ?float $expiresAt seconds since the epoch; null: the issuer told no lifetime
     * @param array<string, string> $headers every header that the API wants, ready to send
     * @param array<string, string> $query parameters that the API wants in the query, not encoded
     * @param array<string, string> $body members that the API wants in the body
     * @param array<string, string> $extra values of the issuer's answer that the credential keeps
     */
    private function __construct(
        #[\SensitiveParameter] public readonly string $accessToken,
        public readonly string $tokenType,
        public readonly ?float $expiresAt,
        public readonly ?string $scope,
        #[\SensitiveParameter] public readonly array $headers,
        #[\SensitiveParameter] public readonly array $query,
        #[\SensitiveParameter] public readonly array $body,
        public readonly array $extra,
    ) {
    }

    /** @param array<string, mixed> $result */
    public static function of(#[\SensitiveParameter] array $result): self
    {
        return new self(
            $result['accessToken'],
            $result['tokenType'],
            isset($result['expiresAt']) ? $result['expiresAt'] / 1000 : null,
            $result['scope'] ?? null,
            $result['headers'] ?? [],
            $result['query'] ?? [],
            $result['body'] ?? [],
            $result['extra'] ?? [],
        );
    }

    /**
     * Keeps the token out of var_dump.
     *
     * @return array<string, mixed>
     */
    public function __debugInfo(): array
    {
        return ['tokenType' => $this->tokenType, 'expiresAt' => $this->expiresAt, 'scope' => $this->scope];
    }
}
