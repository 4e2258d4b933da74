# The first process of a host (tests/hosts.py), in namespaces of its own; it reaps what its dead children leave.
# Arguments: its disk (a folder), its name, root's home, the shared folder here and there, then more to mount.
set -e
disk=$1 name=$2 home=$3 shared=$4 at=$5
shift 5
root=$disk/root
mkdir -p "$disk/upper" "$disk/work" "$disk/tmp" "$root"
chmod 1777 "$disk/tmp"
mount -t overlay overlay -o "lowerdir=/,upperdir=$disk/upper,workdir=$disk/work" "$root"
mount -t proc proc "$root/proc"
mount -t sysfs sysfs "$root/sys"
mount --rbind /dev "$root/dev"
mount -t tmpfs tmpfs "$root/dev/shm"
mount -t tmpfs tmpfs "$root/run"
mount --bind "$disk/tmp" "$root/tmp"
number=0
for each in "$@"; do # a view of its own of these too: what it writes there, pip for one, no other sees
    number=$((number + 1))
    own=$disk/own-$number
    mkdir -p "$own/upper" "$own/work" "$root$each"
    mount -t overlay overlay -o "lowerdir=$each,upperdir=$own/upper,workdir=$own/work" "$root$each"
done
if [ -n "$shared" ]; then
    mkdir -p "$root$at"
    mount --bind "$shared" "$root$at"
fi
hostname "$name"
echo "nameserver 127.0.0.1" >"$root/etc/resolv.conf"
sed -i 's#^root:[^:]*:#root:*:#' "$root/etc/shadow" # no password, but not locked either: keys open it
sed -i "s#^root:.*#root:x:0:0:root:$home:/bin/bash#" "$root/etc/passwd"
mkdir -p "$root$home" "$root/run/sshd"
touch "$root/run/booted"
exec chroot "$root" bash -c 'cd; while :; do sleep infinity & wait $!; done'
