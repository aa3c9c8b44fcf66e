# Sourced by ./verify and ./demo: Maven where there is a JDK 25, and under the test machines' root file system where there is none.

PROJECT=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
export TESTHOST=${TESTHOST:-/var/tmp/testhost}

# As root on a host with apt, tools that are missing are installed.
if [ "$(id -u)" = 0 ] && command -v apt-get > /dev/null; then export TESTHOST_INSTALL=${TESTHOST_INSTALL:-yes}; fi

# maven ARGUMENTS…: run Maven on the project
maven() {
  local wrapped=${MAVEN_USER_HOME:-$HOME/.m2}/wrapper/dists
  mkdir -p "$HOME/.m2"
  if "$PROJECT/.mvn/find-jdk" > /dev/null 2>&1; then
    # ./mvnw fetches the Maven that the project pins, with any Maven
    if ! compgen -G "$wrapped/*/bin/mvn" > /dev/null && ! command -v mvn > /dev/null && [ "${TESTHOST_INSTALL:-}" = yes ]; then
      echo "installing Maven" >&2
      apt-get -qq update >&2 && DEBIAN_FRONTEND=noninteractive apt-get -qq install --no-install-recommends maven >&2
    fi
    (cd "$PROJECT" && ./mvnw "$@")
  elif [ "${STAGELET_TEST_HOST:-}" = here ]; then
    "$PROJECT/.mvn/find-jdk" > /dev/null || true
    echo "STAGELET_TEST_HOST=here runs the tests on this machine, and so needs a JDK 25 on it" >&2
    return 1
  else
    echo "There is no JDK 25 here: building under the test machines' root file system, which has one" >&2
    (cd "$PROJECT" && testhost/testhost chroot --keep-env --bind "$HOME/.m2" -- ./mvnw "$@")
  fi
}
