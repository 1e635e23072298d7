#!/bin/bash
# The man pages are mdoc that mandoc has nothing to say against.
cd "$(dirname "$0")/../.." || exit 1
. tests/support/cases.sh
command -v mandoc >/dev/null || skip "there is no mandoc"
built=${RACOON_BUILD:-build/dev}/etc/man
check "racoon.conf(5) is built in $built" test -s "$built/racoon.conf.5"
for page in "$built"/*.[58]; do
    [ -e "$page" ] || continue
    equal "$page: folders without a name" "$(grep -c "@[a-z]*dir@" "$page")" 0
    # Other pages need not be installed where this one is judged.
    findings=$(mandoc -T lint -W style "$page" 2>&1 | grep -Ev 'referenced manual not found|lacks .* entry|line longer than')
    equal "$page: findings" "$(printf '%s' "$findings" | grep -c .)" 0 || echo "$findings"
done
cases_end
