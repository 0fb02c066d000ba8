// The GRU of one vector of units: r and z, then the candidate n, then h = n + z (h_prev - n). The reset gate acts after
// the product, n = tanh(pre_n + r (W_hn h + b_hn)), or before it, n = tanh(pre_n + W_hn (r h)). See docs/math/gru.md.
#pragma once

#include "activations.h"
#include "lstm.h"

namespace holdfast {
namespace HOLDFAST_LEVEL {

// r and z; sum(gate) as in lstm_cell.
template <class Real>
struct GruGates {
  Vec<Real> r, z;
};
template <class Real, class Sum>
HOLDFAST_INLINE GruGates<Real> gru_gates(const Row<Real>& row, const Sum& sum, std::size_t H, std::size_t j,
                                         std::size_t n) {
  const GruGates<Real> gates{sigmoid(sum(0)), sigmoid(sum(1))};
  if (row.gates) {
    store_part(row.gates + j, gates.r, n);
    store_part(row.gates + H + j, gates.z, n);
  }
  return gates;
}

template <class Real>
HOLDFAST_INLINE void gru_output(const Sweep<Real>& s, const Row<Real>& row, Vec<Real> z, Vec<Real> candidate,
                                std::size_t j, std::size_t n) {
  const Vec<Real> h_prev = load_part(row.h_prev + j, n);
  if (row.gates) store_part(row.gates + 2 * s.a.H + j, candidate, n);
  finish_h(s, row, fma(z, h_prev - candidate, candidate), j, n);
}

// Reset after the product. inner: W_hn h and its bias, which r multiplies too; pre: the input's part of n.
template <class Real, class Sum>
HOLDFAST_INLINE void gru_update(const Sweep<Real>& s, const Row<Real>& row, const Sum& sum, Vec<Real> inner,
                                Vec<Real> pre, std::size_t j, std::size_t n) {
  const GruGates<Real> gates = gru_gates(row, sum, s.a.H, j, n);
  if (row.gates) store_part(row.inner + j, inner, n);
  gru_output(s, row, gates.z, tanh(fma(gates.r, inner, pre)), j, n);
}

// sums [3][lane]: the recurrent part. b_hh of the n rows is not part of `pre`.
template <class Real>
HOLDFAST_INLINE void gru_forward(const Sweep<Real>& s, const Row<Real>& row, const Real* sums, std::size_t j,
                                 std::size_t n) {
  const std::size_t H = s.a.H;
  const auto sum = [&](int gate) { return load_part(row.pre + gate * H + j, n) + load(sums + gate * kLanes<Real>); };
  Vec<Real> inner = load(sums + 2 * kLanes<Real>);
  if (s.params.b_hh) inner = inner + load_part(s.params.b_hh + 2 * H + j, n);
  gru_update(s, row, sum, inner, load_part(row.pre + 2 * H + j, n), j, n);
}

// Reset before the product, first half: r h, which the product of n reads. z waits where its sum was.
template <class Real, class Sum>
HOLDFAST_INLINE void gru_reset(const Sweep<Real>& s, const Row<Real>& row, const Sum& sum, std::size_t j,
                               std::size_t n) {
  const GruGates<Real> gates = gru_gates(row, sum, s.a.H, j, n);
  Vec<Real> inner = gates.r * load_part(row.h_prev + j, n);
  if (row.dropped) inner = inner * load_part(row.dropped + j, n);
  store_part(row.inner + j, inner, n);
  store_part(row.sums + s.a.H + j, gates.z, n);
}

// Second half. pre: the whole sum of n, with W_hn (r h).
template <class Real>
HOLDFAST_INLINE void gru_candidate(const Sweep<Real>& s, const Row<Real>& row, Vec<Real> pre, std::size_t j,
                                   std::size_t n) {
  gru_output(s, row, load_part(row.sums + s.a.H + j, n), tanh(pre), j, n);
}

// The gradients of z and n, the same for both orders; what h_prev gets beside the products goes to `carry`.
template <class Real>
struct GruStep {
  Vec<Real> r, d_z, d_n;
};
template <class Real>
HOLDFAST_INLINE GruStep<Real> gru_back_to_candidate(const Sweep<Real>& s, const Row<Real>& row, Vec<Real> d_h,
                                                    std::size_t j, std::size_t n) {
  const std::size_t H = s.a.H;
  const Vec<Real> one = splat(Real(1)), h_prev = load_part(row.h_prev + j, n);
  const std::ptrdiff_t ahead = row.ahead * static_cast<std::ptrdiff_t>(H);
  for (int gate = 0; gate < 3; ++gate) fetch(row.gates + 3 * ahead + gate * H + j);
  fetch(row.inner + ahead + j);
  const Vec<Real> r = load_part(row.gates + j, n), z = load_part(row.gates + H + j, n);
  const Vec<Real> candidate = load_part(row.gates + 2 * H + j, n);
  store_part(row.carry + j, fma(d_h, z, load_part(row.carry + j, n)), n);
  return {r, d_h * (h_prev - candidate) * (z * (one - z)), d_h * (one - z) * (one - candidate * candidate)};
}

template <class Real>
HOLDFAST_INLINE void gru_backward(const Sweep<Real>& s, const Row<Real>& row, Vec<Real> d_h, std::size_t j,
                                  std::size_t n) {
  const std::size_t H = s.a.H;
  const GruStep<Real> d = gru_back_to_candidate(s, row, d_h, j, n);
  const Vec<Real> d_r = d.d_n * load_part(row.inner + j, n) * (d.r * (splat(Real(1)) - d.r));
  store_part(row.d_pre + j, d_r, n);
  store_part(row.d_pre + H + j, d.d_z, n);
  store_part(row.d_pre + 2 * H + j, d.d_n, n);
  store_part(row.d_sum + j, d_r, n);
  store_part(row.d_sum + H + j, d.d_z, n);
  store_part(row.d_sum + 2 * H + j, d.d_n * d.r, n);
}

// Reset before the product: first all but r, then r from d_inner, the gradient of what W_hn read.
template <class Real>
HOLDFAST_INLINE void gru_back_first(const Sweep<Real>& s, const Row<Real>& row, Vec<Real> d_h, std::size_t j,
                                    std::size_t n) {
  const std::size_t H = s.a.H;
  const GruStep<Real> d = gru_back_to_candidate(s, row, d_h, j, n);
  store_part(row.d_pre + H + j, d.d_z, n);
  store_part(row.d_pre + 2 * H + j, d.d_n, n);
}

template <class Real>
HOLDFAST_INLINE void gru_back_reset(const Row<Real>& row, Vec<Real> d_inner, std::size_t j, std::size_t n) {
  if (row.dropped) d_inner = d_inner * load_part(row.dropped + j, n);
  const Vec<Real> r = load_part(row.gates + j, n);
  store_part(row.carry + j, fma(d_inner, r, load_part(row.carry + j, n)), n);
  store_part(row.d_pre + j, d_inner * load_part(row.h_prev + j, n) * (r * (splat(Real(1)) - r)), n);
}

}  // namespace HOLDFAST_LEVEL
}  // namespace holdfast
