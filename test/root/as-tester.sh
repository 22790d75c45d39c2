#!/bin/sh
# Runs $AS_USER (a runtime) with the arguments as the guest's user who has a systemd of his own: systemd-user.test.ts.
exec setpriv --reuid=1000 --regid=1000 --init-groups env USER=tester XDG_RUNTIME_DIR=/run/user/1000 "$AS_USER" "$@"
