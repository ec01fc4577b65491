# Shared by ./run and ./check: the virtual environment in .venv, made once, refreshed
# only when its lock file changes. Works in macOS's bash 3.2.

say() { printf '%s\n' "$*"; }

fail() {
    printf '%s\n' "$*" >&2
    exit 1
}

find_python() {
    for name in ${PYTHON:-} python3.13 python3.12 python3.11 python3 python; do
        if command -v "$name" >/dev/null 2>&1 &&
            "$name" -c 'import sys; sys.exit(sys.version_info < (3, 11))' >/dev/null 2>&1; then
            command -v "$name"
            return 0
        fi
    done
    return 1
}

# $1: the lock file. The stamp is its digest and setup.cfg's, so a changed entry point counts too.
# Development packages contain the runtime's, so they satisfy ./run as well.
install_packages() {
    lock=$1
    if [ ! -x .venv/bin/python ]; then
        python=$(find_python) ||
            fail "Python 3.11 or newer is missing: install it (Debian: apt-get install python3 python3-venv; macOS: brew install python) and try again."
        say "Making a virtual environment in .venv with $("$python" --version)"
        "$python" -m venv .venv 2>/dev/null ||
            fail "Python cannot make a virtual environment: install python3-venv (Debian: apt-get install python3-venv) and try again."
    fi
    stamp=$(cat "$lock" setup.cfg requirements/environment.sh | .venv/bin/python -c \
        'import hashlib, sys; print(hashlib.sha256(sys.stdin.buffer.read()).hexdigest())')
    file=.venv/$(basename "$lock").stamp
    if [ "$(cat "$file" 2>/dev/null)" != "$stamp" ]; then
        say "Installing packages from $lock (about a minute, the first time only)"
        log=.venv/install.log
        if ! .venv/bin/python -m pip install --quiet --disable-pip-version-check --require-hashes \
            --requirement "$lock" >"$log" 2>&1; then
            tail -n 5 "$log" >&2
            fail "The packages could not be installed: see $log. Is there a network?"
        fi
        if ! .venv/bin/python -m pip install --quiet --disable-pip-version-check --no-deps \
            --no-build-isolation --editable . >>"$log" 2>&1; then
            tail -n 5 "$log" >&2
            fail "The package itself could not be installed: see $log."
        fi
        printf '%s\n' "$stamp" >"$file"
    fi
}
