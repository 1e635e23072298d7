#!/bin/bash
# Who is not root and lacks a package is given the line to type, and status 1; nothing is installed or built.
root=$(cd "$(dirname "$0")/../.." && pwd)
. "$root/tests/support/cases.sh"
[ "$(id -u)" = 0 ] || skip "changing to an ordinary user needs root"
command -v dpkg-query >/dev/null || skip "this is not a Debian system"
copy=$(mktemp -d) || exit 1
trap 'rm -rf "$copy"' EXIT
cp -r "$root/packaging" "$copy"
echo 'racoon_packages_build="$racoon_packages_build no-such-package-a no-such-package-b"' >>"$copy/packaging/packages.sh"
chown -R nobody "$copy"
setpriv --reuid nobody --regid nogroup --clear-groups bash "$copy/packaging/quickstart" >"$copy/out" 2>&1
equal "exit status" $? 1
sed 's/^/      /' "$copy/out"
check "the exact line" grep -qE '^ *apt-get install --no-install-recommends no-such-package-a no-such-package-b$' "$copy/out"
refute "something was built" test -e "$copy/build"
cases_end
