# Sourced by the other scripts, from the root of the repository.

# Without compiled modules every process that a test or a job starts would compile its libraries anew.
unset PYTHONDONTWRITEBYTECODE

fits() { "$1" -c 'import sys; sys.exit(sys.version_info < (3, 11))' >/dev/null 2>&1; }

# find_python: print the first Python >= 3.11 on PATH.
find_python() {
    local candidate
    for candidate in python3 python3.14 python3.13 python3.12 python3.11 python; do
        if fits "$candidate"; then echo "$candidate"; return; fi
    done
    echo "labelferry needs Python 3.11 or newer on PATH; found: $(python3 --version 2>&1 || echo none)." >&2
    return 1
}

# make_environment FOLDER: a virtual environment with uv in it, where uv can be had.
make_environment() {
    if [ ! -e "$1/bin/python" ] || ! fits "$1/bin/python"; then
        local python
        python=$(find_python)
        echo "making $1 with $("$python" --version)"
        # Some systems ship Python without ensurepip; their own pip then fills the environment.
        "$python" -m venv --clear "$1" >/dev/null 2>&1 || {
            "$python" -m venv --clear --without-pip "$1"
            "$python" -m pip --python "$1/bin/python" install --quiet pip
        }
    fi
    [ -x .venv/bin/uv ] || .venv/bin/python -m pip install --quiet uv || echo "uv is not to be had; going on with pip"
}

# install FOLDER ARGUMENT...: install with uv, or with pip where uv cannot (it does not read pip's settings).
install() {
    local folder=$1 index
    shift
    index=${PIP_INDEX_URL:-$(.venv/bin/python -m pip config get global.index-url 2>/dev/null || true)}
    if [ -n "$index" ]; then export UV_DEFAULT_INDEX=${UV_DEFAULT_INDEX:-$index}; fi
    if [ -x .venv/bin/uv ] && .venv/bin/uv pip install --quiet --compile-bytecode --python "$folder/bin/python" "$@"; then return; fi
    "$folder/bin/python" -m pip install --quiet "$@"
}

# ensure FOLDER NAME FILE ARGUMENT...: install once, and again when FILE or this machine's Python has changed.
ensure() {
    local folder=$1 name=$2 file=$3 stamp key
    shift 3
    make_environment "$folder"
    stamp=$folder/.installed-$name
    key="$PWD $("$folder/bin/python" --version) $* $(cksum <"$file")"
    if [ "$(cat "$stamp" 2>/dev/null || true)" = "$key" ]; then return; fi
    echo "installing $* into $folder"
    install "$folder" "$@"
    echo "$key" >"$stamp"
}

# ensure_labelferry [EXTRA]: labelferry in .venv, editable, with the extra.
ensure_labelferry() {
    ensure .venv "${1:-runtime}" pyproject.toml --editable ".${1:+[$1]}"
}
