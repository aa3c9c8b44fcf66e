# Sourced by critest, crictl and kubelet: programs that are taken from this host into a test machine.

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
