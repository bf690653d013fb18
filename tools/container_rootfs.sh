#!/bin/sh
# Build the steps of Containerfile in a root file system made by debootstrap, and start the server in it as the
# unprivileged user with a read-only root. Needs Linux, root, debootstrap, curl and a package index for pip.
#
#   sudo sh tools/container_rootfs.sh WORK [MIRROR]
#
# WORK must allow devices and programs (no nodev, noexec mount). MIRROR is that of debootstrap. Proxies and the index of
# pip come from the environment and /etc/pip.conf. Prints one line for each check; the exit status is 1 if one failed.
set -eu
work=$1 mirror=${2:-}
here=$(cd "$(dirname "$0")/.." && pwd)
root=$work/root
mkdir -p "$work"

if [ ! -e "$work/base.made" ]; then
    rm -rf "$root"
    debootstrap --variant=minbase --include=python3,python3-venv,ca-certificates bookworm "$root" ${mirror:+"$mirror"}
    touch "$work/base.made"
fi

# The steps of Containerfile.
if [ ! -e "$work/built.made" ]; then
    chroot "$root" id mien >/dev/null 2>&1 || chroot "$root" useradd --create-home --uid 10001 mien
    mkdir -p "$root/opt/mien"
    for name in pyproject.toml README.md LICENSE NOTICE constraints.txt build_backend src; do
        cp -r "$here/$name" "$root/opt/mien/"
    done
    cp /etc/resolv.conf "$root/etc/resolv.conf"
    for file in /etc/pip.conf "$HOME/.config/pip/pip.conf"; do
        if [ -e "$file" ]; then mkdir -p "$root/$(dirname "$file")" && cp "$file" "$root/$file"; fi
    done
    cp "${PIP_CERT:-/etc/ssl/certs/ca-certificates.crt}" "$root/etc/ssl/certs/ca-certificates.crt"
    chroot "$root" python3 -m venv /opt/venv
    chroot "$root" sh -c 'cd /opt/mien && /opt/venv/bin/pip install --no-cache-dir -q -c constraints.txt ".[serve]" \
        && rm -rf build src build_backend'
    touch "$work/built.made"
fi

# A mount namespace of its own: the root is read-only, /var/tmp is a small tmpfs, /proc is there.
failed=0
check() {
    if [ "$2" = "$3" ]; then echo "ok: $1: $2"; else echo "FAILED: $1: expected $3, got $2"; failed=1; fi
}
cat > "$work/serve.sh" <<'SERVE'
mount --bind "$1" "$1" && mount -o remount,bind,ro "$1"
mount -t proc proc "$1/proc" && mount -t tmpfs -o size=256m,mode=1777 tmpfs "$1/var/tmp"
home=$(chroot "$1" sh -c 'echo ~mien')
exec chroot --userspec=10001:10001 "$1" env -i PATH=/opt/venv/bin:/usr/bin:/bin HOME="$home" MIEN_TOKEN="$MIEN_TOKEN" \
    OMP_WAIT_POLICY=passive PYTHONUNBUFFERED=1 TMPDIR=/var/tmp mien serve --host 0.0.0.0 --port "$PORT"
SERVE
MIEN_TOKEN=$(od -An -N24 -tx1 /dev/urandom | tr -d ' \n') PORT=${PORT:-18765}
export MIEN_TOKEN PORT
unshare --mount --pid --fork --kill-child sh "$work/serve.sh" "$root" > "$work/serve.log" 2>&1 &
server=$!
# The child of unshare is process 1 of the namespace; what it started ends with it.
trap 'kill $(pgrep -P "$server") "$server" 2>/dev/null || true' EXIT
tries=0
until curl -sf "http://127.0.0.1:$PORT/healthz" > /dev/null; do
    tries=$((tries + 1))
    if [ "$tries" -gt 300 ] || ! kill -0 "$server" 2>/dev/null; then echo "FAILED: no answer"; cat "$work/serve.log"; exit 1; fi
    sleep 1
done
status() { curl -s -o /dev/null -w '%{http_code}' "$@"; }
python_pid=$(pgrep -P "$server" | head -1)
check "user" "$(awk '/^Uid/ {print $2}' "/proc/$python_pid/status")" 10001
check "root file system" "$(awk '$5 == "/" {print substr($6, 1, 2)}' "/proc/$python_pid/mountinfo")" ro
check "health" "$(status "http://127.0.0.1:$PORT/healthz")" 200
check "without the token" "$(status "http://127.0.0.1:$PORT/v1/now")" 401
check "with the token" "$(status -H "Authorization: Bearer $MIEN_TOKEN" "http://127.0.0.1:$PORT/openapi.json")" 200
exit "$failed"
