#!/bin/sh
# Runs $AS_USER (a runtime) with the arguments as an ordinary user of the machine, with subordinate ids: rootless.test.ts. All that this
# takes is in a mount namespace of its own: his entries in /etc, the program, which may lie where only root can reach it, and
# on /media a mount whose flags are root's.
#
#   AS_USER_SUBIDS    what /etc/subuid and /etc/subgid say; by default ids from 300000
#   AS_USER_CGROUP    a cgroup (v2) to be in
#   AS_USER_INSIDE    set: as root of a user namespace that has the user's id as 0 and the others behind it, as podman unshare
exec unshare --mount --propagation private sh -ec '
mount -t tmpfs -o mode=755 none /mnt
case $AS_USER in */crun) umount /sys/fs/cgroup/unified 2>/dev/null || :;; esac # as runtime.ts has it
cp /etc/passwd /etc/group /mnt; touch /mnt/program
echo "tsrun-user:x:20000:20000::/:/bin/sh" >>/mnt/passwd
echo "tsrun-user:x:20000:" >>/mnt/group
echo "${AS_USER_SUBIDS-tsrun-user:300000:65536}" >/mnt/subuid; cp /mnt/subuid /mnt/subgid
for file in passwd group subuid subgid; do mount --bind /mnt/$file /etc/$file; done
mount --bind "$AS_USER" /mnt/program
mount -t tmpfs -o ro,nosuid,nodev,noexec none /media
[ -z "$AS_USER_CGROUP" ] || echo $$ >"$AS_USER_CGROUP/cgroup.procs"
user="setpriv --reuid=20000 --regid=20000 --clear-groups"
[ -n "$AS_USER_INSIDE" ] || exec $user /mnt/program "$@"
# It asks newuidmap itself.
exec $user unshare --user --map-root-user --map-auto /mnt/program "$@"
' sh "$@"
