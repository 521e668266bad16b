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
    /** The request that the answer is for: of a body in parts, the one that brought it. */
    private ?int $answerId = null;
    /** What the pieces of the answer are told with: of a body in parts, the request that opened it. */
    private ?int $streamId = null;
    /** @var list<int> requests with parts that are not answered yet */
    private array $waiting = [];

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
     * Sends the request with its whole body, or until an answer comes.
     *
     * @param array<string, mixed> $params
     * @param string|iterable<string>|null $body
     */
    public function send(array $params, string|iterable|null $body): void
    {
        if ($body === null || (is_string($body) && strlen($body) <= self::SHORT_BODY)) {
            $this->answerId = $this->connection->request('authorizedRequest', $params + self::bodyMember($body));
            return;
        }
        $known = is_string($body) ? ['bodyBytes' => strlen($body)] : [];
        $upload = $this->opened($this->connection->request('request/open', $params + $known));
        $this->pump($upload, is_string($body) ? [$body] : $body);
    }

    /**
     * Takes one message; returns it if it is a piece of the body.
     *
     * @return ?array<string, mixed>
     */
    public function step(): ?array
    {
        $message = $this->next();
        $params = $message['params'] ?? [];
        $method = $message['method'] ?? null;
        $id = $message['id'] ?? null;
        if ($method === 'response/head') {
            $this->head = $params;
            $this->streamId = $params['id'] ?? null;
        } elseif ($method === 'response/chunk' && ($params['id'] ?? null) === $this->streamId) {
            return $params;
        } elseif (isset($message['error']) && ($id === null || $id === $this->answerId)) {
            throw AuthdException::of($message['error']);
        } elseif ($id !== null && isset($message['result']['status'])) {
            $this->result = $message['result'];
        }
        return null;
    }

    /**
     * Returns the member of a request that carries a short body.
     *
     * @return array<string, string>
     */
    public static function bodyMember(?string $body): array
    {
        if ($body === null) {
            return [];
        }
        return preg_match('//u', $body) === 1 ? ['body' => $body] : ['bodyBase64' => base64_encode($body)];
    }

    /** @param iterable<string> $parts */
    private function pump(string $upload, iterable $parts): void
    {
        $seq = 0;
        foreach ($parts as $part) {
            for ($from = 0; $from < strlen($part); $from += self::CHUNK_BYTES) {
                $this->put($upload, $seq++, substr($part, $from, self::CHUNK_BYTES));
                while (count($this->waiting) >= self::WINDOW || ($this->waiting && $this->connection->hasMessage())) {
                    if ($this->isAnswered()) {
                        return;
                    }
                }
            }
        }
        $this->put($upload, $seq, '', ['last' => true]);
        while ($this->waiting && !$this->isAnswered()) {
            continue;
        }
    }

    /** @param array<string, bool> $more */
    private function put(string $upload, int $seq, string $data, array $more = []): void
    {
        $params = ['upload' => $upload, 'seq' => $seq, 'data' => base64_encode($data)] + $more;
        $this->waiting[] = $this->connection->request('request/chunk', $params);
    }

    /** Takes a message; true if the answer has begun. The parts are answered in their order. */
    private function isAnswered(): bool
    {
        $this->answerId = $this->waiting[0];
        $message = $this->next();
        $this->connection->putBack($message);
        if (($message['method'] ?? null) === 'response/chunk') {
            return true;
        }
        $this->step();
        if (($message['id'] ?? null) === $this->waiting[0]) {
            array_shift($this->waiting);
        }
        return $this->head !== null || $this->result !== null;
    }

    private function opened(int $requestId): string
    {
        while (true) {
            $message = $this->next();
            $id = $message['id'] ?? null;
            if (isset($message['error']) && ($id === null || $id === $requestId)) {
                throw AuthdException::of($message['error']);
            }
            if ($id === $requestId) {
                return $message['result']['upload'];
            }
        }
    }

    /** @return array<string, mixed> */
    private function next(): array
    {
        return $this->connection->next($this->limit, $this->isCancelled)
            ?? throw new TimeoutException(sprintf('authd has said nothing for %d s.', $this->limit), 'timeout');
    }
}
