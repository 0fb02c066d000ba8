// The standard recurrent cell of one vector of units: h = tanh(pre) or relu(pre). See docs/math/rnn.md.
#pragma once

#include "activations.h"
#include "lstm.h"

namespace holdfast {
namespace HOLDFAST_LEVEL {

// pre: the whole sum.
template <class Real>
HOLDFAST_INLINE void rnn_forward(const Sweep<Real>& s, const Row<Real>& row, Vec<Real> pre, std::size_t j,
                                 std::size_t n) {
  const Vec<Real> none = {};
  const Vec<Real> h = s.a.spec.relu ? select(pre < none, none, pre) : tanh(pre);  // a NaN stays
  if (row.gates) store_part(row.gates + j, h, n);
  finish_h(s, row, h, j, n);
}

template <class Real>
HOLDFAST_INLINE void rnn_backward(const Sweep<Real>& s, const Row<Real>& row, Vec<Real> d_h, std::size_t j,
                                  std::size_t n) {
  const Vec<Real> h = load_part(row.gates + j, n), none = {};
  fetch(row.gates + row.ahead * static_cast<std::ptrdiff_t>(s.a.H) + j);
  const Vec<Real> d = s.a.spec.relu ? select(h > none, d_h, none) : d_h * (splat(Real(1)) - h * h);
  store_part(row.d_pre + j, d, n);
}

}  // namespace HOLDFAST_LEVEL
}  // namespace holdfast
