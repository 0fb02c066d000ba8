// The Python module _kernels: memory comes as addresses and sizes, so nothing here knows torch or NumPy either.
#include <nanobind/nanobind.h>
#include <nanobind/stl/string.h>
#include <nanobind/stl/vector.h>

#include <atomic>
#include <cstdint>
#include <cstring>
#include <new>
#include <stdexcept>
#include <string>
#include <vector>

#include "kernels.h"

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
}  // namespace holdfast

namespace {

using namespace holdfast;
namespace nb = nanobind;

// The levels this CPU can run, best first.
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

const Level* current = nullptr;

std::vector<std::string> runnable_names() {
  std::vector<std::string> names;
  for (const Level* level : runnable()) names.emplace_back(level->name);
  return names;
}

void use(const std::string& name) {
  for (const Level* level : runnable()) {
    if (name == level->name) {
      current = level;
      return;
    }
  }
  throw std::invalid_argument("this CPU cannot run level " + name);
}

// Runs fn(data) on each thread of a team: libgomp's GOMP_parallel, found by the caller in what its process has loaded.
using TeamRun = void (*)(void (*fn)(void*), void* data, unsigned num_threads, unsigned flags);
std::atomic<TeamRun> team_run{nullptr};

void use_team(std::uintptr_t address) { team_run = reinterpret_cast<TeamRun>(address); }

// Work on rows [begin, end), cut into chunks that threads take one by one.
template <class Sweep>
struct Job {
  const Sweep& sweep;
  std::size_t rows, chunks;
  std::atomic<std::size_t> next{0};

