# Sourced by test scripts: what they report. A check prints one line; the script's exit status says whether
# all of them held.
# shellcheck shell=bash
shared_secret='a-shared-secret-of-these-tests'
checks=0 failures=0

pass() { checks=$((checks + 1)); echo "ok    $*"; }
failed() { checks=$((checks + 1)) failures=$((failures + 1)); echo "FAIL  $*"; }
note() { echo "      $*"; }

# check "WHAT" COMMAND...: WHAT is true when the command succeeds
check() {
    local what=$1
    shift
    if "$@"; then pass "$what"; else failed "$what   [$*]"; return 1; fi
}
refute() { # "WHAT" COMMAND...: WHAT is not so, for the command fails
    local what=$1
    shift
    if "$@"; then failed "not so: $what   [$*]"; return 1; else pass "not so: $what"; fi
}
equal() { # "WHAT" IS SHOULD
    if [ "$2" = "$3" ]; then pass "$1: $2"; else failed "$1: $2, expected $3"; return 1; fi
}
at_least() { # "WHAT" IS LEAST
    if [ "$2" -ge "$3" ]; then pass "$1: $2"; else failed "$1: $2, expected at least $3"; return 1; fi
}

# skip REASON: ends the script; ctest knows status 77 as skipped. In CI everything is installed, so there it
# is a failure.
skip() {
    if [ -n "${CI-}" ]; then echo "FAIL  in CI this may not be skipped: $*"; exit 1; fi
    echo "skipped: $*"
    exit 77
}
cases_end() {
    echo "$checks checks, $failures failed"
    [ "$failures" = 0 ] && [ "$checks" -gt 0 ]
    exit
}
