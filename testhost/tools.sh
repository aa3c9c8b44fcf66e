# Sourced by critest, crictl, kubelet, bench and rpm: programs that are taken from this host into a test machine.

HERE=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)

# bring NAME VARIABLE [PROJECT]: lay a copy of the program below the project, which every machine shows; prints its path
bring() {
  local name=$1 variable=$2 found copy=$HERE/target/tools/$1
  found=${!variable:-$(command -v "$name" || true)}
  if [ -z "$found" ] || [ ! -x "$found" ]; then
    echo "$name: there is no $name on PATH, and \$$variable does not name one:" >&2
    echo "  take a release of ${3:-kubernetes-sigs/cri-tools} for this machine, and put it on PATH or into \$$variable" >&2
    return 1
  fi
  cmp -s "$found" "$copy" || install -D -m 0755 "$found" "$copy"
  echo "$copy"
}

# A package with what it needs beyond the machines' root, kept below the project, which every machine shows
fetch_package() {
  local packages=$HERE/target/tools/$1
  ! compgen -G "$packages/$1_*.deb" > /dev/null || return 0
  mkdir -p "$packages.new"
  "$HERE/testhost" chroot -- sh -ec 'apt-get -qq update; mkdir -p "$1/partial"
    apt-get -qq install --download-only --no-install-recommends -o APT::Sandbox::User=root -o Dir::Cache::archives="$1" "$2"
    rm -rf "$1/partial" "$1/lock"' fetch "$packages.new" "$1" >&2
  mv "$packages.new" "$packages"
}
