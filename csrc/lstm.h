// The LSTM of one vector of units: i f g o, then c = f c_prev + i g and h = o tanh(c); peepholes p, tied or absent f,
// zoneout and a normalised c by the flags of the call. docs/math/lstm.md has the equations.
#pragma once

#include "activations.h"
#include "rows.h"

namespace holdfast {
namespace HOLDFAST_LEVEL {

// Where each gate stands among the rows of the weights: i f g o, or i g o.
template <int G>
struct LstmGates {
  static constexpr int kI = 0, kF = 1, kG = G - 2, kO = G - 1;
  static constexpr bool kHasForget = G == 4;
};

template <class Real>
HOLDFAST_INLINE void finish_h(const Sweep<Real>& s, const Row<Real>& row, Vec<Real> h, std::size_t j, std::size_t n) {
  const Real chance = static_cast<Real>(s.a.spec.zoneout_h);
  if (chance > 0) h = keep_old(row.keep_h, chance, load_part(row.h_prev + j, n), h, j, n);
  store_part(row.y + j, h, n);
}

// i, f, g and f c_prev + i g. sum(gate): the whole sum of one gate, before peepholes.
template <class Real, int G, class Sum>
HOLDFAST_INLINE Vec<Real> lstm_cell(const Sweep<Real>& s, const Row<Real>& row, const Sum& sum, std::size_t j,
                                    std::size_t n) {
  using Gate = LstmGates<G>;
  const std::size_t H = s.a.H;
  const Real* peep = s.params.peep;
  const Vec<Real> c_prev = load_part(row.c_prev + j, n);
  Vec<Real> pre_i = sum(Gate::kI);
  if (peep) pre_i = fma(load_part(peep + j, n), c_prev, pre_i);
  const Vec<Real> i = sigmoid(pre_i);
  Vec<Real> f = splat(Real(1));
  if constexpr (Gate::kHasForget) {
    Vec<Real> pre_f = sum(Gate::kF);
    if (peep) pre_f = fma(load_part(peep + H + j, n), c_prev, pre_f);
    f = sigmoid(pre_f);
  } else if (s.a.spec.forget == Forget::kTied) {
    f = f - i;
  }
  const Vec<Real> g = tanh(sum(Gate::kG));
  if (row.gates) {
    store_part(row.gates + j, i, n);
    store_part(row.gates + H + j, f, n);
    store_part(row.gates + 2 * H + j, g, n);
  }
  return fma(f, c_prev, i * g);
}

// o and h from the new c and from what tanh reads, which is c itself unless it is normalised first. pre_o: the whole sum.
template <class Real, int G>
HOLDFAST_INLINE void lstm_output(const Sweep<Real>& s, const Row<Real>& row, Vec<Real> pre_o, Vec<Real> c,
                                 Vec<Real> read, std::size_t j, std::size_t n) {
  const std::size_t H = s.a.H;
  if (s.params.peep) pre_o = fma(load_part(s.params.peep + (G - 2) * H + j, n), c, pre_o);
  const Vec<Real> o = sigmoid(pre_o), h = o * tanh(read);
  if (row.gates) store_part(row.gates + 3 * H + j, o, n);
  const Real chance = static_cast<Real>(s.a.spec.zoneout_c);
  if (chance > 0) c = keep_old(row.keep_c, chance, load_part(row.c_prev + j, n), c, j, n);
  store_part(row.c + j, c, n);
  if (row.output) return store_part(row.output + j, h, n);  // the projection follows
  finish_h(s, row, h, j, n);
}

// sums [G][lane]: the recurrent part.
template <class Real, int G>
HOLDFAST_INLINE void lstm_forward(const Sweep<Real>& s, const Row<Real>& row, const Real* sums, std::size_t j,
                                  std::size_t n) {
  const auto sum = [&](int gate) {
    return load_part(row.pre + gate * s.a.H + j, n) + load(sums + gate * kLanes<Real>);
  };
  const Vec<Real> whole = sum(G - 1);  // read before a gate takes its place
  const Vec<Real> c = lstm_cell<Real, G>(s, row, sum, j, n);
  lstm_output<Real, G>(s, row, whole, c, c, j, n);
}

// The gradients at one step, up to what has to pass through the normalisation of c.
template <class Real>
struct LstmStep {
  Vec<Real> i, f, g, o, c_prev;
  Vec<Real> d_raw;   // of f c_prev + i g, as far as it is known
  Vec<Real> d_norm;  // of the normalised c
  Vec<Real> d_pre_o;
  Vec<Real> carry;   // of c_prev beside the gates
};

// d_h: gradient of o tanh(c).
template <class Real, int G>
HOLDFAST_INLINE LstmStep<Real> lstm_back_to_cell(const Sweep<Real>& s, const Row<Real>& row, Vec<Real> d_h,
                                                 std::size_t j, std::size_t n) {
  const std::size_t H = s.a.H;
  const Spec& spec = s.a.spec;
  const Vec<Real> one = splat(Real(1));
  const std::ptrdiff_t ahead = row.ahead * static_cast<std::ptrdiff_t>(H);
  for (int gate = 0; gate < 4; ++gate) fetch(row.gates + 4 * ahead + gate * H + j);
  fetch(row.c_prev + ahead + j);
  LstmStep<Real> d{};
  d.i = load_part(row.gates + j, n), d.f = load_part(row.gates + H + j, n);
  d.g = load_part(row.gates + 2 * H + j, n), d.o = load_part(row.gates + 3 * H + j, n);
  d.c_prev = load_part(row.c_prev + j, n);
  Vec<Real> c = load_part(row.c + j, n), read = c;
  if (spec.norm != Norm::kNone) {
    const Real *scale = s.params.ln_c_w + j, *shift = s.params.ln_c_b + j;
    read = fma(load_part(row.hat_c + j, n), load_part(scale, n), load_part(shift, n));
    if (spec.norm == Norm::kState) c = read;
  }
  if (spec.zoneout_c > 0 && spec.norm != Norm::kState) c = fma(d.f, d.c_prev, d.i * d.g);  // before zoneout mixed it
  if (spec.norm == Norm::kNone) read = c;
  Vec<Real> d_c = load_part(row.d_c + j, n);
  if (row.cut) {  // the next step began afresh
    store_part(row.start_c + j, load_part(row.start_c + j, n) + d_c, n);
    d_c = Vec<Real>{};
  }
  const Real chance = static_cast<Real>(spec.zoneout_c);
  if (chance > 0) {
    const Shares<Real> shares = split_kept(row.keep_c, chance, d_c, j, n);
    d_c = shares.fresh, d.carry = shares.old;
  }
  const Vec<Real> squashed = tanh(read), d_read = d_h * d.o * (one - squashed * squashed);
  d.d_pre_o = d_h * squashed * (d.o * (one - d.o));
  if (s.params.peep) {
    const Real* peep = s.params.peep + (G - 2) * H + j;
    Real* d_peep = row.peep + (G - 2) * H + j;
    d_c = fma(load_part(peep, n), d.d_pre_o, d_c);
    store_part(d_peep, fma(d.d_pre_o, c, load_part(d_peep, n)), n);
  }
  if (row.flow_c && spec.norm != Norm::kBa2016) store_part(row.flow_c + j, d_c + d_read, n);
  if (spec.norm == Norm::kNone) {
    d.d_raw = d_c + d_read;
  } else if (spec.norm == Norm::kBa2016) {
    d.d_raw = d_c, d.d_norm = d_read;
  } else {
    d.d_norm = d_c + d_read;
  }
  return d;
}

template <class Real, int G>
HOLDFAST_INLINE void lstm_back_to_gates(const Sweep<Real>& s, const Row<Real>& row, const LstmStep<Real>& d,
                                        std::size_t j, std::size_t n) {
  using Gate = LstmGates<G>;
  const std::size_t H = s.a.H;
  const Vec<Real> one = splat(Real(1));
  const bool tied = s.a.spec.forget == Forget::kTied;
  const Vec<Real> d_i = d.d_raw * (!Gate::kHasForget && tied ? d.g - d.c_prev : d.g) * (d.i * (one - d.i));
  Vec<Real> d_f = {}, carry = fma(d.d_raw, d.f, d.carry);
  store_part(row.d_pre + j, d_i, n);
  if constexpr (Gate::kHasForget) {
    d_f = d.d_raw * d.c_prev * (d.f * (one - d.f));
    store_part(row.d_pre + H + j, d_f, n);
  }
  store_part(row.d_pre + Gate::kG * H + j, d.d_raw * d.i * (one - d.g * d.g), n);
  store_part(row.d_pre + Gate::kO * H + j, d.d_pre_o, n);
  if (const Real* peep = s.params.peep) {
    carry = fma(load_part(peep + j, n), d_i, carry);
    store_part(row.peep + j, fma(d_i, d.c_prev, load_part(row.peep + j, n)), n);
    if constexpr (Gate::kHasForget) {
      carry = fma(load_part(peep + H + j, n), d_f, carry);
      store_part(row.peep + H + j, fma(d_f, d.c_prev, load_part(row.peep + H + j, n)), n);
    }
  }
  store_part(row.d_c + j, carry, n);
}

template <class Real, int G>
HOLDFAST_INLINE void lstm_backward(const Sweep<Real>& s, const Row<Real>& row, Vec<Real> d_h, std::size_t j,
                                   std::size_t n) {
  lstm_back_to_gates<Real, G>(s, row, lstm_back_to_cell<Real, G>(s, row, d_h, j, n), j, n);
}

}  // namespace HOLDFAST_LEVEL
}  // namespace holdfast
