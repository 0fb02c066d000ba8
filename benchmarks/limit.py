"""What this machine can do at most: float32 multiply-adds and memory traffic, measured with as many threads.

python -m benchmarks.limit [--threads 2]
"""

from __future__ import annotations

import argparse
import os
import shutil
import subprocess
import tempfile
import time
from pathlib import Path

import torch

# Independent chains of multiply-adds in registers; then sums over more memory than any cache holds. Best of the runs.
SOURCE = r"""
#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <thread>
#include <vector>
#if defined(__AVX512F__)
typedef float Block __attribute__((vector_size(64)));
#elif defined(__AVX__)
typedef float Block __attribute__((vector_size(32)));
#else
typedef float Block __attribute__((vector_size(16)));
#endif
constexpr int kChains = 12, kLanes = sizeof(Block) / sizeof(float);
constexpr long kSteps = 20000000;
constexpr std::size_t kBlocks = std::size_t(256) * 1024 * 1024 / sizeof(Block);
volatile float sink;

void multiply_add(float seed) {
  Block sums[kChains], scale = {}, shift = {};
  for (int k = 0; k < kChains; ++k) sums[k] = scale + (seed + float(k));
  scale += 0.999f;
  shift += 0.001f;
  for (long t = 0; t < kSteps; ++t) {
#pragma GCC unroll 12
    for (int k = 0; k < kChains; ++k) sums[k] = sums[k] * scale + shift;
  }
  for (int k = 1; k < kChains; ++k) sums[0] += sums[k];
  sink = sums[0][0];
}

void read_all(const Block* data) {
  Block sums[8] = {};
  for (std::size_t j = 0; j < kBlocks; j += 8)
    for (int k = 0; k < 8; ++k) sums[k] += data[j + k];
  for (int k = 1; k < 8; ++k) sums[0] += sums[k];
  sink = sums[0][0];
}

template <class Work>
double best_seconds(int threads, int runs, Work work) {
  double best = 1e30;
  for (int run = 0; run < runs; ++run) {
    const auto start = std::chrono::steady_clock::now();
    std::vector<std::thread> team;
    for (int k = 0; k < threads; ++k) team.emplace_back([=] { work(k); });
    for (auto& member : team) member.join();
    const std::chrono::duration<double> taken = std::chrono::steady_clock::now() - start;
    if (taken.count() < best) best = taken.count();
  }
  return best;
}

int main(int, char** arguments) {
  const int threads = std::atoi(arguments[1]);
  const double flops = 2.0 * kLanes * kChains * kSteps * threads;
  std::printf("%.6g\n", flops / best_seconds(threads, 5, [](int k) { multiply_add(1.0f + k); }) / 1e9);
  std::vector<Block*> data;
  for (int k = 0; k < threads; ++k) {
    data.push_back(static_cast<Block*>(std::aligned_alloc(sizeof(Block), kBlocks * sizeof(Block))));
    for (std::size_t j = 0; j < kBlocks; ++j) data[k][j] = Block{} + float(j);
  }
  Block* const* rows = data.data();
  const double bytes = double(kBlocks) * sizeof(Block) * threads;
  std::printf("%.6g\n", bytes / best_seconds(threads, 5, [rows](int k) { read_all(rows[k]); }) / 1e9);
}
"""


def measure_limit(threads: int) -> dict[str, object]:
    """Return the machine's float32 GFLOP/s and GB/s read, and how they were found."""
    compiler = os.environ.get("CXX") or shutil.which("c++") or shutil.which("g++") or shutil.which("clang++")
    if compiler is None:
        return measure_with_torch("no C++ compiler")
    with tempfile.TemporaryDirectory() as folder:
        source, program = Path(folder, "limit.cpp"), Path(folder, "limit")
        source.write_text(SOURCE, encoding="utf-8")
        flags = ["-std=c++17", "-O3", "-march=native", "-ffp-contract=fast", "-pthread", "-o"]
        built = subprocess.run([compiler, *flags, program, source], capture_output=True, text=True)
        if built.returncode:
            return measure_with_torch(f"{compiler} failed: {built.stderr.strip().splitlines()[-1:]}")
        output = subprocess.run([program, str(threads)], capture_output=True, text=True, check=True).stdout
    gflops, bandwidth = map(float, output.split())
    how = "independent float32 multiply-adds in registers; sums over 256 MB a thread"
    return {"gflops": round(gflops, 1), "read_gb_per_s": round(bandwidth, 1), "how": how}


def measure_with_torch(why: str) -> dict[str, object]:
    """Return the best of a large matrix product and of a long sum: a floor of the limit, not the limit."""
    size, data = 2048, torch.ones(2**27)
    a, b = torch.randn(size, size), torch.randn(size, size)
    product = min(seconds(lambda: a @ b) for _ in range(10))
    read = min(seconds(lambda: data.sum()) for _ in range(5))
    how = f"torch's product of two 2048 x 2048 matrices and its sum over 512 MB ({why})"
    return {
        "gflops": round(2 * size**3 / product / 1e9, 1),
        "read_gb_per_s": round(data.nbytes / read / 1e9, 1),
        "how": how,
    }


def seconds(call) -> float:
    start = time.perf_counter()
    call()
    return time.perf_counter() - start


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--threads", type=int, default=2)
    threads = parser.parse_args().threads
    torch.set_num_threads(threads)
    print(measure_limit(threads))
