<?php

declare(strict_types=1);

namespace Authd;

/**
 * An API's answer whose body is read as it comes: iterate over it, once.
 *
 * @implements \IteratorAggregate<int, string>
 */
final class Stream implements \IteratorAggregate
{
    public readonly int $status;
    public readonly string $reason;
    /** After redirects. */
    public readonly string $url;
    /** @var array<string, string|list<string>> names in lower case */
    public readonly array $headers;
    private int $chunks = 0;
    private int $bytes = 0;

    /**
     * @param array<string, mixed> $params
     * @param string|iterable<string>|null $body
     */
    public function __construct(
        private readonly Exchange $exchange,
        #[\SensitiveParameter] array $params,
        #[\SensitiveParameter] string|iterable|null $body,
    ) {
        try {
            $exchange->send($params + ['stream' => true], $body);
            while ($exchange->head === null) {
                $exchange->step();
                if ($exchange->result !== null && $exchange->head === null) {
                    throw self::failed('The answer has no head.');
                }
            }
        } catch (ConnectionLost) {
            throw self::broken();
        } finally {
            if ($exchange->head === null) {
                $exchange->close();
            }
        }
        $this->status = $exchange->head['status'];
        $this->reason = $exchange->head['statusText'] ?? '';
        $this->url = $exchange->head['url'];
        $this->headers = $exchange->head['headers'] ?? [];
    }

    /** @return \Generator<int, string> */
    public function getIterator(): \Generator
    {
        try {
            while ($this->exchange->result === null) {
                $chunk = $this->exchange->step();
                $data = $chunk === null ? '' : $this->take($chunk);
                if ($data !== '') {
                    yield $data;
                }
            }
            $this->assertWhole($this->exchange->result);
        } catch (ConnectionLost) {
            throw self::broken();
        } finally {
            $this->close();
        }
    }

    /** Returns the rest of the body. */
    public function read(): string
    {
        return implode('', iterator_to_array($this, false));
    }

    /** Ends the request, if it is still under way. */
    public function close(): void
    {
        $this->exchange->close();
    }

    /** @param array<string, mixed> $chunk */
    private function take(#[\SensitiveParameter] array $chunk): string
    {
        if (($chunk['seq'] ?? null) !== $this->chunks) {
            throw self::failed("The answer is not whole: chunk {$this->chunks} did not come.");
        }
        $data = base64_decode($chunk['data']);
        $this->chunks++;
        $this->bytes += strlen($data);
        return $data;
    }

    /** @param array<string, mixed> $result */
    private function assertWhole(#[\SensitiveParameter] array $result): void
    {
        if (($result['chunks'] ?? null) !== $this->chunks || ($result['bytes'] ?? null) !== $this->bytes) {
            $all = $result['bytes'] ?? 'unknown';
            throw self::failed("The answer is not whole: {$this->bytes} of $all bytes came.");
        }
    }

    private static function broken(): RequestFailedException
    {
        return self::failed('The connection to authd broke before the answer was whole.');
    }

    private static function failed(string $text): RequestFailedException
    {
        return new RequestFailedException($text, 'request_failed');
    }
}
