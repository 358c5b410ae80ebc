# Sourced by every script: goes to the project's root and makes .venv from requirements.lock, quickly when nothing changed.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."
export PIP_DISABLE_PIP_VERSION_CHECK=1

find_python() {
  local name
  for name in python3.11 python3 python; do
    if command -v "$name" >/dev/null && "$name" -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null; then
      command -v "$name"
      return
    fi
  done
  echo "error: Python 3.11 or newer was not found on PATH" >&2
  return 3
}

# make_venv FOLDER: nothing when it is there; stops with one line when no Python can make it.
make_venv() {
  local python
  if [ -x "$1/bin/python" ]; then return; fi
  python=$(find_python)
  "$python" -m venv "$1"
}

# ensure_venv FOLDER core|all [CONSTRAINTS]: `core` is what a user runs (no torch), `all` adds every extra and the tests' tools.
ensure_venv() {
  local folder=$1 flavour=$2 constraints=${3:-requirements.lock} extras="" want
  [ "$flavour" = all ] && extras="[deep,backtrader,cluster,yahoo,crypto,dev]"
  want=$(cat pyproject.toml "$constraints" | cksum)
  if [ "$(cat "$folder/.wayfold-all" 2>/dev/null)" = "$want" ]; then return; fi
  if [ "$(cat "$folder/.wayfold-$flavour" 2>/dev/null)" = "$want" ]; then return; fi
  echo "installing into $folder ($flavour) ..." >&2
  make_venv "$folder"
  "$folder/bin/python" -m pip install --quiet --constraint "$constraints" --editable ".$extras"
  echo "$want" >"$folder/.wayfold-$flavour"
}
