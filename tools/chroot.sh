# Debian and Ubuntu systems in folders, for other versions of PostgreSQL, other machines and packages; to
# be sourced after common.sh. They need root and debootstrap, and the network the first time.
# shellcheck shell=bash
#
# A name is SUITE or SUITE-ARCH: trixie, sid, noble, bookworm-i386, bookworm-s390x. The folder of each is kept
# in TELEMETRY_CHROOTS, else /var/tmp/telemetry-chroots, for the next time.

chroots=${TELEMETRY_CHROOTS:-/var/tmp/telemetry-chroots}

# Runs a command inside a folder, with its own mounts, which are gone with it: chroot_run FOLDER TREE
# COMMAND ...; the files of TREE, unless it is empty, are /tmp/tree there, and gone with the rest.
# CHROOT_ENV has more of the environment: NAME=VALUE ...
chroot_run()
{
	# shellcheck disable=SC2016 # expanded in the new namespace
	unshare --mount --propagation private -- bash -c '
		mount -t proc proc "$1/proc" && mount --rbind /dev "$1/dev" && mount -t tmpfs tmpfs "$1/tmp" &&
		if [ -d "$2" ]; then mkdir "$1/tmp/tree" && cp -R "$2/." "$1/tmp/tree/" && chmod -R a+rX "$1/tmp/tree"; fi &&
		if [ -d "$3" ]; then mkdir "$1/tmp/out" && mount --bind "$3" "$1/tmp/out"; fi &&
		exec chroot "$1" env -i HOME=/root PATH=/usr/sbin:/usr/bin:/sbin:/bin LC_ALL=C.UTF-8 \
			DEBIAN_FRONTEND=noninteractive "${@:4}"
	' bash "$1" "$2" "${CHROOT_OUT:-}" "${CHROOT_ENV[@]}" "${@:3}"
}
CHROOT_ENV=()

# The files of the clone, as git knows them, changed ones included: into a folder.
chroot_tree()
{
	# shellcheck disable=SC2154 # set by who sources this
	(cd "$root" && git ls-files -z --cached --others --exclude-standard |
		tar cf - --null --ignore-failed-read -T - 2>/dev/null | tar xf - -C "$1")
}

# Another machine's programs run by qemu, which the kernel has to be told.
chroot_emulate()
{
	local arch=$1
	case $(dpkg --print-architecture)-$arch in
	amd64-i386 | arm64-armhf) return ;;
	esac
	[ "$arch" != "$(dpkg --print-architecture)" ] || return 0
	have "qemu-$arch-static" || die "$arch needs qemu; type: apt-get install qemu-user-static"
	[ -e /proc/sys/fs/binfmt_misc/status ] || mount -t binfmt_misc binfmt_misc /proc/sys/fs/binfmt_misc 2>/dev/null ||
		die "$arch needs binfmt_misc, which this kernel does not give"
	[ ! -e "/proc/sys/fs/binfmt_misc/qemu-$arch" ] || return 0
	# F: the interpreter is opened now, so that it is found from inside, too.
	case $arch in
	s390x)
		printf '%s' ':qemu-s390x:M::\x7fELF\x02\x02\x01\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x02\x00\x16:\xff\xff\xff\xff\xff\xff\xff\x00\xff\xff\xff\xff\xff\xff\xff\xff\xff\xfe\xff\xff:/usr/bin/qemu-s390x-static:OCF' \
			>/proc/sys/fs/binfmt_misc/register || die "the kernel refuses qemu for $arch"
		;;
	*) die "$arch is not known here; there are i386 and s390x" ;;
	esac
}

# Makes a system, unless it is there: chroot_make NAME; prints its folder.
chroot_make()
{
	local suite=${1%%-*} folder=$chroots/$1 origin=() components=main script arch
	arch=$(dpkg --print-architecture)
	[ "$suite" = "$1" ] || arch=${1#*-}
	[ "$(id -u)" -eq 0 ] || die "needs root: $1 is run by chroot in $folder"
	have debootstrap || die "debootstrap is missing; type: apt-get install debootstrap"
	chroot_emulate "$arch"
	if [ ! -e "$folder/.complete" ]; then
		say "making a $1 in $folder (once; about 80 s)"
		rm -rf "$folder"
		mkdir -p "$folder"
		if [ "$suite" = noble ]; then
			components=main,universe
			# Debian's debootstrap may be older than noble; all of Ubuntu's suites share one script, which
			# knows where they are.
			script=/usr/share/debootstrap/scripts/gutsy
			origin=("$(sed -n 's/.*default_mirror \(http.*archive[^ ]*\).*/\1/p' "$script" | head -n 1)" "$script")
		fi
		debootstrap --variant=minbase --arch="$arch" --components="$components" "$suite" "$folder" \
			${origin[@]+"${origin[@]}"} >"$folder.log" 2>&1 ||
			die "debootstrap failed: $(tail -n 3 "$folder.log")"
		# No service is to start in there.
		printf '#!/bin/sh\nexit 101\n' >"$folder/usr/sbin/policy-rc.d"
		chmod +x "$folder/usr/sbin/policy-rc.d"
		# Installing without manuals and fsync takes half the time; what a crash harms is made again.
		printf '%s\n' force-unsafe-io 'path-exclude=/usr/share/man/*' 'path-exclude=/usr/share/doc/*' \
			'path-exclude=/usr/share/locale/*' >"$folder/etc/dpkg/dpkg.cfg.d/telemetry"
		echo 'Acquire::Languages "none";' >"$folder/etc/apt/apt.conf.d/90telemetry"
		touch "$folder/.complete"
	fi
	cp /etc/resolv.conf "$folder/etc/resolv.conf" 2>/dev/null || true
	echo "$folder"
}
