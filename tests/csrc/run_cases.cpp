// Runs the calls that record.py wrote, on each level of this CPU, without Python or torch:
//
//   run_cases FILE [threads ...]     by default 1 2 4 7
//
// Every result must lie within the recorded error of the exact one, be the same bits for any number of threads, and not
// depend on what else is asked for: a trace, packed weights, some gradients only. Fresh memory holds NaN, what is read
// stays as it was, and nothing beside an array is touched.
#include <algorithm>
#include <cmath>
#include <memory>
#include <new>

#include <signal.h>
#include <unistd.h>

#include "cases.h"
#include "fields.h"
#include "run.h"

// The kernels' scratch memory comes from here: whoever reads it before it is written computes NaN.
void* operator new(std::size_t bytes, std::align_val_t align) {
  const std::size_t line = static_cast<std::size_t>(align), whole = (bytes + line - 1) / line * line;
  void* memory = std::aligned_alloc(line, whole);
  if (!memory) std::abort();
  return std::memset(memory, 0xFF, whole);
}
void operator delete(void* memory, std::align_val_t) noexcept { std::free(memory); }
void operator delete(void* memory, std::size_t, std::align_val_t) noexcept { std::free(memory); }

namespace {

using namespace holdfast;
using cases::Array;
using cases::Buffer;
using cases::Case;
using cases::Kind;

constexpr std::size_t kSaveColumn = 18, kFirstAddress = 20;  // of the row in fields.h
constexpr std::size_t kFrozenColumn = 27 + kMaxDirections * kNumParameters, kGatesColumn = kFrozenColumn + 5;

int failures = 0;
double worst_share = 0;  // of the allowed error

void expect(bool holds, const Case& recorded, const std::string& how, const char* what, std::size_t array = 0) {
  if (holds) return;
  if (failures++ < 100)
    std::printf("FAILED %s %s: %s%s\n", recorded.label.c_str(), how.c_str(), what,
                array ? (" (array " + std::to_string(array) + ")").c_str() : "");
}

const char* running = "";  // the case at work, to be named in a crash

[[maybe_unused]] void tell_crash(int number) {
  const auto say = [](const char* text) { return write(1, text, std::strlen(text)); };
  if (say("CRASHED in ") < 0 || say(running) < 0 || say("\n") < 0) _exit(4);
  signal(number, SIG_DFL);
  raise(number);
}

// One run of a case in memory of its own.
template <class Real>
class Run {
 public:
  Run(const Case& recorded, std::string how, int save) : case_(recorded), how_(std::move(how)), row_(recorded.columns) {
    for (std::size_t k = 0; k < case_.arrays.size(); ++k) {
      const Array& array = case_.arrays[k];
      const std::size_t size = array.kind == Kind::kReadInt ? 8 : array.kind == Kind::kReadBool ? 1 : sizeof(Real);
      buffers_.push_back(std::make_unique<Buffer>(array.count * size, size));
      fill(k);
    }
    for (std::size_t c = kFirstAddress; c < row_.size(); ++c) row_[c] = row_[c] ? address(row_[c]) : 0;
    row_[kSaveColumn] = save;
    if (save == 0) std::fill_n(row_.begin() + kGatesColumn, 3, 0);
  }

  // Leaves out gradients: each that stands at an odd or an even place.
  void leave_out(std::size_t parity) {
    const std::size_t first = kNumCallFields;
    for (std::size_t c = first + 3; c < row_.size(); ++c) {
      const bool always = c == first + 4 || c == first + 5;  // of the states
      if (!always && c % 2 == parity) row_[c] = 0;
    }
  }

  void forward(unsigned threads) {
    FieldReader in{row_.data()};
    const Call<Real> call = read_call<Real>(in);
    expect(call.rest == nullptr || room() == call.D * rest_size(call), case_, how_, "rest_size and Python's count differ");
    run_forward(call, threads);
  }
  void backward(unsigned threads) {
    FieldReader in{row_.data()};
    const Call<Real> call = read_call<Real>(in);
    run_backward(call, read_gradients<Real>(in), threads);
  }

  // Runs on weights packed once before.
  void freeze() {
    FieldReader in{row_.data()};
    const Call<Real> call = read_call<Real>(in);
    const LevelOf<Real>& level = kernels_of<Real>(*level_in_use());
    for (std::size_t k = 0; k < call.D; ++k) {
      buffers_.push_back(std::make_unique<Buffer>(level.packed_size(call) * sizeof(Real), 64));
      level.pack_weights(call, k, reinterpret_cast<Real*>(buffers_.back()->data()));
      row_[kFrozenColumn + k] = reinterpret_cast<std::intptr_t>(buffers_.back()->data());
    }
  }