  // Takes chunks of rows until none is left: right for a team of any size.
  static void work(void* self) {
    Job& job = *static_cast<Job*>(self);
    for (std::size_t k = job.next++; k < job.chunks; k = job.next++)
      job.sweep(job.rows * k / job.chunks, job.rows * (k + 1) / job.chunks);
  }
};

constexpr double kSplitFrom = 1.5e6;    // multiply-adds of a call below which waking a second thread costs more
constexpr double kReleaseFrom = 100e3;  // and below which letting the interpreter go does

template <class Sweep>
void run(const Sweep& sweep, std::size_t rows, double work, std::size_t threads) {
  const TeamRun team = team_run.load();
  const std::size_t chunks = threads < rows ? threads : rows;
  if (!team || chunks < 2 || work < kSplitFrom) return sweep(0, rows);
  Job<Sweep> job{sweep, rows, chunks};
  team(&Job<Sweep>::work, &job, static_cast<unsigned>(chunks), 0);
}

template <class T>
T* at(std::uintptr_t address) {
  return reinterpret_cast<T*>(address);
}

using Address = std::uintptr_t;

double multiply_adds(const Level* level, Family family, std::size_t T, std::size_t B, std::size_t H) {
  return static_cast<double>(T) * B * level->packed_size(family, H);
}

void check(int family) {
  if (!current) throw std::runtime_error("no CPU level is in use");
  if (family < 0 || family >= kNumFamilies) throw std::invalid_argument("unknown family");
}

// Memory of one call, uninitialised, on a cache line of its own: a vector load must not straddle two.
struct Scratch {
  explicit Scratch(std::size_t floats)
      : data(static_cast<float*>(::operator new((floats + 1) * sizeof(float), std::align_val_t{64}))) {}
  ~Scratch() { ::operator delete(data, std::align_val_t{64}); }
  Scratch(const Scratch&) = delete;
  Scratch& operator=(const Scratch&) = delete;
  float* data;
};

// The bias of the input's product: b_ih + b_hh, but for the GRU's n rows, whose b_hh stays inside the product with r.
void add_biases(Family family, std::size_t rows, std::size_t H, const float* b_ih, const float* b_hh, float* sum) {
  const std::size_t shared = family == Family::kGru ? 2 * H : rows;
  for (std::size_t k = 0; k < rows; ++k) sum[k] = k < shared ? b_ih[k] + b_hh[k] : b_ih[k];
}

// Biases are null together. `gates` also serves as the memory of the gate sums where it is given.
void forward(int family_number, std::size_t T, std::size_t B, std::size_t I, std::size_t H, bool reverse, Address x,
             Address w_ih, Address w_hh, Address b_ih, Address b_hh, Address h0, Address c0, Address y, Address h_n,
             Address c_n, Address gates, Address extra, std::size_t threads) {
  check(family_number);
  const auto family = static_cast<Family>(family_number);
  const Level* level = current;
  const std::size_t rows = level->num_gates(family) * H;
  const double work = multiply_adds(level, family, T, B, H), input_work = static_cast<double>(T) * B * I * rows;
  auto body = [&] {
    const Scratch packed(level->packed_size(family, H)), bias(b_ih ? rows : 0), sums(gates ? 0 : T * B * rows);
    float* pre = gates ? at<float>(gates) : sums.data;
    if (b_ih) add_biases(family, rows, H, at<const float>(b_ih), at<const float>(b_hh), bias.data);
    const ProductArgs product{T * B, rows, I, at<const float>(x), I, 1, at<const float>(w_ih), true,
                              b_ih ? bias.data : nullptr, pre, false};
    run([&](std::size_t begin, std::size_t end) { level->product(product, begin, end); }, T * B, input_work, threads);
    level->pack_forward(family, at<const float>(w_hh), H, packed.data);
    const float* bias_n = b_ih && family == Family::kGru ? at<const float>(b_hh) + 2 * H : nullptr;
    const ForwardArgs args{T, B, H, reverse, pre, packed.data, bias_n, at<const float>(h0), at<const float>(c0),
                           at<float>(y), at<float>(c_n), at<float>(gates), at<float>(extra)};
    run([&](std::size_t begin, std::size_t end) { level->forward(family, args, begin, end); }, B, work, threads);
    const std::size_t plane = B * H, last = reverse ? 0 : (T - 1) * plane;
    std::memcpy(at<float>(h_n), args.y + last, plane * sizeof(float));
    if (c_n && extra) std::memcpy(at<float>(c_n), args.extra + last, plane * sizeof(float));
  };
  if (work + input_work < kReleaseFrom) return body();
  nb::gil_scoped_release release;
  body();
}

void backward(int family_number, std::size_t T, std::size_t B, std::size_t H, bool reverse, Address w_hh, Address d_y,
              Address d_h_n, Address d_c_n, Address h0, Address c0, Address y, Address gates, Address extra,
              Address d_pre, Address d_hidden, Address d_h0, Address d_c0, std::size_t threads) {
  check(family_number);
  const auto family = static_cast<Family>(family_number);
  const Level* level = current;
  const double work = multiply_adds(level, family, T, B, H);
  auto body = [&] {
    const Scratch packed(level->packed_size(family, H));
    level->pack_backward(family, at<const float>(w_hh), H, packed.data);
    const BackwardArgs args{T, B, H, reverse, packed.data, at<const float>(d_y), at<const float>(d_h_n),
                            at<const float>(d_c_n), at<const float>(h0), at<const float>(c0), at<const float>(y),
                            at<const float>(gates), at<const float>(extra), at<float>(d_pre), at<float>(d_hidden),
                            at<float>(d_h0), at<float>(d_c0)};
    const std::size_t bytes = B * H * sizeof(float);
    if (d_c0 && d_c_n) std::memcpy(args.d_c0, args.d_c_n, bytes);
    if (d_c0 && !d_c_n) std::memset(args.d_c0, 0, bytes);
    run([&](std::size_t begin, std::size_t end) { level->backward(family, args, begin, end); }, B, work, threads);
  };
  if (work < kReleaseFrom) return body();
  nb::gil_scoped_release release;
  body();
}

void product(std::size_t M, std::size_t N, std::size_t K, Address a, std::size_t a_row, std::size_t a_k, Address b,
             bool b_transposed, Address bias, Address c, bool accumulate, std::size_t threads) {
  check(0);
  const ProductArgs args{M, N, K, at<const float>(a), a_row, a_k, at<const float>(b), b_transposed,
                         at<const float>(bias), at<float>(c), accumulate};
  const double work = static_cast<double>(M) * N * K;
  const Level* level = current;
  auto body = [&] {
    run([&](std::size_t begin, std::size_t end) { level->product(args, begin, end); }, M, work, threads);
  };
  if (work < kReleaseFrom) return body();
  nb::gil_scoped_release release;
  body();
}

}  // namespace

NB_MODULE(_kernels, m) {
  m.doc() = "Recurrent kernels for the CPU, one set per CPU level; called through holdfast.kernels.cpu.";
  m.def("runnable_levels", &runnable_names, "Names of the compiled levels that this CPU can run, best first.");
  m.def("use_level", &use, "Choose the level that the next calls run on.");
  m.def("use_team", &use_team, "Give the address of GOMP_parallel, or 0 to stay on one thread.");
  m.def("forward", &forward, "Run one direction of one layer; see ForwardArgs in csrc/kernels.h.");
  m.def("product", &product, "Multiply two matrices; see ProductArgs in csrc/kernels.h.");
  m.def("backward", &backward, "Sweep back through it; see BackwardArgs in csrc/kernels.h.");
}
