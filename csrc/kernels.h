// What the binding and the levels share: plain structs of pointers and sizes. Nothing here knows Python or torch.
//
// Letters: T time, B batch, I input, H hidden, P projection (H without one), G gates with rows in the weights
// (LSTM i f g o, or i g o when f is tied or absent; GRU r z n; RNN h), D directions, N positions: T*B, or the number of
// steps in a packed batch. All arrays are contiguous. Pointers to what a call has not are null.
#pragma once

#include <cstddef>
#include <cstdint>

namespace holdfast {

enum class Family : int { kLstm = 0, kGru = 1, kRnn = 2 };
enum class Forget : int { kAbsent = 0, kOwn = 1, kTied = 2 };  // f = 1, a gate of its own, f = 1 - i
enum class Norm : int { kNone = 0, kBa2016 = 1, kState = 2 };

constexpr std::size_t kMaxDirections = 2;
constexpr double kNormEps = 1e-5;

// The cell: a CellSpec of Python as numbers. Chances are thresholds of 24 random bits for the masks as well.
struct Spec {
  Family family;
  Forget forget;
  Norm norm;
  bool peephole, projected, reset_before, relu;
  double dropout, zoneout_h, zoneout_c;
  std::uint32_t dropout_threshold, zoneout_h_threshold, zoneout_c_threshold;

  std::size_t gates() const {  // with rows in the weights
    if (family == Family::kLstm) return forget == Forget::kOwn ? 4 : 3;
    return family == Family::kGru ? 3 : 1;
  }
  std::size_t saved_gates() const { return family == Family::kLstm ? 4 : family == Family::kGru ? 3 : 1; }
};

// One direction's parameters, or their gradients; the rows of spec.py's parameter table.
template <class Pointer>
struct Parameters {
  Pointer w_ih;                 // [G*H, I]
  Pointer w_hh;                 // [G*H, P]
  Pointer b_ih, b_hh;           // [G*H] or null
  Pointer w_hr;                 // [P, H] or null
  Pointer peep;                 // [gates that read c, H] or null
  Pointer ln_ih_w, ln_ih_b;     // [G*H] or null
  Pointer ln_hh_w, ln_hh_b;     // [G*H] or null
  Pointer ln_c_w, ln_c_b;       // [H] or null
  Pointer start_h;              // [P] or null: the learned initial state, taken at a reset
  Pointer start_c;              // [H] or null
};
constexpr std::size_t kNumParameters = 14;

// A whole layer, in one direction or both.
template <class Real>
struct Call {
  Spec spec;
  std::size_t T, B, I, H, P, D, N;
  std::uint32_t layer;            // masks depend on it
  int save;                       // 0 nothing, 1 what backward reads, 2 also zeros in padding, for a trace
  const Real* x;                  // [N, I]
  const std::int64_t* lengths;    // [B] or null; with `packed` in the order of the data, which is descending
  const std::int64_t* rows;       // [B] or null: the caller's row of each row of packed data
  bool packed;                    // x holds the steps that count only, step after step
  const bool* resets;             // [T, B] or null
  const std::int64_t* seed;       // or null: evaluation
  const Real* h0;                 // [D, B, P] the caller's row order, like all states
  const Real* c0;                 // [D, B, H] LSTM only
  Parameters<const Real*> params[kMaxDirections];
  const Real* frozen[kMaxDirections];  // or null: weights packed before, see pack_weights
  Real* y;                        // [N, D*P]
  Real* h_n;                      // [D, B, P]
  Real* c_n;                      // [D, B, H] LSTM only
  Real* gates;                    // [D, N, saved gates, H] after activation, or null when nothing is saved
  Real* cells;                    // [D, N, H] LSTM only, with gates
  Real* rest;                     // [D, rest_size] what only the backward sweep reads, with gates
};

// The derivative of a call that saved. Outputs are null where they are not needed, and the given ones where they are zero.
template <class Real>
struct Gradients {
  const Real* d_y;                // [N, D*P]
  const Real* d_h_n;              // [D, B, P]
  const Real* d_c_n;              // [D, B, H]
  Real* d_x;                      // [N, I]
  Real* d_h0;                     // [D, B, P] never null
  Real* d_c0;                     // [D, B, H] never null for the LSTM
  Parameters<Real*> params[kMaxDirections];
  Real* d_h;                      // [D, N, P] of every step
  Real* d_c;                      // [D, N, H] of every step
};

// Floats that `rest` holds for each direction.
template <class Real>
std::size_t rest_size(const Call<Real>& a) {
  const std::size_t GH = a.spec.gates() * a.H;
  std::size_t size = 0;
  if (a.spec.norm != Norm::kNone) {
    size += a.N * (2 * GH + 3);  // both normalised sums; their scales: one for W x and up to two for W h
    if (a.spec.family == Family::kLstm) size += a.N * (a.H + 1);
  }
  if (a.seed && a.spec.dropout > 0) size += a.N * a.P;      // what W_hh multiplied
  if (a.spec.family == Family::kGru) size += a.N * a.H;      // W_hn h + b_hn, or r h where the reset comes before
  if (a.spec.projected) size += a.N * a.H;                   // o tanh(c)
  return size;
}

// Threads that run one function together. `wait` holds all of a crew until the last has come.
struct Barrier {
  alignas(64) unsigned arrived;
  unsigned spins;  // looks before the core is given away: few where threads outnumber the cores
  alignas(64) unsigned round;
};

// One CPU level's functions for one number type. Scratch is memory on a cache line of its own, uninitialised but for
// its barriers, which are zero.
template <class Real>
struct LevelOf {
  std::size_t (*scratch_size)(const Call<Real>& call, const Gradients<Real>* gradients, unsigned threads);
  void (*prepare)(const Call<Real>& call, const Gradients<Real>* gradients, void* scratch, unsigned threads,
                  unsigned spins);
  // Each thread of the region calls these; `capacity` is what `threads` was when the scratch was sized.
  void (*forward)(const Call<Real>& call, void* scratch, unsigned capacity, unsigned thread, unsigned threads);
  void (*backward)(const Call<Real>& call, const Gradients<Real>& gradients, void* scratch, unsigned capacity,
                   unsigned thread, unsigned threads);
  std::size_t (*packed_size)(const Call<Real>& call);              // floats
  void (*pack_weights)(const Call<Real>& call, std::size_t direction, Real* packed);
  void (*activate)(int function, const Real* in, Real* out, std::size_t n);  // 0 sigmoid, 1 tanh: for their tests
};

struct Level {
  const char* name;
  LevelOf<float> single;
  LevelOf<double> twice;
};

}  // namespace holdfast
