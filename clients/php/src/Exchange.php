<?php

declare(strict_types=1);

namespace Authd;

/** A request whose body or answer does not fit into one message, on a connection of its own. */
final class Exchange
{
    /** Bytes of a body that goes in one message; a longer one goes in parts. */
    public const SHORT_BODY = 1024 * 1024;
    /** Bytes of a part: smaller ones cost more messages, larger ones hold up other programs. */
    private const CHUNK_BYTES = 128 * 1024;
    /** Parts that are sent before the first of them is answered. */
    private const WINDOW = 8;

    /** @var ?array<string, mixed> */
    public ?array $head = null;
    /** @var ?array<string, mixed> */
    public ?array $result = null;
    /** What the pieces of the answer are told with: of a body in parts, the request that opened it. */
    private ?int $streamId = null;
    /** @var list<int> requests that are not answered yet, in the order of their answers */
    private array $waiting = [];
    /** Sends the next part of the body each time that it goes on. */
    private ?\Generator $upload = null;

    /** @param ?\Closure(): bool $isCancelled */
    public function __construct(
        private readonly Connection $connection,
        private readonly float $limit,
        private readonly ?\Closure $isCancelled,
    ) {
    }

    public function close(): void
    {
        $this->connection->close();
    }

    /**
     * Sends the request. A long body goes with the steps that follow, until the answer is whole.
     *
     * @param array<string, mixed> $params
     * @param string|iterable<string>|null $body
     */
    public function send(#[\SensitiveParameter] array $params, #[\SensitiveParameter] string|iterable|null $body): void
    {
        if ($body === null || (is_string($body) && strlen($body) <= self::SHORT_BODY)) {
            $this->request('authorizedRequest', $params + self::bodyMember($body));
            return;
        }
        $known = is_string($body) ? ['bodyBytes' => strlen($body)] : [];
        $this->request('request/open', $params + $known);
        $this->upload = $this->parts($this->opened(), is_string($body) ? [$body] : $body);
    }

    /**
     * Sends what there is room for, and takes one message; returns it if it is a piece of the answer's body.
     *
     * @return ?array<string, mixed>
     */
    public function step(): ?array
    {
        while ($this->upload?->valid() && count($this->waiting) < self::WINDOW && !$this->connection->hasMessage()) {
            $this->upload->next();
        }
        $message = $this->next();
        $params = $message['params'] ?? [];
        $method = $message['method'] ?? null;
        if ($method === 'response/head') {
            $this->head = $params;
            $this->streamId = $params['id'] ?? null;
        } elseif ($method === 'response/chunk' && ($params['id'] ?? null) === $this->streamId) {
            return $params;
        } elseif ($this->isAnswer($message) && isset($message['result']['status'])) {
            $this->result = $message['result'];
        }
        return null;
    }

    /**
     * Returns the member of a request that carries a short body.
     *
     * @return array<string, string>
     */
    public static function bodyMember(#[\SensitiveParameter] ?string $body): array
    {
        if ($body === null) {
            return [];
        }
        return preg_match('//u', $body) === 1 ? ['body' => $body] : ['bodyBase64' => base64_encode($body)];
    }

    /** @param iterable<string> $body */
    private function parts(string $upload, #[\SensitiveParameter] iterable $body): \Generator
    {
        $seq = 0;
        // Nothing is taken from the source before the first step.
        yield;
        foreach ($body as $part) {
            for ($from = 0; $from < strlen($part); $from += self::CHUNK_BYTES) {
                $data = base64_encode(substr($part, $from, self::CHUNK_BYTES));
                $this->request('request/chunk', ['upload' => $upload, 'seq' => $seq++, 'data' => $data]);
                yield;
            }
        }
        $this->request('request/chunk', ['upload' => $upload, 'seq' => $seq, 'data' => '', 'last' => true]);
    }

    private function opened(): string
    {
        do {
            $message = $this->next();
        } while (!$this->isAnswer($message));
        return $message['result']['upload'];
    }

    /** @param array<string, mixed> $params */
    private function request(string $method, #[\SensitiveParameter] array $params): void
    {
        $id = $this->connection->newId();
        $this->connection->send($id, $method, $params, $this->limit, $this->isCancelled);
        $this->waiting[] = $id;
    }

    /**
     * True if the message answers the request that waits for it. Throws its error.
     *
     * @param array<string, mixed> $message
     */
    private function isAnswer(#[\SensitiveParameter] array $message): bool
    {
        $id = $message['id'] ?? null;
        $isNext = $id !== null && $id === ($this->waiting[0] ?? null);
        if (isset($message['error']) && ($id === null || $isNext)) {
            throw AuthdException::of($message['error']);
        }
        if ($isNext) {
            array_shift($this->waiting);
        }
        return $isNext;
    }

    /** @return array<string, mixed> */
    private function next(): array
    {
        return $this->connection->next($this->limit, $this->isCancelled)
            ?? throw new TimeoutException(sprintf('authd has said nothing for %d s.', $this->limit), 'timeout');
    }
}
