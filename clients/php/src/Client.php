<?php

declare(strict_types=1);

namespace Authd;

/**
 * Connects with the first call, and again with the next one after the connection was lost. A child process after
 * `pcntl_fork` gets a connection of its own.
 */
final class Client
{
    private const DEFAULT_TIMEOUT = 30.0;
    /** The daemon ends a sign-in after half an hour at the latest. */
    private const LOGIN_TIMEOUT = 31 * 60.0;
    /** Seconds between tries to get a lost subscription back. */
    private const RECONNECT_PAUSE = 1.0;
    private const REPEATABLE = [
        'initialize', 'getToken', 'tokenFiles/list', 'credentials/list', 'credentials/show', 'credentials/discover',
        'credentials/introspect', 'status', 'events', 'reload', 'approvals/pending', 'audit/head', 'subscribe',
        'unsubscribe', 'lock', 'login/start',
    ];
    private const IDEMPOTENT = ['GET', 'HEAD', 'OPTIONS', 'PUT', 'DELETE'];

    private ?Connection $connection = null;
    private int $process = 0;
    private bool $isClosed = false;
    /** @var list<array<string, mixed>> params of subscriptions */
    private array $watched = [];
    /** @var list<callable(string, array<string, mixed>): void> */
    private array $listeners = [];

    /**
     * @param ?string $socket the daemon's
     * @param float $grace seconds that a call waits longer than its timeout, as a person may have to say yes first
     * @param ?\Closure(): bool $isCancelled is asked while a call waits, every 50 ms: true takes the call back
     */
    public function __construct(
        private readonly ?string $socket = null,
        private readonly float $grace = 65.0,
        private readonly ?\Closure $isCancelled = null,
    ) {
    }

    /**
     * Returns a token that is valid, and the headers to send with it.
     *
     * @param ?float $minValidity seconds
     * @param ?string $rejectedToken one that an API has refused with 401
     * @param ?float $timeout seconds
     * @param ?string $method with `url` the request that the token is for (DPoP)
     */
    public function getToken(
        string $credential,
        ?float $minValidity = null,
        ?string $scope = null,
        ?string $audience = null,
        bool $forceRefresh = false,
        #[\SensitiveParameter] ?string $rejectedToken = null,
        ?float $timeout = null,
        ?string $method = null,
        ?string $url = null,
        bool $interactive = false,
    ): Token {
        return Token::of($this->call('getToken', self::present([
            'credential' => $credential,
            'minValidity' => $minValidity,
            'scope' => $scope,
            'audience' => $audience,
            'forceRefresh' => $forceRefresh ?: null,
            'rejectedToken' => $rejectedToken,
            'timeoutMs' => self::milliseconds($timeout),
            'method' => $method,
            'url' => $url,
            'interactive' => $interactive ?: null,
        ])));
    }

    /**
     * Has authd send an HTTP request, so that this process never sees the token.
     *
     * @param array<string, string> $headers
     * @param mixed $json is sent as JSON, in place of `body`
     * @param ?float $timeout seconds
     */
    public function request(
        string $credential,
        string $method,
        string $url,
        #[\SensitiveParameter] array $headers = [],
        #[\SensitiveParameter] ?string $body = null,
        #[\SensitiveParameter] mixed $json = null,
        ?float $timeout = null,
        ?int $maxResponseBytes = null,
    ): Response {
        if ($json !== null) {
            if ($body !== null) {
                throw new InvalidParamsException('A request has a body or json, not both.', 'invalid_params');
            }
            $body = Connection::encode($json);
            $named = array_change_key_case($headers);
            $headers += isset($named['content-type']) ? [] : ['content-type' => 'application/json'];
        }
        $params = self::requestParams($credential, $method, $url, $headers, $timeout)
            + self::present(['maxResponseBytes' => $maxResponseBytes]);
        if ($body === null || strlen($body) <= Exchange::SHORT_BODY) {
            return Response::of($this->call('authorizedRequest', $params + Exchange::bodyMember($body)));
        }
        return Response::of($this->repeated('authorizedRequest', $params, fn () => $this->sendLong($params, $body)));
    }

