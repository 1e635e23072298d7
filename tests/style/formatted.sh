#!/bin/bash
# Every C and C++ source is formatted as .clang-format says, by the one version that all use.
cd "$(dirname "$0")/../.." || exit 1
. tests/support/cases.sh
formatter=$(command -v clang-format-14) || skip "there is no clang-format-14"
list=$(mktemp)
mapfile -t sources < <(find core etc plugins sdk tests -name '*.[ch]' -o -name '*.[ch]pp')
at_least "sources looked at" ${#sources[@]} 50
"$formatter" --dry-run "${sources[@]}" 2>&1 | sed -nE 's/^([^: ]+):[0-9]+:[0-9]+: (warning|error):.*/\1/p' | sort | uniq -c >"$list"
badly=$(wc -l <"$list")
equal "sources to be formatted (clang-format-14 -i FILE)" "$badly" 0 || cat "$list"
rm -f "$list"
cases_end