  void check_memory() const {
    for (std::size_t k = 0; k < buffers_.size(); ++k) {
      expect(buffers_[k]->intact(), case_, how_, "something was written outside an array", k + 1);
      if (k >= case_.arrays.size()) continue;
      const bool read = case_.arrays[k].kind != Kind::kComputed && case_.arrays[k].kind != Kind::kRoom;
      if (read) expect(holds_inputs(k), case_, how_, "something was written to an array that is only read", k + 1);
    }
  }
  void check_values() const {
    for (std::size_t k = 0; k < case_.arrays.size(); ++k) {
      const Array& array = case_.arrays[k];
      if (array.kind != Kind::kComputed) continue;
      double worst = 0;
      for (std::size_t n = 0; n < array.count; ++n) {
        const double error = std::fabs(static_cast<double>(numbers(k)[n]) - array.exact[n]);
        if (!(error <= worst)) worst = std::isnan(error) ? INFINITY : error;
      }
      worst_share = std::max(worst_share, worst / array.allowed);
      const std::string what = "is off by " + std::to_string(worst / array.allowed) + " of what is allowed";
      expect(worst <= array.allowed, case_, how_, what.c_str(), k + 1);
    }
  }
  // Compares what this run computed, of columns from `first` up to `end`, with the bits of a whole run.
  void check_bits(const Run& whole, std::size_t first, std::size_t end) const {
    for (std::size_t c = first; c < end && c < row_.size(); ++c) {
      const std::size_t k = static_cast<std::size_t>(case_.columns[c]);
      if (!row_[c] || k == 0 || case_.arrays[k - 1].kind != Kind::kComputed) continue;
      const Buffer &ours = *buffers_[k - 1], &theirs = *whole.buffers_[k - 1];
      expect(std::memcmp(ours.data(), theirs.data(), ours.bytes()) == 0, case_, how_, "the bits differ", k);
    }
  }

 private:
  const Real* numbers(std::size_t k) const { return reinterpret_cast<const Real*>(buffers_[k]->data()); }
  std::int64_t address(std::int64_t number) const {
    return reinterpret_cast<std::intptr_t>(buffers_[static_cast<std::size_t>(number - 1)]->data());
  }
  std::size_t room() const {
    for (const Array& array : case_.arrays)
      if (array.kind == Kind::kRoom) return array.count;
    return 0;
  }
  void fill(std::size_t k) {
    const Array& array = case_.arrays[k];
    if (array.kind == Kind::kRead) {
      Real* out = reinterpret_cast<Real*>(buffers_[k]->data());
      for (std::size_t n = 0; n < array.count; ++n) out[n] = static_cast<Real>(array.exact[n]);
    } else if (!array.content.empty()) {
      std::memcpy(buffers_[k]->data(), array.content.data(), array.content.size());
    }
  }
  bool holds_inputs(std::size_t k) const {
    const Array& array = case_.arrays[k];
    if (array.kind != Kind::kRead)
      return std::memcmp(buffers_[k]->data(), array.content.data(), array.content.size()) == 0;
    for (std::size_t n = 0; n < array.count; ++n) {
      const Real value = static_cast<Real>(array.exact[n]);
      if (std::memcmp(&numbers(k)[n], &value, sizeof value) != 0) return false;
    }
    return true;
  }

  const Case& case_;
  std::string how_;
  std::vector<std::int64_t> row_;
  std::vector<std::unique_ptr<Buffer>> buffers_;
};

template <class Real>
void check(const Case& recorded, const std::string& level, const std::vector<unsigned>& threads) {
  const auto named = [&](const char* kind, unsigned count) {
    return level + ", " + kind + ", " + std::to_string(count) + " threads";
  };
  const std::size_t all = recorded.columns.size();
  running = recorded.label.c_str();
  Run<Real> first(recorded, named("trace", threads[0]), 2);
  first.forward(threads[0]), first.backward(threads[0]);
  first.check_memory(), first.check_values();
  for (const unsigned count : threads) {
    Run<Real> traced(recorded, named("trace", count), 2), bare(recorded, named("nothing kept", count), 0);
    Run<Real> trained(recorded, named("no trace", count), 1), frozen(recorded, named("packed weights", count), 0);
    traced.forward(count), traced.backward(count);
    traced.check_bits(first, kFirstAddress, all);
    bare.forward(count);
    bare.check_bits(first, kFirstAddress, kNumCallFields);
    frozen.freeze(), frozen.forward(count);
    frozen.check_bits(first, kFirstAddress, kNumCallFields);
    trained.forward(count), trained.leave_out(count % 2), trained.backward(count);
    trained.check_bits(first, kFirstAddress, kGatesColumn);  // the padding of gates may hold anything
    trained.check_bits(first, kNumCallFields, all);
    for (const Run<Real>* run : {&traced, &bare, &trained, &frozen}) run->check_memory();
  }
}

}  // namespace

int main(int count, char** arguments) {
  if (count < 2) return std::fprintf(stderr, "run_cases FILE [threads ...]\n"), 2;
  std::vector<unsigned> threads;
  for (int k = 2; k < count; ++k) threads.push_back(static_cast<unsigned>(std::atoi(arguments[k])));
  if (threads.empty()) threads = {1, 2, 4, 7};
  set_split_from(0), set_keep_most(0);
#if !defined(__SANITIZE_ADDRESS__)
  for (const int number : {SIGSEGV, SIGBUS, SIGFPE, SIGILL}) signal(number, &tell_crash);
#endif
  int runs = 0;
  for (const std::string& level : runnable_levels()) {
    use_level(level);
    cases::Reader file(arguments[1]);
    for (Case recorded; file.next(recorded); ++runs)
      recorded.twice ? check<double>(recorded, level, threads) : check<float>(recorded, level, threads);
    std::printf("%s: done\n", level.c_str());
  }
  std::printf("%d cases run, %d failures; the worst error is %.2f of what is allowed\n", runs, failures, worst_share);
  return failures == 0 && runs > 0 ? 0 : 1;
}
