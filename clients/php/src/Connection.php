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
    /** Bytes that are written at once. */
    private const WRITE_BYTES = 256 * 1024;
    private const FLAGS = JSON_UNESCAPED_SLASHES | JSON_UNESCAPED_UNICODE | JSON_UNESCAPED_LINE_TERMINATORS;

    /** @var ?resource */
    private $stream;
    private string $held = '';
    /** @var list<array<string, mixed>> */
    private array $messages = [];
    /** @var array<int, ?array<string, mixed>> answers that calls wait for, once they have come */
    private array $answers = [];
    private int $lastId = 0;
    /** The last id whose request was sent, or begun to be. */
    private int $sentId = 0;

    /** @param resource $stream */
    public function __construct($stream)
    {
        stream_set_blocking($stream, false);
        $this->stream = $stream;
    }

    /** Returns the id for a request: it is known before anything is sent, so that `cancel` can always name it. */
    public function newId(): int
    {
        return ++$this->lastId;
    }

    /**
     * Sends a request. Throws TimeoutException if the daemon has not taken it in time, and CancelledException once
     * `isCancelled` is true. Whatever is thrown while a line is written closes the connection.
     *
     * @param array<string, mixed> $params
     * @param ?\Closure(): bool $isCancelled
     */
    public function send(
        int $id,
        string $method,
        #[\SensitiveParameter] array $params,
        float $seconds,
        ?\Closure $isCancelled = null,
    ): void {
        $message = ['jsonrpc' => '2.0', 'id' => $id, 'method' => $method, 'params' => (object) $params];
        $line = self::encode($message, self::FLAGS) . "\n";
        if (strlen($line) > self::MAX_REQUEST_BYTES) {
            $text = sprintf('The request takes %d bytes; authd accepts %d.', strlen($line), self::MAX_REQUEST_BYTES);
            throw new RequestTooLargeException($text, 'request_too_large');
        }
        $this->sentId = $id;
        $this->write($line, $seconds, $isCancelled);
    }

    /** Takes a request back without waiting; the connection is closed if the daemon takes nothing. */
    public function cancel(int $id): void
    {
        if ($this->stream === null || $id > $this->sentId) {
            return;
        }
        $message = ['jsonrpc' => '2.0', 'method' => '$/cancelRequest', 'params' => ['id' => $id]];
        try {
            $this->write(self::encode($message, self::FLAGS) . "\n", 0.0, null);
        } catch (ConnectionLost | TimeoutException) {
            // Then it is taken back already.
        }
    }

    /** Returns JSON. Its errors do not hold the value, as those of `json_encode` do. */
    public static function encode(#[\SensitiveParameter] mixed $value, int $flags = 0): string
    {
        $json = json_encode($value, $flags);
        if ($json === false) {
            $text = sprintf('The params are no JSON: %s.', json_last_error_msg());
            throw new InvalidParamsException($text, 'invalid_params');
        }
        return $json;
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
            self::assertWanted($isCancelled);
            $left = max(0.0, $until - hrtime(true) / 1e9);
            if ($this->isReady(false, $isCancelled === null ? $left : min($left, self::LOOK))) {
                $this->receive();
            } elseif ($left === 0.0) {
                return null;
            }
        }
        return array_shift($this->messages);
    }

    /**
     * Has `hold` keep the answer to a request for `held`: a listener that makes a call reads on this connection, too.
     */
    public function expect(int $id): void
    {
        $this->answers[$id] = null;
    }

    /** @param array<string, mixed> $message */
    public function hold(#[\SensitiveParameter] array $message): void
    {
        if (array_key_exists($message['id'] ?? '', $this->answers)) {
            $this->answers[$message['id']] = $message;
        }
    }

    /** @return ?array<string, mixed> */
    public function held(int $id): ?array
    {
        return $this->answers[$id] ?? null;
    }

    public function forget(int $id): void
    {
        unset($this->answers[$id]);
    }

    public function hasMessage(): bool
    {
        return $this->messages !== [] || $this->isReady(false, 0.0);
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

    /** @param ?\Closure(): bool $isCancelled */
    private function write(#[\SensitiveParameter] string $line, float $seconds, ?\Closure $isCancelled): void
    {
        $until = hrtime(true) / 1e9 + $seconds;
        $isWhole = false;
        try {
            for ($sent = 0; $sent < strlen($line); $sent += $count) {
                $part = substr($line, $sent, self::WRITE_BYTES);
                $count = $this->stream === null ? false : @fwrite($this->stream, $part);
                if ($count === false) {
                    $this->lose();
                }
                if ($count === 0) {
                    $this->awaitRoom($until, $isCancelled);
                }
            }
            $isWhole = true;
        } finally {
            if (!$isWhole) {
                // What follows would be taken for the rest of the line.
                $this->close();
            }
        }
    }

    /** @param ?\Closure(): bool $isCancelled */
    private function awaitRoom(float $until, ?\Closure $isCancelled): void
    {
        self::assertWanted($isCancelled);
        $left = $until - hrtime(true) / 1e9;
        if ($left <= 0.0) {
            throw new TimeoutException('authd has not taken the request in time.', 'timeout');
        }
        $this->isReady(true, $isCancelled === null ? $left : min($left, self::LOOK));
    }

    /** @param ?\Closure(): bool $isCancelled */
    private static function assertWanted(?\Closure $isCancelled): void
    {
        if ($isCancelled !== null && $isCancelled()) {
            throw new CancelledException('The call was taken back.', 'cancelled');
        }
    }

    private function isReady(bool $toWrite, float $seconds): bool
    {
        if ($this->stream === null) {
            $this->lose();
        }
        $read = $toWrite ? null : [$this->stream];
        $write = $toWrite ? [$this->stream] : null;
        $none = null;
        // A signal interrupts it: false.
        return (bool) @stream_select($read, $write, $none, (int) $seconds, (int) (fmod($seconds, 1) * 1e6));
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
