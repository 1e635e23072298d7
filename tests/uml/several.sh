#!/bin/bash
# several.sh SCRIPT...: in the guest, scripts of tests/netns one after another, so that they share one boot. What one
# leaves (hosts, mounts, processes) is taken away before the next.
root=$(cd "$(dirname "$0")/../.." && pwd)
failed=()
for script; do
    echo "--- $script"
    before=$SECONDS
    bash "$root/tests/netns/$script.sh"
    status=$?
    echo "--- $script: status $status after $((SECONDS - before)) s"
    [ $status = 0 ] || failed+=("$script")
    for host in $(ip netns list | cut -d' ' -f1); do
        ip netns pids "$host" | xargs -r kill -KILL
        ip netns delete "$host"
    done
    while umount -l /etc/hosts 2>/dev/null; do :; done
    umount -l /mnt
done
[ ${#failed[@]} = 0 ] || { echo "failed: ${failed[*]}"; exit 1; }
