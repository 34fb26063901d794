#!/bin/busybox sh
# The first process of the test guest: mounts, modules, X server, a shell for the test, then what the test wants.
/bin/busybox --install -s /bin
export PATH=/bin:/usr/bin
mount -t proc proc /proc
mount -t sysfs sys /sys
mount -t devtmpfs dev /dev
mkdir -p /dev/shm
mount -t tmpfs shm /dev/shm
mount -t tmpfs tmp /tmp
mkdir -p /tmp/.X11-unix
ip link set lo up 2>/dev/null
@MODULES@
@X@
# Runs each line that comes over the second serial port, if there is one, and says with what status it ended.
setsid sh -c '
    stty raw -echo || exit
    echo "GUEST: shell ready" >/dev/console
    while read -r line; do
        eval "$line" </dev/null
        echo "LG-END $?"
    done' </dev/ttyS1 >/dev/ttyS1 2>/dev/ttyS1 &
@PROGRAMS@
echo "GUEST: script ended"
while true; do sleep 60; done
