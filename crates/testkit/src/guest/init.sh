#!/bin/busybox sh
# The first process of the test guest: mounts, X server, then what the test wants.
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
Xvfb :0 -screen 0 800x600x24 -nolisten tcp -noreset -ac -extension SECURITY >/tmp/x.log 2>&1 &
export DISPLAY=:0
tries=0
while [ ! -S /tmp/.X11-unix/X0 ] && [ $tries -lt 600 ]; do
    sleep 0.1
    tries=$((tries + 1))
done
echo "GUEST: X server up"
@PROGRAMS@
echo "GUEST: script ended"
while true; do sleep 60; done
