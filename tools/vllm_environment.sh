#!/usr/bin/env bash
# Makes the environment in which vLLM itself is tested on a CPU: about five minutes and 2 GB, once.
#
#     tools/vllm_environment.sh [FOLDER]      default: .venv-vllm
#
# Exits with 0 where the environment is ready, else with 3 after a sentence that says why. What is pinned in
# requirements-vllm.txt is installed as it is: vLLM's CPU build asks for packages that only a GPU needs.
set -u
cd "$(dirname "$0")/.."
folder=${1:-.venv-vllm}
python=${PYTHON:-python3}
ready="$folder/.ready"

fail() {
  echo "The environment $folder for vLLM cannot be made here: $1." >&2
  exit 3
}

[ -f "$ready" ] && cmp -s requirements-vllm.txt "$ready" && exit 0
[ "$(uname -sm)" = "Linux x86_64" ] || fail "vLLM's CPU build is there for Linux on x86-64 alone"
"$python" -c 'import sys; sys.exit(not (3, 11) <= sys.version_info[:2] < (3, 14))' || fail "it needs Python 3.11 to 3.13"
[ "$(df -Pk . | awk 'NR == 2 { print $4 }')" -gt 4000000 ] || fail "it needs 4 GB of disk"

echo "Installing vLLM for the CPU into $folder: about five minutes, once."
"$python" -m venv "$folder" || fail "the virtual environment could not be made"
pip=("$folder/bin/python" -m pip install --quiet --disable-pip-version-check)
"${pip[@]}" "$(grep '^torch==' requirements-vllm.txt)" || fail "torch could not be installed"
"${pip[@]}" --no-deps --requirement requirements-vllm.txt || fail "a pinned package could not be installed"
"${pip[@]}" --no-deps --editable . || fail "reflectgen itself could not be installed"
"$folder/bin/python" -c 'import vllm' > /dev/null 2>&1 || fail "vLLM is installed and cannot be imported"
cp requirements-vllm.txt "$ready"
