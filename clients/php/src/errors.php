<?php

// Errors of authd: one exception for each reason, all of them an AuthdException.

declare(strict_types=1);

namespace Authd;

/** `reason` is what programs go by; the text is for people. Neither ever holds a secret. */
class AuthdException extends \RuntimeException
{
    /**
     * @param ?int $retryAfterMs milliseconds from now before another try makes sense
     * @param ?array<string, mixed> $oauth the issuer's `error`, `error_description`, `status`
     */
    final public function __construct(
        string $message,
        public readonly string $reason,
        public readonly ?string $credential = null,
        public readonly ?int $retryAfterMs = null,
        public readonly ?array $oauth = null,
        ?\Throwable $previous = null,
    ) {
        parent::__construct($message, 0, $previous);
    }

    /**
     * Makes the exception of a JSON-RPC error. One of a later version's reasons is an AuthdException.
     *
     * @param array<string, mixed> $error
     */
    public static function of(array $error): self
    {
        $data = $error['data'] ?? [];
        $reason = $data['reason'] ?? 'internal';
        $class = self::CLASSES[$reason] ?? self::class;
        return new $class(
            $error['message'] ?? $reason,
            $reason,
            $data['credential'] ?? null,
            isset($data['retryAfterMs']) ? (int) $data['retryAfterMs'] : null,
            $data['oauth'] ?? null,
        );
    }

    private const CLASSES = [
        'invalid_params' => InvalidParamsException::class,
        'unknown_credential' => UnknownCredentialException::class,
        'login_required' => LoginRequiredException::class,
        'credential_rejected' => CredentialRejectedException::class,
        'credential_changed' => CredentialChangedException::class,
        'credential_damaged' => CredentialDamagedException::class,
        'origin_not_allowed' => OriginNotAllowedException::class,
        'caller_not_allowed' => CallerNotAllowedException::class,
        'token_not_exposed' => TokenNotExposedException::class,
        'vault_locked' => VaultLockedException::class,
        'issuer_unavailable' => IssuerUnavailableException::class,
        'timeout' => TimeoutException::class,
        'too_busy' => TooBusyException::class,
        'shutting_down' => ShuttingDownException::class,
        'request_failed' => RequestFailedException::class,
        'request_too_large' => RequestTooLargeException::class,
        'response_too_large' => ResponseTooLargeException::class,
        'cancelled' => CancelledException::class,
        'internal' => InternalException::class,
        'no_daemon' => NoDaemonException::class,
    ];
}

final class InvalidParamsException extends AuthdException
{
}

final class UnknownCredentialException extends AuthdException
{
}

final class LoginRequiredException extends AuthdException
{
}

final class CredentialRejectedException extends AuthdException
{
}

final class CredentialChangedException extends AuthdException
{
}

final class CredentialDamagedException extends AuthdException
{
}

final class OriginNotAllowedException extends AuthdException
{
}

final class CallerNotAllowedException extends AuthdException
{
}

final class TokenNotExposedException extends AuthdException
{
}

final class VaultLockedException extends AuthdException
{
}

final class IssuerUnavailableException extends AuthdException
{
}

final class TimeoutException extends AuthdException
{
}

final class TooBusyException extends AuthdException
{
}

final class ShuttingDownException extends AuthdException
{
}

final class RequestFailedException extends AuthdException
{
}

final class RequestTooLargeException extends AuthdException
{
}

final class ResponseTooLargeException extends AuthdException
{
}

final class CancelledException extends AuthdException
{
}

final class InternalException extends AuthdException
{
}

final class NoDaemonException extends AuthdException
{
}

/** The connection broke; whether the request was carried out is unknown. Never leaves the client. */
final class ConnectionLost extends \Exception
{
}
