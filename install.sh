#!/bin/sh
# install.sh VENV FILE…: make VENV with a Python that is new enough and install the requirement files, unless exactly
# these are installed already (VENV/installed-NAME keeps each file's checksum). PYTHON=… chooses the interpreter.
set -eu
venv=$1
shift

stop() {
    echo "$*" >&2
    exit 1
}

new_enough() { # a shim of a version manager may be on the PATH and still not run, so each candidate is run
    "$1" -c 'import sys; sys.exit(sys.version_info < (3, 11))' >/dev/null 2>&1
}

fresh=true
for file; do
    [ -x "$venv/bin/python" ] && [ "$(cat "$venv/installed-$file" 2>/dev/null)" = "$(cksum <"$file")" ] || fresh=false
done
if $fresh; then exit 0; fi

if ! new_enough "$venv/bin/python" || ! "$venv/bin/python" -c 'import pip' >/dev/null 2>&1; then
    python=
    for candidate in ${PYTHON:-python3.11 python3.12 python3.13 python3 python}; do
        if new_enough "$candidate"; then
            python=$candidate
            break
        fi
    done
    if [ -z "$python" ]; then
        found=$(${PYTHON:-python3} -c 'import sys; print("Python %d.%d" % sys.version_info[:2])' 2>/dev/null || echo none)
        stop "Model Explorer needs Python 3.11 or newer; found: $found. Install it, or name it: make run PYTHON=/path/to/python3.11"
    fi
    "$python" -c 'import ensurepip, venv' >/dev/null 2>&1 ||
        stop "$python has no venv module; install it (Debian and Ubuntu: apt-get install python3-venv) and try again."
    echo "Making $venv with $("$python" --version)"
    "$python" -m venv --clear "$venv" || stop "$venv could not be made: is the disk full, or the folder read-only?"
fi

for file; do set -- "$@" -r "$file"; shift; done
echo "Installing the packages; the first time this takes minutes and gigabytes (README.md says how many)."
"$venv/bin/python" -m pip install --disable-pip-version-check --quiet "$@" ||
    stop "The packages could not be installed: the lines above say why (no network, or no space left?)."
for file; do
    case $file in
    -r) ;;
    *) cksum <"$file" >"$venv/installed-$file" ;;
    esac
done
