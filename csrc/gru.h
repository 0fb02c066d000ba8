// The GRU of one vector of units: r and z, then the candidate n, then h = n + z (h_prev - n). The reset gate acts after
// the product, n = tanh(pre_n + r (W_hn h + b_hn)), or before it, n = tanh(pre_n + W_hn (r h)). See docs/math/gru.md.
#pragma once

#include "activations.h"
#include "lstm.h"

namespace holdfast {
namespace HOLDFAST_LEVEL {

// r and z; sums as in lstm_cell.
template <class Real>
struct GruGates {
  Vec<Real> r, z;
};
template <class Real>
HOLDFAST_INLINE GruGates<Real> gru_gates(const Sweep<Real>& s, const Row<Real>& row, const Real* sums,
                                         std::size_t stride, std::size_t j, std::size_t n) {
  const std::size_t H = s.a.H;
  return {sigmoid(load_part(row.pre + j, n) + load_part(sums, n)),
          sigmoid(load_part(row.pre + H + j, n) + load_part(sums + stride, n))};
}

template <class Real>
HOLDFAST_INLINE void gru_output(const Sweep<Real>& s, const Row<Real>& row, Vec<Real> z, Vec<Real> candidate,
                                std::size_t j, std::size_t n) {
  const Vec<Real> h_prev = load_part(row.h_prev + j, n);
  if (row.gates) store_part(row.gates + 2 * s.a.H + j, candidate, n);
  finish_h(s, row, fma(z, h_prev - candidate, candidate), j, n);
}

// Reset after the product. b_hh of the n rows is not part of `pre`: r multiplies it too.
template <class Real>
HOLDFAST_INLINE void gru_forward(const Sweep<Real>& s, const Row<Real>& row, const Real* sums, std::size_t stride,
                                 std::size_t j, std::size_t n) {
  const std::size_t H = s.a.H;
  const GruGates<Real> gates = gru_gates(s, row, sums, stride, j, n);
  Vec<Real> inner = load_part(sums + 2 * stride, n);
  if (s.params.b_hh && s.a.spec.norm == Norm::kNone) inner = inner + load_part(s.params.b_hh + 2 * H + j, n);
  const Vec<Real> candidate = tanh(fma(gates.r, inner, load_part(row.pre + 2 * H + j, n)));
  if (row.gates) {
    store_part(row.gates + j, gates.r, n);
    store_part(row.gates + H + j, gates.z, n);
    store_part(row.inner + j, inner, n);
  }
  gru_output(s, row, gates.z, candidate, j, n);
}

// Reset before the product, first half: r h, which the product of n reads. z waits where its sum was.
template <class Real>
HOLDFAST_INLINE void gru_reset(const Sweep<Real>& s, const Row<Real>& row, std::size_t j, std::size_t n) {
  const std::size_t H = s.a.H;
  const GruGates<Real> gates = gru_gates(s, row, row.sums + j, H, j, n);
  Vec<Real> inner = gates.r * load_part(row.h_prev + j, n);
  if (row.dropped) inner = inner * load_part(row.dropped + j, n);
  store_part(row.inner + j, inner, n);
  store_part(row.sums + H + j, gates.z, n);
  if (row.gates) {
    store_part(row.gates + j, gates.r, n);
    store_part(row.gates + H + j, gates.z, n);
  }
}

// Second half: sum_n is the finished W_hn (r h) at row.sums' third part.
template <class Real>
HOLDFAST_INLINE void gru_candidate(const Sweep<Real>& s, const Row<Real>& row, std::size_t j, std::size_t n) {
  const std::size_t H = s.a.H;
  const Vec<Real> pre = load_part(row.pre + 2 * H + j, n) + load_part(row.sums + 2 * H + j, n);
  gru_output(s, row, load_part(row.sums + H + j, n), tanh(pre), j, n);
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
