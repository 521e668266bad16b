<?php

declare(strict_types=1);

namespace Authd;

/** Messages in lines of JSON on one connection. Throws AuthdException, or ConnectionLost. */
final class Connection
{
    /** Bytes of a request; the daemon accepts no longer one. */
    private const MAX_REQUEST_BYTES = 8 * 1024 * 1024;
    /** Seconds between looks at whether a call is still wanted. */
    private const LOOK = 0.05;
    private const FLAGS = JSON_THROW_ON_ERROR | JSON_UNESCAPED_SLASHES | JSON_UNESCAPED_UNICODE
        | JSON_UNESCAPED_LINE_TERMINATORS;

    /** @var ?resource */
    private $stream;
    private string $held = '';
    /** @var list<array<string, mixed>> */
    private array $messages = [];
    private int $lastId = 0;

    /** @param resource $stream */
    public function __construct($stream)
    {
        $this->stream = $stream;
    }

    /**
     * Sends a request, and returns its id.
     *
     * @param array<string, mixed> $params
     */
    public function request(string $method, array $params): int
    {
        $id = ++$this->lastId;
        $this->write(['jsonrpc' => '2.0', 'id' => $id, 'method' => $method, 'params' => (object) $params]);
        return $id;
    }

    /** Tells the daemon that a request is no longer wanted. */
    public function cancel(int $id): void
    {
        try {
            $this->write(['jsonrpc' => '2.0', 'method' => '$/cancelRequest', 'params' => ['id' => $id]]);
        } catch (ConnectionLost) {
            // Then it is taken back already.
        }
    }

    /**
     * Returns the next message, or null if none came in time. Throws CancelledException once `isCancelled` is true.
     *
     * @param ?\Closure(): bool $isCancelled
     * @return ?array<string, mixed>
     */
    public function next(float $seconds, ?\Closure $isCancelled = null): ?array
    {
        $until = hrtime(true) / 1e9 + $seconds;
        while ($this->messages === []) {
            if ($isCancelled !== null && $isCancelled()) {
                throw new CancelledException('The call was taken back.', 'cancelled');
            }
            $left = max(0.0, $until - hrtime(true) / 1e9);
            if ($this->isReadable($isCancelled === null ? $left : min($left, self::LOOK))) {
                $this->receive();
            } elseif ($left === 0.0) {
                return null;
            }
        }
        return array_shift($this->messages);
    }

    /** @param array<string, mixed> $message */
    public function putBack(array $message): void
    {
        array_unshift($this->messages, $message);
    }

    public function hasMessage(): bool
    {
        return $this->messages !== [] || $this->isReadable(0.0);
    }

    public function isClosed(): bool
    {
        return $this->stream === null;
    }

    public function close(): void
    {
        if ($this->stream !== null) {
            fclose($this->stream);
            $this->stream = null;
        }
    }

    /** @param array<string, mixed> $message */
    private function write(array $message): void
    {
        try {
            $data = json_encode($message, self::FLAGS) . "\n";
        } catch (\JsonException $error) {
            $text = "The params are no JSON: {$error->getMessage()}.";
            throw new InvalidParamsException($text, 'invalid_params', previous: $error);
        }
        if (strlen($data) > self::MAX_REQUEST_BYTES) {
            $text = sprintf('The request takes %d bytes; authd accepts %d.', strlen($data), self::MAX_REQUEST_BYTES);
            throw new RequestTooLargeException($text, 'request_too_large');
        }
        for ($sent = 0; $sent < strlen($data); $sent += $count) {
            $count = $this->stream === null ? false : @fwrite($this->stream, $sent === 0 ? $data : substr($data, $sent));
            if ($count === false || $count === 0) {
                $this->lose();
            }
        }
    }

    private function isReadable(float $seconds): bool
    {
        if ($this->stream === null) {
            $this->lose();
        }
        $read = [$this->stream];
        $none = null;
        // A signal interrupts it: false.
        return (bool) @stream_select($read, $none, $none, (int) $seconds, (int) (fmod($seconds, 1) * 1e6));
    }

    private function receive(): void
    {
        $data = $this->stream === null ? false : @fread($this->stream, 65536);
        if ($data === false || $data === '') {
            $this->lose();
        }
        $this->held .= $data;
        if (!str_contains($data, "\n")) {
            return;
        }
        $lines = explode("\n", $this->held);
        $this->held = array_pop($lines);
        foreach ($lines as $line) {
            if (trim($line) === '') {
                continue;
            }
            $message = json_decode($line, true);
            if (!is_array($message)) {
                $this->lose();
            }
            $this->messages[] = $message;
        }
    }

    private function lose(): never
    {
        $this->close();
        throw new ConnectionLost();
    }
}
