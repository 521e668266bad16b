# Client of authd, the credential daemon on this machine, for POSIX shells: read it with `. authd.sh`.
# It needs jq and OpenBSD's netcat. Exit codes are those of the authd command.

# authd_token NAME: prints the access token.
authd_token() (
  params=$(jq -cn --arg name "$1" '{credential: $name}') || exit 2
  result=$(authd_call getToken "$params") || exit
  printf '%s\n' "$result" | jq -r .accessToken
)

# authd_call METHOD [PARAMS]: calls a method of the protocol with params in JSON, and prints the result.
authd_call() (
  request=$(printf '%s\n' "${2:-null}" |
    jq -c --arg method "$1" '{jsonrpc: "2.0", id: 1, method: $method, params: .}') || exit 2
  socket=$(_authd_socket)
  _authd_check "$socket" || exit
  if ! answer=$(printf '%s\n' "$request" | nc -N -U "$socket"); then
    _authd_fail 3 "no daemon answers on $socket"
    exit
  fi
  if [ "$(printf '%s\n' "$answer" | jq 'has("result")' 2>/dev/null)" = true ]; then
    printf '%s\n' "$answer" | jq -c .result
    exit
  fi
  reason=$(printf '%s\n' "$answer" | jq -r '.error.data.reason // "internal"' 2>/dev/null)
  message=$(printf '%s\n' "$answer" | jq -r '.error.message // empty' 2>/dev/null)
  _authd_fail "$(_authd_code "$reason")" "${message:-the connection ended without an answer}"
)

_authd_fail() {
  printf 'authd: %s\n' "$2" | tr -d '\000-\011\013-\037\177' >&2
  return "$1"
}

_authd_code() {
  case $1 in
    invalid_params) echo 2 ;;
    no_daemon) echo 3 ;;
    unknown_credential) echo 4 ;;
    login_required | credential_rejected | credential_changed | credential_damaged) echo 5 ;;
    origin_not_allowed | caller_not_allowed | token_not_exposed | vault_locked) echo 6 ;;
    issuer_unavailable | timeout | too_busy | shutting_down) echo 7 ;;
    *) echo 1 ;;
  esac
}

# Of a service's socket and a daemon's own the newer one counts, where XDG_RUNTIME_DIR does not tell.
_authd_socket() (
  runtime=${XDG_RUNTIME_DIR-}
  state=${XDG_STATE_HOME-}
  case $state in /*) ;; *) state=${HOME-}/.local/state ;; esac
  if [ "$(uname)" = Darwin ]; then state="${HOME-}/Library/Application Support"; fi
  own=${AUTHD_STATE_DIR:-$state/authd}/authd.sock
  service=/run/user/$(id -u)/authd/authd.sock
  if [ -n "${AUTHD_SOCKET-}" ]; then
    printf '%s\n' "$AUTHD_SOCKET"
  elif [ -z "${runtime##/*}" ] && [ -n "$runtime" ]; then
    printf '%s\n' "$runtime/authd/authd.sock"
  elif [ -S "$service" ] && [ -z "$(find "$own" -prune -newer "$service" 2>/dev/null)" ]; then
    printf '%s\n' "$service"
  else
    printf '%s\n' "$own"
  fi
)

# Whoever owns the socket sees what is sent: that must be us, root, or whom root has put there.
_authd_check() (
  if [ ! -S "$1" ]; then
    _authd_fail 3 "no daemon answers on $1: start it with authd serve, or name its socket in AUTHD_SOCKET"
    exit
  fi
  real=$(readlink -f -- "$1" || printf '%s\n' "$1")
  owner=$(_authd_owner "$real")
  case ${owner#* } in "$(id -u)" | 0) exit 0 ;; esac
  # All folders are root's, the last may be the owner's.
  here=$(dirname -- "$real")
  own=${owner#* }
  while found=$(_authd_owner "$here"); do
    case $found in ?????w* | ????????w*) break ;; esac
    case ${found#* } in 0 | "$own") ;; *) break ;; esac
    if [ "$here" = / ]; then exit 0; fi
    here=$(dirname -- "$here")
    own=0
  done
  _authd_fail 3 "the socket $1 belongs to user ${owner#* }, not to you: nothing was sent"
)

# Prints the mode and the owner of a file.
_authd_owner() {
  ls -ldnL -- "$1" | while IFS=' ' read -r mode _ owner _; do printf '%s %s\n' "$mode" "$owner"; done
}
