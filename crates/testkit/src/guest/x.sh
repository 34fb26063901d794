Xvfb :0 -screen 0 800x600x24 -nolisten tcp -noreset -ac -extension SECURITY >/tmp/x.log 2>&1 &
export DISPLAY=:0
tries=0
while [ ! -S /tmp/.X11-unix/X0 ] && [ $tries -lt 600 ]; do
    sleep 0.1
    tries=$((tries + 1))
done
echo "GUEST: X server up"
