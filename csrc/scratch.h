// The memory of one call beside its outputs, and what the saved workspace holds: one list for sizes and for addresses.
#pragma once

#include "crew.h"
#include "pack.h"

namespace holdfast {
namespace HOLDFAST_LEVEL {

// Hands out pieces of one block, each on a cache line of its own; from null it only counts bytes.
struct Arena {
  char* base;
  std::size_t used;

  template <class T>
  T* take(std::size_t count) {
    T* piece = base ? reinterpret_cast<T*>(base + used) : nullptr;
    used += (count * sizeof(T) + 63) / 64 * 64;
    return piece;
  }
};

// What the forward sweep leaves for the backward one in `rest`; rest_size in kernels.h counts the same.
template <class Real>
struct Saved {
  Real *hat_ih, *hat_hh;        // [N, G*H] normalised sums
  Real *factor_ih, *factor_hh;  // [N], [N, 2]: 1 / sqrt(var + eps); the GRU's n has its own where the reset comes before
  Real *hat_c, *factor_c;       // [N, H], [N]
  Real* read;                   // [N, P] what W_hh multiplied, with dropout
  Real* inner;                  // [N, H] GRU: W_hn h + b_hn, or r h where the reset comes before
  Real* output;                 // [N, H] o tanh(c) before the projection
};

template <class Real>
Saved<Real> open_saved(const Call<Real>& a, Real* rest) {
  Saved<Real> saved{};
  const auto take = [&rest](std::size_t count) {
    Real* piece = rest;
    rest += count;
    return piece;
  };
  const std::size_t GH = a.spec.gates() * a.H;
  if (a.spec.norm != Norm::kNone) {
    saved.hat_ih = take(a.N * GH);
    saved.hat_hh = take(a.N * GH);
    saved.factor_ih = take(a.N);
    saved.factor_hh = take(a.N * 2);
    if (a.spec.family == Family::kLstm) {
      saved.hat_c = take(a.N * a.H);
      saved.factor_c = take(a.N);
    }
  }
  if (a.seed && a.spec.dropout > 0) saved.read = take(a.N * a.P);
  if (a.spec.family == Family::kGru) saved.inner = take(a.N * a.H);
  if (a.spec.projected) saved.output = take(a.N * a.H);
  return saved;
}

// One direction's part of the scratch. Rows of [B, ...] arrays follow Rows::slot's order, k by k.
template <class Real>
struct Side {
  Real *w_ih, *w_hh, *w_n, *w_hr;  // packed; w_n apart where the reset comes before
  Real* bias;                      // [G*H] of the input's product; with layer norm all shifts and biases of a gate sum
  Real* pre;                       // [N, G*H] the input's part of the gate sums; with layer norm not yet scaled
  Real* sums;                      // [B, G*H] recurrent sums that are not finished in registers
  Real* cell;                      // [B, H] c to be normalised; gradients of it
  Real* read;                      // [B, P] what W_hh multiplies: with dropout, and r h where the reset comes before
  Real* output;                    // [B, H] o tanh(c), or its gradient
  Real* dropped;                   // [B, P] scale of h under dropout
  Real *keep_h, *keep_c;           // [B, P], [B, H]: 1 where zoneout keeps the old value
  // Backward only:
  Real *d_pre, *d_sum, *d_hidden;  // [N, G*H] gradients of W x, of W h after and before its normalisation
  Real* d_norm_c;                  // [N, H] gradient of the normalised c
  Real* d_new;                     // [N, P] or [B, P]: gradient of h before zoneout
  Real* carry;                     // [B, P] gradient that h(t-1) gets beside the product
  Real* start_h;                   // [B, P] what resets send to the initial state
  Real* start_c;                   // [B, H]
  Real* peep;                      // [B, 3, H]
  Real* norm_sums;                 // [chunks, norm_sums_size] of the gradients of layer norm's scales and shifts
  const Real** read_rows;          // [N] what W_hh multiplied at each position
};

template <class Real>
struct Row;

template <class Real>
struct Scratch {
  Barrier* barriers;          // [threads + 1]; the last is everybody's
  std::uint32_t* by_length;   // [B]
  std::size_t* offsets;       // [T]
  std::uint32_t* positions;   // [N] those that count, in order
  std::size_t* num_positions;
  Real* zeros;                // [max(H, P)] the initial state where it is not learned
  Side<Real> side[kMaxDirections];
  Row<Real>* rows;            // [threads, B]
  Real* columns;              // [threads, columns_size]: b of a product of columns, packed
  std::size_t columns_size;
};

// How the units of H and of P are grouped in packed weights. The backward sweep of a single row makes small groups, for
// more threads; the forward weights are the same for any batch, since they can be packed once and for all.
template <class Real>
Groups hidden_groups(const Call<Real>& a, bool backward) { return groups_of<Real>(a.H, backward && a.B == 1 ? 8 : 1); }
template <class Real>
Groups output_groups(const Call<Real>& a, bool backward) { return groups_of<Real>(a.P, backward && a.B == 1 ? 8 : 1); }

template <class Real>
bool is_fused(const Spec& spec) {  // the cell's update follows the product in registers
  return spec.norm == Norm::kNone && !spec.reset_before;
}

// Numbers that one direction's forward weights take packed: W_ih, W_hh (and W_hn apart), W_hr.
template <class Real>
std::size_t packed_weights_size(const Call<Real>& a) {
  const std::size_t gates = a.spec.gates();
  return flat_size<Real>(gates * a.H, a.I) + gates_size<Real>(gates, a.H, a.P) +
         (a.spec.reset_before ? flat_size<Real>(a.H, a.P) : 0) + (a.spec.projected ? flat_size<Real>(a.P, a.H) : 0);
}

template <class Real>
void open_weights(const Call<Real>& a, Real* packed, Side<Real>* side) {
  const std::size_t gates = a.spec.reset_before ? 2 : a.spec.gates();
  side->w_ih = packed;
  side->w_hh = side->w_ih + flat_size<Real>(a.spec.gates() * a.H, a.I);
  side->w_n = side->w_hh + gates_size<Real>(gates, a.H, a.P);
  side->w_hr = side->w_n + (a.spec.reset_before ? flat_size<Real>(a.H, a.P) : 0);
}

// Steps whose gradients of scales and shifts are summed apart from those of others.
constexpr std::size_t kChunk = 32;
HOLDFAST_INLINE std::size_t num_chunks(std::size_t positions) { return (positions + kChunk - 1) / kChunk; }

// Numbers of a chunk: scales and shifts of W x, of W h, and of an LSTM's c.
template <class Real>
std::size_t norm_sums_size(const Call<Real>& a) {
  return 4 * a.spec.gates() * a.H + (a.spec.family == Family::kLstm ? 2 * a.H : 0);
}

template <class Real>
void open_backward(const Call<Real>& a, const Gradients<Real>& d, Arena& arena, Side<Real>* side) {
  const Spec& spec = a.spec;
  const std::size_t GH = spec.gates() * a.H, gates = spec.reset_before ? 2 : spec.gates();
  side->w_hh = arena.take<Real>(flat_size<Real>(a.P, gates * a.H));
  if (spec.reset_before) side->w_n = arena.take<Real>(flat_size<Real>(a.H, a.H));
  if (spec.projected) side->w_hr = arena.take<Real>(flat_size<Real>(a.H, a.P));
  if (d.d_x) side->w_ih = arena.take<Real>(flat_size<Real>(a.I, GH));
  side->d_pre = arena.take<Real>(a.N * GH);
  side->d_sum = spec.family == Family::kGru && !spec.reset_before ? arena.take<Real>(a.N * GH) : side->d_pre;
  side->d_hidden = spec.norm != Norm::kNone ? arena.take<Real>(a.N * GH) : side->d_sum;
  if (spec.norm != Norm::kNone && spec.family == Family::kLstm) side->d_norm_c = arena.take<Real>(a.N * a.H);
  if (spec.projected) side->d_new = arena.take<Real>(a.N * a.P);
  if (!spec.projected && !is_fused<Real>(spec)) side->d_new = arena.take<Real>(a.B * a.P);
  if (spec.projected || spec.norm != Norm::kNone || spec.reset_before) {
    side->output = arena.take<Real>(a.B * a.H);
    side->cell = arena.take<Real>(a.B * a.H);
  }
  if (spec.family == Family::kGru || spec.zoneout_h > 0) side->carry = arena.take<Real>(a.B * a.P);
  if (a.resets) {
    side->start_h = arena.take<Real>(a.B * a.P);
    side->start_c = arena.take<Real>(a.B * a.H);
  }
  if (spec.peephole) side->peep = arena.take<Real>(a.B * 3 * a.H);
  if (spec.norm != Norm::kNone) side->norm_sums = arena.take<Real>(num_chunks(a.N) * norm_sums_size(a));
  side->read_rows = arena.take<const Real*>(a.N);
}

template <class Real>
void open_forward(const Call<Real>& a, std::size_t direction, Arena& arena, Side<Real>* side) {
  const Spec& spec = a.spec;
  const std::size_t GH = spec.gates() * a.H;
  if (a.frozen[direction]) {
    open_weights(a, const_cast<Real*>(a.frozen[direction]), side);
  } else {
    Real* packed = arena.take<Real>(packed_weights_size(a));
    if (packed) open_weights(a, packed, side);
  }
  side->bias = arena.take<Real>(GH);
  // The sums of W x lie where the gates will: each is read before the gate that it becomes is written. With layer norm
  // they lie where they are kept, normalised.
  const bool apart = !a.gates || spec.gates() != spec.saved_gates() || spec.reset_before;
  if (spec.norm != Norm::kNone && a.rest) {
    side->pre = open_saved(a, a.rest + direction * rest_size(a)).hat_ih;
  } else {
    side->pre = apart || spec.norm != Norm::kNone ? arena.take<Real>(a.N * GH) : a.gates + direction * a.N * GH;
  }
  if (!is_fused<Real>(spec)) side->sums = arena.take<Real>(a.B * GH);
  if (spec.norm != Norm::kNone && spec.family == Family::kLstm) side->cell = arena.take<Real>(a.B * a.H);
  if (!a.gates && ((a.seed && spec.dropout > 0) || spec.reset_before)) side->read = arena.take<Real>(2 * a.B * a.P);
  if (!a.gates && spec.projected) side->output = arena.take<Real>(a.B * a.H);
}

// Numbers that a block of rows of b takes, for any of the products of the backward sweep.
template <class Real>
std::size_t columns_size(const Call<Real>& a) {
  constexpr std::size_t strip = kGroup * kLanes<Real>;
  const std::size_t widest = a.I > a.H ? a.I : a.H;  // P is at most H
  return kBlock * ((widest + strip - 1) / strip * strip);
}

template <class Real>
Scratch<Real> open_scratch(const Call<Real>& a, const Gradients<Real>* d, Arena& arena, unsigned threads) {
  Scratch<Real> scratch{};
  scratch.barriers = arena.take<Barrier>(threads + 1);  // first: the binding clears them
  if (a.lengths) scratch.by_length = arena.take<std::uint32_t>(a.B);
  if (a.packed) scratch.offsets = arena.take<std::size_t>(a.T);
  if (a.lengths && !a.packed) scratch.positions = arena.take<std::uint32_t>(a.N);
  scratch.num_positions = arena.take<std::size_t>(1);
  scratch.zeros = arena.take<Real>(a.H > a.P ? a.H : a.P);
  for (std::size_t k = 0; k < a.D; ++k) {
    Side<Real>* side = &scratch.side[k];
    if (d) {
      open_backward(a, *d, arena, side);
    } else {
      open_forward(a, k, arena, side);
    }
    if (a.seed && a.spec.dropout > 0) side->dropped = arena.take<Real>(a.B * a.P);
    if (a.seed && a.spec.zoneout_h > 0) side->keep_h = arena.take<Real>(a.B * a.P);
    if (a.seed && a.spec.zoneout_c > 0) side->keep_c = arena.take<Real>(a.B * a.H);
  }
  scratch.rows = arena.take<Row<Real>>(static_cast<std::size_t>(threads) * a.B);
  scratch.columns_size = columns_size(a);
  if (d) scratch.columns = arena.take<Real>(threads * scratch.columns_size);
  return scratch;
}

}  // namespace HOLDFAST_LEVEL
}  // namespace holdfast
