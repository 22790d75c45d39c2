#!/bin/sh
# Runs $ON_CGROUP_V2 with the arguments where /sys/fs/cgroup is cgroup v2 and nothing else: cgroup-v2.test.ts.
exec unshare --mount sh -c 'mount -t cgroup2 none /sys/fs/cgroup && exec "$ON_CGROUP_V2" "$@"' sh "$@"
