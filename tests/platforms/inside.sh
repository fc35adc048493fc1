#!/bin/bash
# Mounts a system for one command and runs the command in it: inside.sh USER SHM ROOT COMMAND...
# The caller starts it in its own mount and process namespace: when that ends, however it ends, no mount and no
# process is left.
set -eu

user=$1 shm=$2 root=$3
shift 3

# Read-only folders of the host, at the same path; BINDS names them, one a line. LAYERS are overlayfs's options.
[[ -z "${LAYERS:-}" ]] || mount -t overlay overlay -o "$LAYERS" "$root"
while IFS= read -r bind; do
    [[ -n "$bind" ]] || continue
    from=${bind%%$'\t'*} to=${bind##*$'\t'}
    mkdir -p "$root$to"
    mount --bind "$from" "$root$to"
    [[ "$from" != "$to" ]] || mount -o remount,bind,ro "$root$to"
done <<<"${BINDS:-}"

mount -t proc proc "$root/proc"
mount -t tmpfs -o mode=755 dev "$root/dev"
for device in null zero full random urandom tty; do
    touch "$root/dev/$device"
    mount --bind "/dev/$device" "$root/dev/$device"
done
mkdir "$root/dev/pts" "$root/dev/shm"
mount -t devpts -o newinstance,ptmxmode=0666,mode=0620 devpts "$root/dev/pts"
ln -s pts/ptmx "$root/dev/ptmx"
ln -s /proc/self/fd "$root/dev/fd"
for number in 0:stdin 1:stdout 2:stderr; do
    ln -s "fd/${number%:*}" "$root/dev/${number#*:}"
done
mount -t tmpfs -o "mode=1777${shm:+,size=$shm}" shm "$root/dev/shm"

bounds=()
if [[ "$user" == container ]]; then
    mount -t sysfs -o ro sysfs "$root/sys"
    mount --bind "$root/proc/sys" "$root/proc/sys"
    mount -o remount,bind,ro "$root/proc/sys"
    # What Docker leaves a container.
    allowed=chown,dac_override,fowner,fsetid,kill,setgid,setuid,setpcap,net_bind_service,net_raw,sys_chroot
    allowed+=,mknod,audit_write,setfcap
    bounds=("--bounding-set=-all,+${allowed//,/,+}")
else
    mount -t sysfs sysfs "$root/sys"
    if [[ -e /dev/kvm ]]; then
        touch "$root/dev/kvm"
        mount --bind /dev/kvm "$root/dev/kvm"
    fi
fi

home=/root
if [[ "$user" == user || "$user" == sudo || "$user" == refused ]]; then
    home=/home/tester
    bounds=(--reuid=tester --regid=tester --init-groups)
fi
environment=(HOME="$home" USER="${home##*/}" LANG=C.UTF-8 TERM=dumb
    PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin)
for name in ${!MEMNOTIFY_SOURCE_*}; do
    environment+=("$name=${!name}")
done
# No exec: this shell is process 1, and a change of user would disarm the signal that ends it with its parent.
status=0
chroot "$root" /usr/bin/setpriv "${bounds[@]}" /usr/bin/env -i -C "$home" "${environment[@]}" "$@" || status=$?
exit "$status"
