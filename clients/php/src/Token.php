<?php

declare(strict_types=1);

namespace Authd;

/**
 * A token, and all that an API wants with it. Whatever prints, dumps or encodes it shows nothing that is secret.
 *
 * @property-read string $accessToken
 * @property-read array<string, string> $headers every header that the API wants, ready to send
 * @property-read array<string, string> $query parameters that the API wants in the query, not encoded
 * @property-read array<string, string> $body members that the API wants in the body
 * @property-read array<string, string> $extra values of the issuer's answer that the credential keeps
 */
final class Token
{
    /** What is secret, outside of the objects: var_export and (array) show all that is inside. */
    private static \WeakMap $secrets;

    /** @param ?float $expiresAt seconds since the epoch; null: the issuer told no lifetime */
    private function __construct(
        public readonly string $tokenType,
        public readonly ?float $expiresAt,
        public readonly ?string $scope,
    ) {
    }

    /** @param array<string, mixed> $result */
    public static function of(#[\SensitiveParameter] array $result): self
    {
        $expiresAt = isset($result['expiresAt']) ? $result['expiresAt'] / 1000 : null;
        $token = new self($result['tokenType'], $expiresAt, $result['scope'] ?? null);
        self::$secrets ??= new \WeakMap();
        self::$secrets[$token] = [
            'accessToken' => $result['accessToken'],
            'headers' => $result['headers'] ?? [],
            'query' => $result['query'] ?? [],
            'body' => $result['body'] ?? [],
            'extra' => $result['extra'] ?? [],
        ];
        return $token;
    }

    public function __get(string $name): mixed
    {
        return self::$secrets[$this][$name] ?? throw new \Error("A token has no \$$name.");
    }

    public function __isset(string $name): bool
    {
        return isset(self::$secrets[$this][$name]);
    }

    public function __set(string $name, #[\SensitiveParameter] mixed $value): void
    {
        throw new \Error("A token's \$$name can't be changed.");
    }

    /** @return array<string, mixed> */
    public function __serialize(): array
    {
        throw new \Error('A token is not to be kept: ask for it each time.');
    }

    private function __clone()
    {
    }
}
