// sigmoid and tanh of a vector, float or double: within 2 ulp wherever the result is normal, NaN for NaN.
//
// Both rest on e^y with y = n ln 2 + r, |r| <= ln 2 / 2, and ln 2 in two parts (Cody & Waite 1980, ch. 6). For e^r - 1
// a polynomial r + r^2 P(r), with P fitted here by Lawson's weighted minimax for the relative error, each coefficient
// rounded before the next is fitted: off by 0.23 * 2^-24 and 0.17 * 2^-53. P goes by pairs, which costs what Horner's
// rule does and waits half as long. Division, not rcp14 and a Newton step: where measured (Zen 5), some 15 %
// less time for a cell, and two makers' rcp14 may differ in bits.
//
// Largest error measured, in ulp:                       sigmoid    tanh
//   float, every argument                                 1.999   1.981
//   double, 40 million and all around breakpoints         1.999   1.213
#pragma once

#include "vector.h"

namespace holdfast {
namespace HOLDFAST_LEVEL {

template <class Real>
struct ExpTerms;

// kRound rounds what is added to it to an integer, kept with the exponent's bias in the low bits. kLn2High is so short
// that n ln 2 is subtracted without rounding; the two parts are those of Cephes and fdlibm.
template <>
struct ExpTerms<float> {
  static constexpr float kRound = 12582912.0f + 127.0f;  // 1.5 * 2^23 + bias
  static constexpr int kMantissaBits = 23;
  static constexpr float kLn2High = 0.693359375f;
  static constexpr float kLn2Low = -2.12194440e-4f;
  // Between them 2^n is normal, and sigmoid(x) reaches both limits: below, it is subnormal; above, 1.
  static constexpr float kSigmoidLow = -88.0f;
  static constexpr float kSigmoidHigh = 87.0f;
};
template <>
struct ExpTerms<double> {
  static constexpr double kRound = 6755399441055744.0 + 1023.0;  // 1.5 * 2^52 + bias
  static constexpr int kMantissaBits = 52;
  static constexpr double kLn2High = 6.93147180369123816490e-1;
  static constexpr double kLn2Low = 1.90821492927058770002e-10;
  static constexpr double kSigmoidLow = -709.0;
  static constexpr double kSigmoidHigh = 708.0;
};

// e^r - 1 for |r| <= ln 2 / 2; in float also (e^(kScale w) - 1) / kScale for r = kScale w, a power of two: it changes
// no rounding.
template <int kScale = 1>
HOLDFAST_INLINE Vec<float> expm1_small(Vec<float> w) {
  constexpr float k = kScale;
  const Vec<float> w2 = w * w;
  const Vec<float> a = fma(splat(0x1.5554b4p-3f * k * k), w, splat(0x1.fffffep-2f * k));
  Vec<float> b = fma(splat(0x1.12253ep-7f * k * k * k * k), w, splat(0x1.5556f4p-5f * k * k * k));
  b = fma(splat(0x1.6b9a2cp-10f * k * k * k * k * k), w2, b);
  return fma(fma(b, w2, a), w2, w);
}

HOLDFAST_INLINE Vec<double> expm1_small(Vec<double> r) {
  const Vec<double> r2 = r * r;
  const Vec<double> a = fma(splat(0x1.555555555554ep-3), r, splat(0x1.0000000000005p-1));
  const Vec<double> b = fma(splat(0x1.111111111505cp-7), r, splat(0x1.5555555552257p-5));
  const Vec<double> c = fma(splat(0x1.a01a01866c3f7p-13), r, splat(0x1.6c16c17ecfc25p-10));
  const Vec<double> d = fma(splat(0x1.71de6796c0c06p-19), r, splat(0x1.a019a7b70a22dp-16));
  const Vec<double> e = fma(splat(0x1.ae97bb74d59fbp-26), r, splat(0x1.28a18c9a84adap-22));
  return fma(fma(fma(fma(fma(e, r2, d), r2, c), r2, b), r2, a), r2, r);
}

// 1 + e^y as (1 + 2^n (e^r - 1)) + 2^n: the inner sum is the smaller one, and rounds less. 2^n must be normal.
template <class Real>
HOLDFAST_INLINE Vec<Real> one_plus_exp(Vec<Real> y) {
  using Terms = ExpTerms<Real>;
  const Vec<Real> shifted = fma(y, splat(Real(1.44269504088896341)), splat(Terms::kRound));
  const Vec<Real> n = shifted - splat(Terms::kRound);
  Vec<Real> r = fma(n, splat(-Terms::kLn2High), y);
  r = fma(n, splat(-Terms::kLn2Low), r);
  const Vec<Real> power = from_bits(bits(shifted) << Terms::kMantissaBits);  // 2^n
  return fma(power, expm1_small(r), splat(Real(1))) + power;
}

template <class Real>
HOLDFAST_INLINE Vec<Real> sigmoid_of(Vec<Real> x) {
  x = at_least(at_most(x, splat(ExpTerms<Real>::kSigmoidHigh)), splat(ExpTerms<Real>::kSigmoidLow));
  return splat(Real(1)) / one_plus_exp<Real>(-x);
}

HOLDFAST_INLINE Vec<float> sigmoid(Vec<float> x) { return sigmoid_of<float>(x); }
HOLDFAST_INLINE Vec<double> sigmoid(Vec<double> x) { return sigmoid_of<double>(x); }

// (1 - e^(-2|x|)) / (1 + e^(-2|x|)), which loses no digits at either end as each is rounded once; then the sign of x.
HOLDFAST_INLINE Vec<float> tanh(Vec<float> x) {
  const Vec<float> one = splat(1.0f), half = splat(0.5f), round = splat(ExpTerms<float>::kRound + 1.0f);
  const Int<float> sign = bits(x) & bits(splat(-0.0f));
  const Vec<float> size = at_most(from_bits(bits(x) ^ sign), splat(10.0f));  // tanh rounds to 1 from 9.02 on
  const Vec<float> shifted = fma(size, splat(-2.88539008f), round);
  const Vec<float> n = shifted - round;
  // ln 2 in one part is near enough: where n is large, 2^n is small.
  const Vec<float> w = fma(n, splat(-0x1.62e430p-2f), -size);
  const Vec<float> power = from_bits(bits(shifted) << ExpTerms<float>::kMantissaBits);  // 2^(n + 1)
  const Vec<float> rest = expm1_small<2>(w);
  const Vec<float> above = fma(-power, rest, fma(-power, half, one)), below = fma(power, rest, fma(power, half, one));
  return from_bits(bits(above / below) | sign);
}

// Cephes' tanh: x + x^3 P(x^2) / Q(x^2) below 0.625, above it 1 - 2 / (1 + e^(2|x|)); one division serves both. The
// float's form is shorter, but in double it was seen to reach 2.1 ulp.
HOLDFAST_INLINE Vec<double> tanh(Vec<double> x) {
  const Int<double> sign = bits(x) & bits(splat(-0.0));
  const Vec<double> size = at_most(from_bits(bits(x) ^ sign), splat(20.0));  // tanh rounds to 1 from 19.06 on
  const Vec<double> s = size * size;
  Vec<double> top = fma(splat(-9.64399179425052238628e-1), s, splat(-9.92877231001918586564e1));
  top = fma(top, s, splat(-1.61468768441708447952e3)) * s;
  Vec<double> below = fma(s + splat(1.12811678491632931402e2), s, splat(2.23548839060100448583e3));
  below = fma(below, s, splat(4.84406305325125486048e3));
  const Int<double> small = size < splat(0.625);
  const Vec<double> base = select(small, size, splat(1.0));
  const Vec<double> part = select(small, top, splat(-2.0)) / select(small, below, one_plus_exp<double>(size + size));
  return from_bits(bits(fma(base, part, base)) | sign);
}

}  // namespace HOLDFAST_LEVEL
}  // namespace holdfast
