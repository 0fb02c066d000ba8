// The threads of a call: torch's own OpenMP team where its entry points are known, else a small pool of our own.
#pragma once

#include <cstdint>

namespace holdfast {

// Addresses of GOMP_parallel, omp_get_thread_num and omp_get_num_threads in the library that torch loaded; zeros: the
// pool. A second pool beside torch's team gives no parallelism, so the pool is for processes without one.
void use_team(std::uintptr_t parallel, std::uintptr_t thread_num, std::uintptr_t num_threads);

using Work = void (*)(void* data, unsigned thread, unsigned threads);

// Runs work(data, k, n) on n threads, 1 <= n <= threads, the caller among them. All n run at the same time, so that they
// may wait for each other. n is 1 where no more can be had: inside another parallel region, or while the pool is busy.
void run_on_team(Work work, void* data, unsigned threads);

}  // namespace holdfast
