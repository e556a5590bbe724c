# Building for scripts that start our programs. Sourced; needs the variable root and the functions say and fail.
# shellcheck shell=bash

distribution=$root/server/sidecar/target/datainf
launcher=$distribution/bin/datainf-server

# Sets JAVA_HOME to the folder of the first JDK 25 or newer.
use_jdk() {
    local home version
    local path_javac
    path_javac=$(readlink -f "$(command -v javac || true)")
    for home in "${JAVA_HOME:-}" "${JAVA25_HOME:-}" "${path_javac%/bin/javac}" \
        /usr/lib/jvm/* /opt/java* /opt/java*/* "${HOME:-}"/.sdkman/candidates/java/*; do
        [[ -x $home/bin/javac ]] || continue
        version=$("$home/bin/javac" -version 2>&1) || continue
        version=${version#javac }
        if ((10#${version%%[!0-9]*} >= 25)); then
            export JAVA_HOME=$home
            return
        fi
    done
    fail "no JDK 25 or newer found: install one, for example the package temurin-25-jdk, or set JAVA_HOME to its folder"
}

# use_python VERSION: sets python to $PYTHON or python3, which must be of that version, such as 3.10, or newer.
use_python() {
    python=${PYTHON:-python3}
    "$python" -c "import sys, ensurepip, venv; sys.exit(sys.version_info < (${1/./, }))" 2>/dev/null ||
        fail "$python is not Python $1 or newer with venv: install the packages python3 and python3-venv, or set PYTHON"
}

# is_current ARTIFACT SOURCE...: whether the file is there and newer than all files of the sources.
is_current() {
    local artifact=$1
    shift
    [[ -e $artifact ]] && [[ -z $(find "$@" \
        '(' -name target -o -name docs -o -path '*/src/test' ')' -prune -o \
        -type f ! -name '*.md' -newer "$artifact" -print -quit) ]]
}

# Whether the distribution is newer than everything that it is made of.
server_is_current() {
    [[ -x $launcher ]] || return 1
    local newest=$launcher jar
    for jar in "$distribution"/lib/datainf-*.jar; do
        [[ $jar -nt $newest ]] && newest=$jar
    done
    is_current "$newest" "$root/pom.xml" "$root/proto" "$root/server"
}

# maven_package MODULES LOG [OPTION...]: builds modules, separated by commas, and what they need, without tests.
maven_package() {
    local modules=$1 log=$2
    shift 2
    command -v mvn >/dev/null || fail "no mvn found: install Maven 3.8 or newer, for example the package maven"
    if ! (cd "$root" && mvn -B package -Dmaven.test.skip=true "$@" -pl "$modules" -am) >"$log" 2>&1; then
        grep -v '^\[INFO\]' "$log" | tail -n 60 >&2
        fail "$modules cannot be built: see above and $log"
    fi
    touch "$launcher"
}
