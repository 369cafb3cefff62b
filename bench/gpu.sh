#!/usr/bin/env bash
# All that needs a GPU, in one command: builds llama.cpp with CUDA once, then runs the gpu tests, memory
# predicted and measured, and the 24 GB and 80 GB cascades resident together beside llama-bench. A
# step that fails does not keep the next ones from running; the exit code then is 1.
#
#   bench/gpu.sh [OUT]            results go to OUT (default gpu-results)
#   ARCH=90 CASCADES="24gb 80gb" CACHE=/big/disk BUILD=/kept bench/gpu.sh
#
# BUILD is a folder for the compiled llama.cpp: a second run with the same one compiles nothing. CACHE takes
# 60 GB for both cascades. CMAKE_EXTRA goes to cmake: where the toolkit has no cuBLAS or no
# libcuda to link with, name files that do (-DCUDA_cublas_LIBRARY=..., -DCUDA_cuda_driver_LIBRARY=...).
# SDIST is llama-cpp-python's source distribution; without it pip fetches it. Where pip reaches no
# index, WHEELS is a folder with wheels of everything else that pyproject.toml names.
set -euo pipefail
cd "$(dirname "$0")/.."
out="$(realpath -m "${1:-gpu-results}")"
cache="${CACHE:-/tmp/tierchat-shapes}"
work="$(mktemp -d)"
build="$(realpath -m "${BUILD:-$work/build}")"
mkdir -p "$out" "$build"
find_links=()
if [ -n "${WHEELS:-}" ]; then find_links=(--no-index --find-links "$WHEELS"); fi

python3 -m venv "$work/venv"
python="$work/venv/bin/python"
pip=("$python" -m pip)
sdist="${SDIST:-}"
if [ -z "$sdist" ]; then
  "${pip[@]}" download -q --no-deps --no-binary :all: -d "$work" llama-cpp-python
  sdist="$(ls "$work"/llama_cpp_python-*.tar.gz)"
fi
# Beside the build, so that cmake finds the same sources there the next time.
if [ ! -e "$build/source" ]; then
  mkdir "$build/source.part"
  tar -xzf "$sdist" -C "$build/source.part" --strip-components 1
  mv "$build/source.part" "$build/source"
fi

echo "== llama.cpp with CUDA"
# shellcheck disable=SC2086 # CMAKE_EXTRA is several words.
cmake -S "$build/source/vendor/llama.cpp" -B "$build/cmake" -DCMAKE_BUILD_TYPE=Release \
  -DLLAMA_CURL=OFF -DLLAMA_BUILD_TESTS=OFF -DBUILD_SHARED_LIBS=ON \
  -DGGML_CUDA=on -DCMAKE_CUDA_ARCHITECTURES="${ARCH:-native}" -DGGML_NATIVE=on \
  ${CMAKE_EXTRA:-} > "$out/cmake.log"
cmake --build "$build/cmake" -j "$(nproc)" --target llama llama-bench > "$out/build.log"
# The Python package takes the libraries just built instead of compiling them once more.
CMAKE_ARGS="-DLLAMA_BUILD=OFF" "${pip[@]}" install -q --no-cache-dir "${find_links[@]}" "$sdist"
"${pip[@]}" install -q "${find_links[@]}" -e ".[dev]"
packages="$("$python" -c 'import sysconfig; print(sysconfig.get_path("platlib"))')"
mkdir -p "$packages/llama_cpp/lib"
cp -a "$build"/cmake/bin/*.so* "$packages/llama_cpp/lib/"

failed=()
step() { # NAME COMMAND...: what it prints goes to OUT/NAME.txt, too.
  echo "== $1"
  "${@:2}" 2>&1 | tee "$out/$1.txt" || failed+=("$1")
}
machine() {
  nvidia-smi --query-gpu=name,driver_version,memory.total --format=csv || true
  "$python" -m tierchat.engine.devices
}
step machine machine
step tests "$python" -m pytest -q -m gpu
step memory "$python" bench/memory.py --cache "$cache"
for cascade in ${CASCADES:-24gb 80gb}; do
  step "$cascade" "$python" bench/residency.py --cascade "$cascade" --cache "$cache" \
    --llama-bench "$build/cmake/bin/llama-bench"
done
if [ ${#failed[@]} -gt 0 ]; then
  echo "failed: ${failed[*]}"
  exit 1
fi
