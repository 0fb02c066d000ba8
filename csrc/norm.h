// Layer normalisation of a row, and its derivative: x_hat = (x - mean) / sqrt(var + eps), then scale and shift.
// Source: Ba, Kiros & Hinton 2016, eq. 4.
#pragma once

#include "rows.h"

namespace holdfast {
namespace HOLDFAST_LEVEL {

template <class Real, std::size_t bytes>
struct Lanes {
  typedef Real type __attribute__((vector_size(bytes)));
};

// One half of a vector on the other, down to one number.
template <class Real, std::size_t bytes = kVectorBytes>
HOLDFAST_INLINE Real sum_lanes(typename Lanes<Real, bytes>::type v) {
  if constexpr (bytes == sizeof(Real)) {
    return v[0];
  } else {
    typename Lanes<Real, bytes / 2>::type halves[2];
    __builtin_memcpy(halves, &v, bytes);
    return sum_lanes<Real, bytes / 2>(halves[0] + halves[1]);
  }
}

HOLDFAST_INLINE float square_root(float x) { return __builtin_sqrtf(x); }
HOLDFAST_INLINE double square_root(double x) { return __builtin_sqrt(x); }

// Calls body(j, count) for blocks of up to kLanes of n numbers.
template <class Real, class Body>
HOLDFAST_INLINE void for_lanes(std::size_t n, const Body& body) {
  std::size_t j = 0;
  for (; j + kLanes<Real> <= n; j += kLanes<Real>) body(j, kLanes<Real>);
  if (j < n) body(j, n - j);
}

constexpr std::size_t kChains = 4;  // sums side by side: one chain of additions would wait for each of them

// Calls add(chain, j, count) for blocks of up to kLanes of n numbers, the chains in turn.
template <class Real, class Add>
HOLDFAST_INLINE void for_chains(std::size_t n, const Add& add) {
  std::size_t j = 0;
  for (; j + kChains * kLanes<Real> <= n; j += kChains * kLanes<Real>) {
    HOLDFAST_UNROLL
    for (std::size_t v = 0; v < kChains; ++v) add(v, j + v * kLanes<Real>, kLanes<Real>);
  }
  for (; j < n; j += kLanes<Real>) add(0, j, least(n - j, kLanes<Real>));
}

template <class Real>
HOLDFAST_INLINE Real sum_chains(const Vec<Real>* sums) {
  return sum_lanes<Real>((sums[0] + sums[1]) + (sums[2] + sums[3]));
}

// What a row is normalised by: x_hat = (x - mean) * factor.
template <class Real>
struct Moments {
  Real mean, factor;

  HOLDFAST_INLINE Vec<Real> hat(Vec<Real> x) const { return (x - splat(mean)) * splat(factor); }
};

// In two passes over x [n]: the squares are of what is left without the mean, or a row far from zero would lose them.
template <class Real>
Moments<Real> moments(const Real* x, std::size_t n) {
  const Real count_all = static_cast<Real>(n);
  Vec<Real> sums[kChains] = {}, squares[kChains] = {};
  for_chains<Real>(n, [&](std::size_t v, std::size_t j, std::size_t count) {
    sums[v] = sums[v] + load_part(x + j, count);
  });
  const Real mean = sum_chains<Real>(sums) / count_all;
  for_chains<Real>(n, [&](std::size_t v, std::size_t j, std::size_t count) {
    Vec<Real> apart = load_part(x + j, count) - splat(mean);
    if (count < kLanes<Real>) {
      Real lanes[kLanes<Real>] = {};
      store_part(lanes, apart, count);
      apart = load(lanes);
    }
    squares[v] = fma(apart, apart, squares[v]);
  });
  return {mean, Real(1) / square_root(sum_chains<Real>(squares) / count_all + Real(kNormEps))};
}

// d_x [n] from the gradient d of the scaled and shifted output; d_x may be d. The next row, which follows in memory, is
// asked for at once.
template <class Real>
void normalise_backward(const Real* d, std::size_t n, const Real* scale, const Real* x_hat, Real factor, Real* d_x) {
  Vec<Real> totals[kChains] = {}, alongs[kChains] = {};
  for_chains<Real>(n, [&](std::size_t v, std::size_t j, std::size_t count) {
    fetch(x_hat + n + j);
    fetch(d + n + j);
    const Vec<Real> scaled = load_part(d + j, count) * load_part(scale + j, count);
    totals[v] = totals[v] + scaled;
    alongs[v] = fma(scaled, load_part(x_hat + j, count), alongs[v]);
  });
  const Real count_all = static_cast<Real>(n);
  const Vec<Real> mean = splat(sum_chains<Real>(totals) / count_all);
  const Vec<Real> slope = splat(sum_chains<Real>(alongs) / count_all);
  for_lanes<Real>(n, [&](std::size_t j, std::size_t count) {
    const Vec<Real> scaled = load_part(d + j, count) * load_part(scale + j, count);
    const Vec<Real> rest = scaled - mean - load_part(x_hat + j, count) * slope;
    store_part(d_x + j, splat(factor) * rest, count);
  });
}

}  // namespace HOLDFAST_LEVEL
}  // namespace holdfast
