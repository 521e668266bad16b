<?php

declare(strict_types=1);

// Loads the client's classes where Composer does not.
require_once __DIR__ . '/src/errors.php';

spl_autoload_register(static function (string $class): void {
    $file = __DIR__ . '/src/' . substr($class, strlen('Authd\\')) . '.php';
    if (str_starts_with($class, 'Authd\\') && is_file($file)) {
        require $file;
    }
});
