#include "run.h"

#if defined(__linux__)
#include <sched.h>
#include <sys/mman.h>
#endif

#include <atomic>
#include <chrono>
#include <cstdint>
#include <cstdlib>
#include <new>
#include <thread>

#include "team.h"

namespace holdfast {
#if HOLDFAST_HAS_V3
namespace level_v3 { extern const Level level; }
#endif
#if HOLDFAST_HAS_V4
namespace level_v4 { extern const Level level; }
#endif
#if HOLDFAST_HAS_NEON
namespace level_neon { extern const Level level; }
#endif

namespace {

const Level* current = nullptr;

std::vector<const Level*> runnable() {
  std::vector<const Level*> levels;
#if HOLDFAST_HAS_V3
  __builtin_cpu_init();
  const bool v3 = __builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma") && __builtin_cpu_supports("bmi") &&
                  __builtin_cpu_supports("bmi2");
  const bool v4 = v3 && __builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512bw") &&
                  __builtin_cpu_supports("avx512cd") && __builtin_cpu_supports("avx512dq") &&
                  __builtin_cpu_supports("avx512vl");
  if (v4) levels.push_back(&level_v4::level);
  if (v3) levels.push_back(&level_v3::level);
#endif
#if HOLDFAST_HAS_NEON
  levels.push_back(&level_neon::level);
#endif
  return levels;
}

std::size_t keep_most = 64 << 20;

// glibc returns memory to the system by a threshold that grows with the largest block that was freed. Scratch memory that
// is kept is never freed, so the threshold would stay low, and the arrays of a training step would be given back after
// each one and faulted in again, page by page. One block of the largest size that counts, never touched, spares that;
// a process that set the thresholds itself keeps them.
void teach_allocator() {
#if defined(__GLIBC__)
  constexpr std::size_t largest = (32 << 20) - 8192;
  void* volatile block = std::malloc(largest);  // volatile: or the pair is optimised away
  std::free(block);
#endif
}

constexpr std::size_t kPage = 2 << 20, kLarge = 4 * kPage;

// Asks the system for large pages: fresh memory costs a page fault for every 4 KB otherwise.
void ask_for_large_pages(const void* data, std::size_t bytes) {
#if defined(__linux__) && defined(MADV_HUGEPAGE)
  if (!data || bytes < kLarge) return;
  const std::uintptr_t begin = (reinterpret_cast<std::uintptr_t>(data) + kPage - 1) / kPage * kPage;
  const std::uintptr_t end = (reinterpret_cast<std::uintptr_t>(data) + bytes) / kPage * kPage;
  madvise(reinterpret_cast<void*>(begin), end - begin, MADV_HUGEPAGE);
#endif
}

// Uninitialised memory on a cache line of its own: a vector load must not straddle two. The last block that was given
// back, up to keep_most bytes, serves the next call.
struct Memory {
  explicit Memory(std::size_t bytes) : data(kept.exchange(nullptr)) {
    const std::size_t wanted = bytes + kHeader;
    if (data && *static_cast<std::size_t*>(data) >= wanted) return;
    static const bool taught = (teach_allocator(), true);
    static_cast<void>(taught);
    drop(data);
    data = nullptr;
    data = ::operator new(wanted, alignment(wanted));
    *static_cast<std::size_t*>(data) = wanted;
    ask_for_large_pages(data, wanted);
  }
  ~Memory() { drop(*static_cast<std::size_t*>(data) <= keep_most ? kept.exchange(data) : data); }
  Memory(const Memory&) = delete;
  Memory& operator=(const Memory&) = delete;
  void* usable() const { return static_cast<char*>(data) + kHeader; }

 private:
  static constexpr std::size_t kHeader = 64;

  static std::align_val_t alignment(std::size_t bytes) { return std::align_val_t{bytes >= kLarge ? kPage : 64}; }
  static void drop(void* block) {
    if (block) ::operator delete(block, alignment(*static_cast<std::size_t*>(block)));
  }

  static std::atomic<void*> kept;
  void* data;
};
std::atomic<void*> Memory::kept{nullptr};

// Cores that this process may run on.
unsigned num_cores() {
#if defined(__linux__)
  static const unsigned cores = [] {
    cpu_set_t set;
    return sched_getaffinity(0, sizeof set, &set) == 0 ? static_cast<unsigned>(CPU_COUNT(&set)) : 1u;
  }();
#else
  static const unsigned cores = std::thread::hardware_concurrency();
#endif
  return cores;
}

double split_from = 1.5e6;  // multiply-adds of a call below which waking a second thread costs more

// Beside other busy processes a crew that waits at every step loses the processor at each of them, and a call takes a
// hundred times as long. After such a call the next ones run on one thread for a while, longer each time; the bits are
// the same for any number of threads.
class Crowding {
 public:
  using Clock = std::chrono::steady_clock;

