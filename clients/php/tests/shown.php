<?php

declare(strict_types=1);

// Whatever shows a token shows nothing secret: test/clients/php.ts runs this.

require __DIR__ . '/../autoload.php';

$token = (new Authd\Client())->getToken('a');
$shown = [print_r($token, true), var_export($token, true), json_encode($token), print_r((array) $token, true)];
ob_start();
var_dump($token, [$token]);
$shown[] = ob_get_clean();
try {
    $shown[] = serialize($token);
} catch (Error) {
    // Nor is it to be kept.
}
$isHidden = !str_contains(implode("\n", $shown), 'hidden');
$isTold = [$token->accessToken, $token->headers, $token->query, $token->body, $token->extra]
    === ['hidden 1', ['authorization' => 'hidden 2'], ['q' => 'hidden 3'], ['b' => 'hidden 4'], ['id' => 'hidden 5']];
exit($isHidden && $isTold && isset($token->headers) && !isset($token->none) ? 0 : 1);
