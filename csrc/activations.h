// sigmoid and tanh of a vector: right to a few units in the last place everywhere, NaN for NaN.
#pragma once

#include "vector.h"

namespace holdfast {
namespace HOLDFAST_LEVEL {

// e^x for x >= -87 (below: e^-87), within about 1 ulp; infinity from 88.4 on, so that sigmoid and tanh reach their
// limits exactly; a NaN passes every comparison and stays NaN.
// x = n ln 2 + r with ln 2 in two parts (Cody & Waite 1980), then the Taylor-like polynomial of Cephes' expf on r.
HOLDFAST_INLINE Vec exp_clamped(Vec x) {
  x = at_most(at_least(x, splat(-87.0f)), splat(89.0f));
  const Vec magic = splat(12582912.0f);  // 1.5 * 2^23: adding it rounds to an integer, kept in the low bits
  const Vec shifted = fma(x, splat(1.44269504088896341f), magic);
  const Vec n = shifted - magic;
  Vec r = fma(n, splat(-0.693359375f), x);
  r = fma(n, splat(2.12194440e-4f), r);
  Vec p = splat(1.9875691500e-4f);
  p = fma(p, r, splat(1.3981999507e-3f));
  p = fma(p, r, splat(8.3334519073e-3f));
  p = fma(p, r, splat(4.1665795894e-2f));
  p = fma(p, r, splat(1.6666665459e-1f));
  p = fma(p, r, splat(5.0000001201e-1f));
  const Vec e = fma(p, r * r, r) + splat(1.0f);
  // 2^n, infinity for n = 128: the shift drops the magic number's own bits.
  const Vec scale = from_bits((bits(shifted) + 127) << 23);
  return e * scale;
}

HOLDFAST_INLINE Vec sigmoid(Vec x) {
  const Vec one = splat(1.0f);
  return one / (one + exp_clamped(-x));
}

// Below 0.625 Cephes' tanhf polynomial, where 1 - 2/(e^2x + 1) would cancel.
HOLDFAST_INLINE Vec tanh(Vec x) {
  const Vec one = splat(1.0f);
  const Int sign = bits(x) & bits(splat(-0.0f));
  const Vec size = from_bits(bits(x) & ~bits(splat(-0.0f)));
  const Vec large = one - splat(2.0f) / (exp_clamped(size + size) + one);
  const Vec s = x * x;
  Vec p = splat(-5.70498872745e-3f);
  p = fma(p, s, splat(2.06390887954e-2f));
  p = fma(p, s, splat(-5.37397155531e-2f));
  p = fma(p, s, splat(1.33314422036e-1f));
  p = fma(p, s, splat(-3.33332819422e-1f));
  const Vec small = fma(p * s, x, x);
  return select(size < splat(0.625f), small, from_bits(bits(large) | sign));
}

}  // namespace HOLDFAST_LEVEL
}  // namespace holdfast