    /**
     * Has authd send a request whose answer is read as it comes.
     *
     * @param array<string, string> $headers
     * @param string|iterable<string>|null $body an iterable is sent as it comes; authd gives it up if it pauses for a
     *     minute. What is not sent when the answer's head comes goes while the answer is read
     * @param ?float $timeout seconds up to the head, then of each silence
     */
    public function stream(
        string $credential,
        string $method,
        string $url,
        #[\SensitiveParameter] array $headers = [],
        #[\SensitiveParameter] string|iterable|null $body = null,
        ?float $timeout = null,
    ): Stream {
        $params = self::requestParams($credential, $method, $url, $headers, $timeout);
        return new Stream($this->exchange($params), $params, $body);
    }

    /**
     * Calls any method of the protocol, and returns its result as it comes, objects as arrays.
     *
     * @param array<string, mixed> $params
     */
    public function call(string $method, #[\SensitiveParameter] array $params = []): mixed
    {
        return $this->repeated($method, $params, fn () => $this->answer($method, $params));
    }

    /**
     * Has `listener` called with the name and params of each notification, while a call waits and in `listen`.
     *
     * @param callable(string, array<string, mixed>): void $listener
     */
    public function subscribe(
        callable $listener,
        ?string $credential = null,
        bool $events = false,
        bool $approvals = false,
    ): void {
        if (!in_array($listener, $this->listeners, true)) {
            $this->listeners[] = $listener;
        }
        $params = self::present([
            'credential' => $credential,
            'events' => $events ?: null,
            'approvals' => $approvals ?: null,
        ]);
        $this->call('subscribe', $params);
        $others = array_filter($this->watched, static fn (array $one): bool => $one !== $params);
        $this->watched = [...array_values($others), $params];
    }

    /** Ends the subscriptions for one credential, or without a name all of them. */
    public function unsubscribe(?string $credential = null): void
    {
        $isOther = static fn (array $one): bool => $credential !== null && ($one['credential'] ?? null) !== $credential;
        $this->watched = array_values(array_filter($this->watched, $isOther));
        $this->call('unsubscribe', self::present(['credential' => $credential]));
    }

    /** Tells listeners for some seconds what comes, and subscribes again after a restart of the daemon. */
    public function listen(float $seconds): void
    {
        $until = hrtime(true) / 1e9 + $seconds;
        do {
            $left = max(0.0, $until - hrtime(true) / 1e9);
            try {
                $message = $this->connected()->next($left);
                if ($message !== null) {
                    $this->tell($message);
                }
            } catch (ConnectionLost | NoDaemonException) {
                usleep((int) (min($left, self::RECONNECT_PAUSE) * 1e6));
            }
        } while (hrtime(true) / 1e9 < $until);
    }

    public function close(): void
    {
        $this->isClosed = true;
        $this->connection?->close();
    }

    /** @param array<string, mixed> $params */
    private function answer(string $method, #[\SensitiveParameter] array $params): mixed
    {
        $limit = self::timeoutOf($method, $params) + $this->grace;
        $until = hrtime(true) / 1e9 + $limit;
        $connection = $this->connected();
        $id = $connection->newId();
        $connection->expect($id);
        try {
            $connection->send($id, $method, $params, $limit, $this->isCancelled);
            $answer = $this->awaited($connection, $id, $until);
        } catch (\Throwable $error) {
            // Also one that a signal handler or a listener has thrown.
            $connection->cancel($id);
            throw $error;
        } finally {
            $connection->forget($id);
        }
        if ($answer === null) {
            $connection->cancel($id);
            throw new TimeoutException(sprintf('authd has not answered %s within %d s.', $method, $limit), 'timeout');
        }
        if (isset($answer['error'])) {
            throw AuthdException::of($answer['error']);
        }
        return $answer['result'] ?? null;
    }

    /**
     * Returns the answer to a request, or null if it did not come in time.
     *
     * @param float $until seconds of the clock that `hrtime` reads
     * @return ?array<string, mixed>
     */
    private function awaited(Connection $connection, int $id, float $until): ?array
    {
        while (($answer = $connection->held($id)) === null) {
            $message = $connection->next(max(0.0, $until - hrtime(true) / 1e9), $this->isCancelled);
            if ($message === null) {
                return null;
            }
            if (isset($message['method'])) {
                $this->tell($message);
            } elseif (isset($message['error']) && !isset($message['id'])) {
                // About the connection as a whole, which the daemon closes after it.
                $connection->close();
                return $message;
            } else {
                $connection->hold($message);
            }
        }
        return $answer;
    }

    /** @param array<string, mixed> $message */
    private function tell(#[\SensitiveParameter] array $message): void
    {
        if (isset($message['method'])) {
            foreach ($this->listeners as $listener) {
                $listener($message['method'], $message['params'] ?? []);
            }
        }
    }

    private function connected(): Connection
    {
        $this->assertOpen();
        if ($this->process !== getmypid()) {
            // Answers on the parent's connection would be mixed up.
            $this->connection?->close();
            $this->process = getmypid() ?: 0;
        }
        if ($this->connection === null || $this->connection->isClosed()) {
            $connection = new Connection(Socket::connect($this->socket));
            foreach ($this->watched as $params) {
                $connection->send($connection->newId(), 'subscribe', $params, $this->grace, $this->isCancelled);
            }
            $this->connection = $connection;
        }
        return $this->connection;
    }

    /** @param array<string, mixed> $params */
    private function exchange(#[\SensitiveParameter] array $params): Exchange
    {
        $this->assertOpen();
        $limit = self::timeoutOf('authorizedRequest', $params) + $this->grace;
        return new Exchange(new Connection(Socket::connect($this->socket)), $limit, $this->isCancelled);
    }

    /**
     * @param array<string, mixed> $params
     * @return array<string, mixed>
     */
    private function sendLong(#[\SensitiveParameter] array $params, #[\SensitiveParameter] string $body): array
    {
        $exchange = $this->exchange($params);
        try {
            $exchange->send($params, $body);
            while ($exchange->result === null) {
                $exchange->step();
            }
            return $exchange->result;
        } finally {
            $exchange->close();
        }
    }

    /**
     * @param array<string, mixed> $params
     * @param callable(): mixed $send
     */
    private function repeated(
        string $method,
        #[\SensitiveParameter] array $params,
        #[\SensitiveParameter] callable $send,
    ): mixed {
        for ($tries = self::mayRepeat($method, $params) ? 2 : 1; $tries > 0; $tries--) {
            try {
                return $send();
            } catch (ConnectionLost) {
                continue;
            }
        }
        $text = "The connection to authd broke before it answered $method: it may have been carried out.";
        throw new RequestFailedException($text, 'request_failed');
    }

    private function assertOpen(): void
    {
        if ($this->isClosed) {
            throw new CancelledException('This client has been closed.', 'cancelled');
        }
    }

    /**
     * True if a request whose connection ended without an answer may be sent once more.
     *
     * @param array<string, mixed> $params
     */
    private static function mayRepeat(string $method, #[\SensitiveParameter] array $params): bool
    {
        if ($method === 'authorizedRequest') {
            return in_array(strtoupper($params['method'] ?? 'GET'), self::IDEMPOTENT, true);
        }
        return in_array($method, self::REPEATABLE, true);
    }

    /** @param array<string, mixed> $params */
    private static function timeoutOf(string $method, #[\SensitiveParameter] array $params): float
    {
        if (is_numeric($params['timeoutMs'] ?? null)) {
            return $params['timeoutMs'] / 1000;
        }
        return $method === 'login/finish' ? self::LOGIN_TIMEOUT : self::DEFAULT_TIMEOUT;
    }

    /**
     * @param array<string, string> $headers
     * @return array<string, mixed>
     */
    private static function requestParams(
        string $credential,
        string $method,
        string $url,
        #[\SensitiveParameter] array $headers,
        ?float $timeout,
    ): array {
        return self::present([
            'credential' => $credential,
            'method' => $method,
            'url' => $url,
            'headers' => $headers === [] ? null : $headers,
            'timeoutMs' => self::milliseconds($timeout),
        ]);
    }

    private static function milliseconds(?float $seconds): ?int
    {
        return $seconds === null ? null : (int) round($seconds * 1000);
    }

    /**
     * Returns the members that are given.
     *
     * @param array<string, mixed> $members
     * @return array<string, mixed>
     */
    private static function present(#[\SensitiveParameter] array $members): array
    {
        $given = [];
        foreach ($members as $name => $value) {
            if ($value !== null) {
                $given[$name] = $value;
            }
        }
        return $given;
    }
}
