#!/bin/sh
# Installs Stagelet from this folder, or removes it again. For machines without dpkg and rpm.
#
#   ./install.sh             install, or upgrade (pods go on), and start
#   ./install.sh --remove    stop the pods and remove it; /etc/stagelet and /var/lib/stagelet stay
set -eu
here=$(cd "$(dirname "$0")" && pwd)
list=/usr/lib/stagelet/installed-files
[ "$(id -u)" = 0 ] || { echo "install.sh: needs root" >&2; exit 1; }

case ${1:-} in
  "")
    [ -d "$here/root" ] || { echo "install.sh: $here/root is not there" >&2; exit 1; }
    # a configuration that is there is kept
    if [ -e /etc/stagelet/stagelet.toml ]; then keep=--exclude=./etc/stagelet/stagelet.toml; else keep=--exclude=./nothing; fi
    old=$(cat "$list" 2> /dev/null || true)
    # shellcheck disable=SC2086
    tar --create --directory "$here/root" $keep . | tar --extract --directory / --preserve-permissions --no-overwrite-dir
    (cd "$here/root" && find . ! -type d ! -path './etc/*' | sed 's|^\.||' | sort) > "$list"
    # what the version before had and this one has not
    for file in $old; do grep -qxF "$file" "$list" || rm -f "$file"; done
    journalctl --update-catalog > /dev/null 2>&1 || true
    if [ -d /run/systemd/system ]; then
      systemd-tmpfiles --create stagelet.conf || true
      systemctl daemon-reload
      systemctl enable --quiet stagelet.socket stagelet.service
      systemctl restart stagelet.service
    fi
    echo "Installed. See: stagelet status"
    ;;
  --remove)
    if [ -d /run/systemd/system ]; then
      /usr/bin/stagelet remove-all-pods --yes || true
      systemctl disable --now --quiet stagelet.socket stagelet.service || true
      systemctl stop stagelet.slice 2> /dev/null || true
      systemctl clean --what=fdstore stagelet.service 2> /dev/null || true
    fi
    xargs -d '\n' rm -f < "$list"
    rm -rf /usr/lib/stagelet /usr/share/doc/stagelet /run/stagelet
    rmdir /usr/lib/modules-load.d /usr/lib/systemd/system/kubepods.slice.d /usr/lib/systemd/system/stagelet.slice.d /usr/lib/systemd/system/pod-.service.d 2> /dev/null || true
    journalctl --update-catalog > /dev/null 2>&1 || true
    if [ -d /run/systemd/system ]; then systemctl daemon-reload; fi
    echo "Removed. /etc/stagelet and /var/lib/stagelet are still there."
    ;;
  *) sed -n '2,/^set -/{/^set -/d;s/^# \{0,1\}//;p}' "$0" >&2; exit 2 ;;
esac
