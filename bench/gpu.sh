#!/usr/bin/env bash
# All that needs a GPU, in one command: builds llama.cpp with CUDA, then the gpu tests, memory
# predicted and measured, and the 24 GB and 80 GB cascades resident together beside llama-bench.
#
#   bench/gpu.sh [OUT]            results go to OUT (default gpu-results)
#   ARCH=90 CASCADES="24gb 80gb" CACHE=/big/disk SDIST=llama_cpp_python.tar.gz bench/gpu.sh
#
# SDIST is llama-cpp-python's source distribution; without it pip fetches it. Where pip reaches no
# index, WHEELS is a folder with wheels of everything else that pyproject.toml names.
set -euo pipefail
cd "$(dirname "$0")/.."
out="$(realpath -m "${1:-gpu-results}")"
arch="${ARCH:-native}"
cache="${CACHE:-/tmp/tierchat-shapes}"
cuda="-DGGML_CUDA=on -DCMAKE_CUDA_ARCHITECTURES=$arch -DGGML_NATIVE=on"
work="$(mktemp -d)"
mkdir -p "$out"
find_links=()
if [ -n "${WHEELS:-}" ]; then find_links=(--no-index --find-links "$WHEELS"); fi

python3 -m venv "$work/venv"
pip="$work/venv/bin/pip"
sdist="${SDIST:-}"
if [ -z "$sdist" ]; then
  "$pip" download -q --no-deps --no-binary :all: -d "$work" llama-cpp-python
  sdist="$(ls "$work"/llama_cpp_python-*.tar.gz)"
fi
mkdir "$work/source"
tar -xzf "$sdist" -C "$work/source" --strip-components 1

echo "== llama.cpp with CUDA"
cmake -S "$work/source/vendor/llama.cpp" -B "$work/build" -DCMAKE_BUILD_TYPE=Release \
  -DLLAMA_CURL=OFF -DLLAMA_BUILD_TESTS=OFF $cuda > "$out/cmake.log"
cmake --build "$work/build" -j "$(nproc)" --target llama-bench > "$out/build.log"
CMAKE_ARGS="$cuda" CMAKE_BUILD_PARALLEL_LEVEL="$(nproc)" \
  "$pip" install -q "${find_links[@]}" "$sdist"
"$pip" install -q "${find_links[@]}" -e ".[dev]"

python="$work/venv/bin/python"
{
  nvidia-smi --query-gpu=name,driver_version,memory.total --format=csv || true
  "$python" -m tierchat.engine.devices
} | tee "$out/machine.txt"

echo "== gpu tests"
"$python" -m pytest -q -m gpu | tee "$out/tests.txt"
echo "== memory"
"$python" bench/memory.py --cache "$cache" | tee "$out/memory.txt"
for cascade in ${CASCADES:-24gb 80gb}; do
  echo "== $cascade"
  "$python" bench/residency.py --cascade "$cascade" --cache "$cache" \
    --llama-bench "$work/build/bin/llama-bench" | tee "$out/$cascade.txt"
done
