<?php

declare(strict_types=1);

namespace Authd;

use Psr\Http\Client\NetworkExceptionInterface;
use Psr\Http\Message\RequestInterface;

/** Nothing came of a request; `getPrevious` is the AuthdException. */
final class Psr18Exception extends \RuntimeException implements NetworkExceptionInterface
{
    public function __construct(
        #[\SensitiveParameter] private readonly RequestInterface $request,
        AuthdException $error,
    ) {
        parent::__construct($error->getMessage(), 0, $error);
    }

    public function getRequest(): RequestInterface
    {
        return $this->request;
    }
}
