// One vector type per CPU level, on the compilers' own vector extension, plus the few operations it lacks.
//
// Everything lives in the level's namespace and calls no inline function of the standard library: two levels must not
// share a function compiled for the higher one.
#pragma once

#include <cstddef>
#include <cstdint>

#if defined(__x86_64__)
#include <immintrin.h>
#elif defined(__aarch64__)
#include <arm_neon.h>
#endif

#if defined(__clang__)
#define HOLDFAST_UNROLL _Pragma("clang loop unroll(full)")
#else
#define HOLDFAST_UNROLL _Pragma("GCC unroll 16")
#endif
#define HOLDFAST_INLINE inline __attribute__((always_inline))

namespace holdfast {
namespace HOLDFAST_LEVEL {

#if defined(__AVX512F__)
constexpr std::size_t kLanes = 16;
constexpr int kRows = 6;  // rows of a register tile: 6 x 4 accumulators of the 32 registers
#elif defined(__AVX2__)
constexpr std::size_t kLanes = 8;
constexpr int kRows = 3;  // 3 x 4 of 16
#else
constexpr std::size_t kLanes = 4;
constexpr int kRows = 6;  // 6 x 4 of 32
#endif

typedef float Vec __attribute__((vector_size(4 * kLanes)));
typedef std::int32_t Int __attribute__((vector_size(4 * kLanes)));

HOLDFAST_INLINE Vec splat(float value) { return value - Vec{}; }

HOLDFAST_INLINE Vec load(const float* p) {
  Vec v;
  __builtin_memcpy(&v, p, sizeof v);
  return v;
}

HOLDFAST_INLINE void store(float* p, Vec v) { __builtin_memcpy(p, &v, sizeof v); }

// The first n <= kLanes lanes; the rest are zero and are not touched in memory.
HOLDFAST_INLINE Vec load_part(const float* p, std::size_t n) {
  if (n == kLanes) return load(p);
#if defined(__AVX512F__)
  return (Vec)_mm512_maskz_loadu_ps(static_cast<__mmask16>((1u << n) - 1u), p);
#else
  float lanes[kLanes] = {};
  for (std::size_t k = 0; k < n; ++k) lanes[k] = p[k];
  return load(lanes);
#endif
}

HOLDFAST_INLINE void store_part(float* p, Vec v, std::size_t n) {
  if (n == kLanes) return store(p, v);
#if defined(__AVX512F__)
  _mm512_mask_storeu_ps(p, static_cast<__mmask16>((1u << n) - 1u), (__m512)v);
#else
  float lanes[kLanes];
  store(lanes, v);
  for (std::size_t k = 0; k < n; ++k) p[k] = lanes[k];
#endif
}

// a * b + c, rounded once
HOLDFAST_INLINE Vec fma(Vec a, Vec b, Vec c) {
#if defined(__AVX512F__)
  return (Vec)_mm512_fmadd_ps((__m512)a, (__m512)b, (__m512)c);
#elif defined(__AVX2__)
  return (Vec)_mm256_fmadd_ps((__m256)a, (__m256)b, (__m256)c);
#elif defined(__aarch64__)
  return (Vec)vfmaq_f32((float32x4_t)c, (float32x4_t)a, (float32x4_t)b);
#else
  return a * b + c;
#endif
}

HOLDFAST_INLINE Int bits(Vec v) {
  Int i;
  __builtin_memcpy(&i, &v, sizeof i);
  return i;
}

HOLDFAST_INLINE Vec from_bits(Int i) {
  Vec v;
  __builtin_memcpy(&v, &i, sizeof v);
  return v;
}

// chosen where mask is all ones, otherwise where it is zero
HOLDFAST_INLINE Vec select(Int mask, Vec chosen, Vec otherwise) { return mask ? chosen : otherwise; }

// x limited from below or above; a NaN fails the comparison and stays.
HOLDFAST_INLINE Vec at_least(Vec x, Vec low) { return select(x < low, low, x); }
HOLDFAST_INLINE Vec at_most(Vec x, Vec high) { return select(x > high, high, x); }

}  // namespace HOLDFAST_LEVEL
}  // namespace holdfast
