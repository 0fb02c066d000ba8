// Who does what: the rows in order of length, and which threads share which rows, units and direction.
#pragma once

#include "kernels.h"
#include "tile.h"

#if defined(__linux__) || defined(__APPLE__)
#include <sched.h>
#endif

namespace holdfast {
namespace HOLDFAST_LEVEL {

// Part `k` of `parts` of n things.
HOLDFAST_INLINE Range share(std::size_t n, std::size_t k, std::size_t parts) {
  return {n * k / parts, n * (k + 1) / parts};
}

constexpr double kWaitCycles = 700;  // of a wait of two threads on one die

HOLDFAST_INLINE void pause_briefly() {
#if defined(__x86_64__)
  _mm_pause();
#elif defined(__aarch64__)
  asm volatile("yield");
#endif
}

// Holds `size` threads until the last has come. Spins for some microseconds, then gives the core away: a thread that is
// waited for may need it.
HOLDFAST_INLINE void wait(Barrier& barrier, unsigned size) {
  if (size < 2) return;
  const unsigned round = __atomic_load_n(&barrier.round, __ATOMIC_RELAXED);
  if (__atomic_add_fetch(&barrier.arrived, 1u, __ATOMIC_ACQ_REL) == size) {
    __atomic_store_n(&barrier.arrived, 0u, __ATOMIC_RELAXED);
    __atomic_store_n(&barrier.round, round + 1, __ATOMIC_RELEASE);
    return;
  }
  for (unsigned spins = 0; __atomic_load_n(&barrier.round, __ATOMIC_ACQUIRE) == round; ++spins) {
    if (spins < barrier.spins) {
      pause_briefly();
    } else {
      sched_yield();
    }
  }
}

// The rows of a call, by number in the data ("slot"), and where their steps stand in memory.
template <class Real>
struct Rows {
  const Call<Real>& a;
  const std::uint32_t* by_length;  // [B] slots, longest first; null when all are equally long or sorted already
  const std::size_t* offsets;      // [T] where a packed step begins, or null

  std::size_t slot(std::size_t k) const { return by_length ? by_length[k] : k; }
  std::size_t length(std::size_t slot) const { return a.lengths ? static_cast<std::size_t>(a.lengths[slot]) : a.T; }
  std::size_t caller(std::size_t slot) const { return a.rows ? static_cast<std::size_t>(a.rows[slot]) : slot; }
  std::size_t position(std::size_t t, std::size_t slot) const { return (offsets ? offsets[t] : t * a.B) + slot; }
};

// Threads that advance the same rows of one direction together, each on units of its own.
struct Crew {
  std::size_t direction;
  std::size_t first, step, count;  // rows first, first + step, ... of Rows::slot; `count` of them
  unsigned member, size;
  Barrier* barrier;
};

// A step's cost on one thread, in cycles and roughly: what decides how rows and units are split. Constants measured on
// AVX-512 (docs/lab-notes.md); they steer, and change no result.
template <class Real>
double step_cost(const Call<Real>& a, std::size_t rows, std::size_t members) {
  const std::size_t panels = (num_panels<Real>(a.H) + members - 1) / members;
  const double vectors = static_cast<double>(panels * a.spec.gates() * a.P);
  const double bytes = vectors * kVectorBytes;  // of weights, read at every step
  const double per_byte = bytes < 40e3 ? 1.0 / 100 : bytes < 800e3 ? 1.0 / 30 : 1.0 / 12;
  const double product = vectors * (rows < 2 ? 0.7 : 0.55 * static_cast<double>(rows)), stream = bytes * per_byte;
  const double stages = 1.0 + (a.spec.norm != Norm::kNone ? 4 : 0) + a.spec.projected + a.spec.reset_before;
  return (product > stream ? product : stream) + 70.0 * static_cast<double>(panels * rows) +
         (members > 1 ? kWaitCycles * stages : 0);
}

// How many crews share `threads` threads that run one direction; each has threads / crews members.
template <class Real>
unsigned num_crews(const Call<Real>& a, unsigned threads) {
  unsigned best = 1;
  double least_cost = 0;
  for (unsigned crews = 1; crews <= threads; ++crews) {
    if (crews > 1 && crews > a.B) break;
    const double cost = step_cost(a, (a.B + crews - 1) / crews, threads / crews);
    if (crews == 1 || cost < least_cost) {
      best = crews;
      least_cost = cost;
    }
  }
  return best;
}

// The crew that thread number `thread` of `threads` joins in one direction; its count is zero when there is nothing left.
template <class Real>
Crew join(const Call<Real>& a, std::size_t direction, unsigned thread, unsigned threads, Barrier* barriers) {
  unsigned first = 0, team = threads;
  if (a.D == 2 && threads > 1) {  // half the threads each
    team = direction == 0 ? (threads + 1) / 2 : threads / 2;
    first = direction == 0 ? 0 : (threads + 1) / 2;
  }
  Crew crew{direction, 0, 1, 0, 0, 1, barriers};
  if (thread < first || thread >= first + team) return crew;
  const unsigned crews = num_crews(a, team), own = (thread - first) * crews / team;
  // Members of crew k are those threads whose number times crews / team is k.
  unsigned begin = (own * team + crews - 1) / crews, end = ((own + 1) * team + crews - 1) / crews;
  crew.member = thread - first - begin;
  crew.size = end - begin;
  if (a.lengths) {  // dealt out in turns: each crew gets its part of the long rows
    crew.first = own;
    crew.step = crews;
    crew.count = (a.B - own + crews - 1) / crews;
  } else {
    const Range range = share(a.B, own, crews);
    crew.first = range.begin;
    crew.count = range.end - range.begin;
  }
  crew.barrier = barriers + first + begin;
  return crew;
}

}  // namespace HOLDFAST_LEVEL
}  // namespace holdfast