  bool holds(Clock::time_point now) const { return now.time_since_epoch().count() < until.load(std::memory_order_relaxed); }

  void note(Clock::time_point start, Clock::time_point end, double work) {
    const std::chrono::duration<double> taken = end - start;
    if (taken.count() < kAllowed + work / kSlowest) return pause.store(kShortest, std::memory_order_relaxed);
    const Clock::rep next = pause.load(std::memory_order_relaxed);
    until.store((end + Clock::duration(next)).time_since_epoch().count(), std::memory_order_relaxed);
    pause.store(next < kLongest ? 2 * next : next, std::memory_order_relaxed);
  }

 private:
  static constexpr double kAllowed = 1e-3;  // seconds, beside the work itself
  static constexpr double kSlowest = 2e9;   // multiply-adds a second: one thread is many times as fast
  static constexpr Clock::rep kShortest = std::chrono::duration_cast<Clock::duration>(std::chrono::milliseconds(20)).count();
  static constexpr Clock::rep kLongest = std::chrono::duration_cast<Clock::duration>(std::chrono::seconds(1)).count();

  std::atomic<Clock::rep> until{Clock::time_point::min().time_since_epoch().count()};
  std::atomic<Clock::rep> pause{kShortest};
};
Crowding crowding;

template <class Real>
unsigned useful_threads(const Call<Real>& call, unsigned threads) {
  return threads < 2 || multiply_adds(call) < split_from ? 1 : threads;
}

template <class Real>
struct Job {
  const LevelOf<Real>& level;
  const Call<Real>& call;
  const Gradients<Real>* gradients;
  void* scratch;
  unsigned capacity;

  static void work(void* self, unsigned thread, unsigned threads) {
    const Job& job = *static_cast<Job*>(self);
    if (job.gradients) {
      job.level.backward(job.call, *job.gradients, job.scratch, job.capacity, thread, threads);
    } else {
      job.level.forward(job.call, job.scratch, job.capacity, thread, threads);
    }
  }
};

template <class Real>
void ask_for_results(const Call<Real>& call, const Gradients<Real>* gradients) {
  if (gradients) return ask_for_large_pages(gradients->d_x, call.N * call.I * sizeof(Real));
  const std::size_t numbers = call.D * call.N * sizeof(Real);
  ask_for_large_pages(call.y, numbers * call.P);
  ask_for_large_pages(call.gates, numbers * call.spec.saved_gates() * call.H);
  ask_for_large_pages(call.cells, numbers * call.H);
  ask_for_large_pages(call.rest, call.D * rest_size(call) * sizeof(Real));
}

template <class Real>
void run(const Call<Real>& call, const Gradients<Real>* gradients, unsigned threads) {
  const LevelOf<Real>& level = kernels_of<Real>(*current);
  const auto start = Crowding::Clock::now();
  const bool watched = split_from > 0;  // tests that split everything mean it
  const unsigned useful = watched && crowding.holds(start) ? 1 : useful_threads(call, threads);
  ask_for_results(call, gradients);
  const Memory scratch(level.scratch_size(call, gradients, useful));
  level.prepare(call, gradients, scratch.usable(), useful, useful > num_cores() ? 20 : 4000);
  Job<Real> job{level, call, gradients, scratch.usable(), useful};
  run_on_team(&Job<Real>::work, &job, useful);
  if (watched && useful > 1) crowding.note(start, Crowding::Clock::now(), multiply_adds(call) * (gradients ? 2 : 1));
}

}  // namespace

template <>
const LevelOf<float>& kernels_of<float>(const Level& level) { return level.single; }
template <>
const LevelOf<double>& kernels_of<double>(const Level& level) { return level.twice; }

std::vector<std::string> runnable_levels() {
  std::vector<std::string> names;
  for (const Level* level : runnable()) names.emplace_back(level->name);
  return names;
}

bool use_level(const std::string& name) {
  for (const Level* level : runnable()) {
    if (name != level->name) continue;
    current = level;
    return true;
  }
  return false;
}

const Level* level_in_use() { return current; }

void set_split_from(double work) { split_from = work; }

void set_keep_most(std::size_t bytes) { keep_most = bytes; }

template <class Real>
void run_forward(const Call<Real>& call, unsigned threads) { run<Real>(call, nullptr, threads); }
template <class Real>
void run_backward(const Call<Real>& call, const Gradients<Real>& gradients, unsigned threads) {
  run(call, &gradients, threads);
}

template void run_forward<float>(const Call<float>&, unsigned);
template void run_forward<double>(const Call<double>&, unsigned);
template void run_backward<float>(const Call<float>&, const Gradients<float>&, unsigned);
template void run_backward<double>(const Call<double>&, const Gradients<double>&, unsigned);

}  // namespace holdfast
