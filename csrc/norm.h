// Layer normalisation of a row, and its derivative: x_hat = (x - mean) / sqrt(var + eps), then scale and shift.
// Source: Ba, Kiros & Hinton 2016, eq. 4.
#pragma once

#include "kernels.h"
#include "tile.h"

namespace holdfast {
namespace HOLDFAST_LEVEL {

template <class Real>
HOLDFAST_INLINE Real sum_lanes(Vec<Real> v) {
  Real lanes[kLanes<Real>], sum = 0;
  store(lanes, v);
  for (std::size_t k = 0; k < kLanes<Real>; ++k) sum += lanes[k];
  return sum;
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

// x [n] becomes x_hat * scale + shift (+ bias); x_hat and the factor 1/sqrt(var + eps) are kept where asked for.
template <class Real>
void normalise(Real* x, std::size_t n, const Real* scale, const Real* shift, const Real* bias, Real* x_hat,
               Real* factor) {
  Vec<Real> total = {}, squares = {};
  for_lanes<Real>(n, [&](std::size_t j, std::size_t count) { total = total + load_part(x + j, count); });
  const Real mean = sum_lanes<Real>(total) / static_cast<Real>(n);
  for_lanes<Real>(n, [&](std::size_t j, std::size_t count) {
    Real apart[kLanes<Real>] = {};
    store_part(apart, load_part(x + j, count) - splat(mean), count);
    const Vec<Real> d = load(apart);
    squares = fma(d, d, squares);
  });
  const Real inverse = Real(1) / square_root(sum_lanes<Real>(squares) / static_cast<Real>(n) + Real(kNormEps));
  for_lanes<Real>(n, [&](std::size_t j, std::size_t count) {
    const Vec<Real> hat = (load_part(x + j, count) - splat(mean)) * splat(inverse);
    Vec<Real> out = fma(hat, load_part(scale + j, count), load_part(shift + j, count));
    if (bias) out = out + load_part(bias + j, count);
    if (x_hat) store_part(x_hat + j, hat, count);
    store_part(x + j, out, count);
  });
  if (factor) *factor = inverse;
}

// d_x [n] from the gradient d of the scaled and shifted output; d_x may be d.
template <class Real>
void normalise_backward(const Real* d, std::size_t n, const Real* scale, const Real* x_hat, Real factor, Real* d_x) {
  Vec<Real> total = {}, along = {};
  for_lanes<Real>(n, [&](std::size_t j, std::size_t count) {
    const Vec<Real> scaled = load_part(d + j, count) * load_part(scale + j, count);
    total = total + scaled;
    along = fma(scaled, load_part(x_hat + j, count), along);
  });
  const Real count_all = static_cast<Real>(n);
  const Vec<Real> mean = splat(sum_lanes<Real>(total) / count_all), slope = splat(sum_lanes<Real>(along) / count_all);
  for_lanes<Real>(n, [&](std::size_t j, std::size_t count) {
    const Vec<Real> scaled = load_part(d + j, count) * load_part(scale + j, count);
    const Vec<Real> rest = scaled - mean - load_part(x_hat + j, count) * slope;
    store_part(d_x + j, splat(factor) * rest, count);
  });
}

}  // namespace HOLDFAST_LEVEL
}  // namespace holdfast
