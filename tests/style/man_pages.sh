#!/bin/bash
# The man pages are mdoc that mandoc has nothing to say against.
cd "$(dirname "$0")/../.." || exit 1
. tests/support/cases.sh
command -v mandoc >/dev/null || skip "there is no mandoc"
for page in etc/man/*.[58]; do
    findings=$(mandoc -T lint -W warning "$page" 2>&1)
    equal "$page: findings" "$(printf '%s' "$findings" | grep -c .)" 0 || echo "$findings"
done
cases_end
