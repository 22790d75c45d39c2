#!/bin/sh
# Runs $ON_CGROUP_V2 with the arguments where /sys/fs/cgroup is cgroup v2 and nothing else: cgroup-v2.test.ts. Where it is
# that already it must not be mounted once more: that would take its options (nsdelegate) from all mounts of it.
[ ! -e /sys/fs/cgroup/cgroup.controllers ] || exec "$ON_CGROUP_V2" "$@"
exec unshare --mount sh -c 'mount -t cgroup2 none /sys/fs/cgroup && exec "$ON_CGROUP_V2" "$@"' sh "$@"
