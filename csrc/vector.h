// One vector type per CPU level and number type, on the compilers' own vector extension, plus the operations it lacks.
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
constexpr std::size_t kVectorBytes = 64;
constexpr int kRows = 6;  // rows of a register tile: 6 x 4 accumulators of the 32 registers
#elif defined(__AVX2__)
constexpr std::size_t kVectorBytes = 32;
constexpr int kRows = 3;  // 3 x 4 of 16
#else
constexpr std::size_t kVectorBytes = 16;
constexpr int kRows = 6;  // 6 x 4 of 32
#endif

template <class Real>
constexpr std::size_t kLanes = kVectorBytes / sizeof(Real);

template <class Real>
struct VecOf;
template <>
struct VecOf<float> {
  typedef float type __attribute__((vector_size(kVectorBytes)));
};
template <>
struct VecOf<double> {
  typedef double type __attribute__((vector_size(kVectorBytes)));
};
template <class Real>
using Vec = typename VecOf<Real>::type;

// What a comparison of two Vec<Real> gives: integers of Real's width, all ones or zero.
template <class Real>
using Int = decltype(Vec<Real>{} < Vec<Real>{});

HOLDFAST_INLINE Vec<float> splat(float value) { return value - Vec<float>{}; }
HOLDFAST_INLINE Vec<double> splat(double value) { return value - Vec<double>{}; }

HOLDFAST_INLINE Vec<float> load(const float* p) {
  Vec<float> v;
  __builtin_memcpy(&v, p, sizeof v);
  return v;
}
HOLDFAST_INLINE Vec<double> load(const double* p) {
  Vec<double> v;
  __builtin_memcpy(&v, p, sizeof v);
  return v;
}

HOLDFAST_INLINE void store(float* p, Vec<float> v) { __builtin_memcpy(p, &v, sizeof v); }
HOLDFAST_INLINE void store(double* p, Vec<double> v) { __builtin_memcpy(p, &v, sizeof v); }

HOLDFAST_INLINE Int<float> bits(Vec<float> v) { return (Int<float>)v; }
HOLDFAST_INLINE Int<double> bits(Vec<double> v) { return (Int<double>)v; }
HOLDFAST_INLINE Vec<float> from_bits(Int<float> i) { return (Vec<float>)i; }
HOLDFAST_INLINE Vec<double> from_bits(Int<double> i) { return (Vec<double>)i; }

// chosen where mask is all ones, otherwise where it is zero
HOLDFAST_INLINE Vec<float> select(Int<float> mask, Vec<float> chosen, Vec<float> otherwise) {
  return mask ? chosen : otherwise;
}
HOLDFAST_INLINE Vec<double> select(Int<double> mask, Vec<double> chosen, Vec<double> otherwise) {
  return mask ? chosen : otherwise;
}

// Per level:
//   load_part, store_part   the first n <= kLanes lanes; the rest load as zero and are not touched in memory
//   fma                     a * b + c, rounded once
//   at_least, at_most       x limited from below or above; a NaN in x stays: minps and maxps then give their second
//                           operand. (GCC 12 makes two instructions of the plain comparison.)
#if defined(__AVX512F__)

HOLDFAST_INLINE Vec<float> load_part(const float* p, std::size_t n) {
  if (n == kLanes<float>) return load(p);
  return (Vec<float>)_mm512_maskz_loadu_ps(static_cast<__mmask16>((1u << n) - 1u), p);
}
HOLDFAST_INLINE Vec<double> load_part(const double* p, std::size_t n) {
  if (n == kLanes<double>) return load(p);
  return (Vec<double>)_mm512_maskz_loadu_pd(static_cast<__mmask8>((1u << n) - 1u), p);
}
HOLDFAST_INLINE void store_part(float* p, Vec<float> v, std::size_t n) {
  if (n == kLanes<float>) return store(p, v);
  _mm512_mask_storeu_ps(p, static_cast<__mmask16>((1u << n) - 1u), (__m512)v);
}
HOLDFAST_INLINE void store_part(double* p, Vec<double> v, std::size_t n) {
  if (n == kLanes<double>) return store(p, v);
  _mm512_mask_storeu_pd(p, static_cast<__mmask8>((1u << n) - 1u), (__m512d)v);
}

HOLDFAST_INLINE Vec<float> fma(Vec<float> a, Vec<float> b, Vec<float> c) {
  return (Vec<float>)_mm512_fmadd_ps((__m512)a, (__m512)b, (__m512)c);
}
HOLDFAST_INLINE Vec<double> fma(Vec<double> a, Vec<double> b, Vec<double> c) {
  return (Vec<double>)_mm512_fmadd_pd((__m512d)a, (__m512d)b, (__m512d)c);
}

HOLDFAST_INLINE Vec<float> at_least(Vec<float> x, Vec<float> low) {
  return (Vec<float>)_mm512_maskz_max_ps(0xFFFF, (__m512)low, (__m512)x);
}
HOLDFAST_INLINE Vec<double> at_least(Vec<double> x, Vec<double> low) {
  return (Vec<double>)_mm512_maskz_max_pd(0xFF, (__m512d)low, (__m512d)x);
}
HOLDFAST_INLINE Vec<float> at_most(Vec<float> x, Vec<float> high) {
  return (Vec<float>)_mm512_maskz_min_ps(0xFFFF, (__m512)high, (__m512)x);
}
HOLDFAST_INLINE Vec<double> at_most(Vec<double> x, Vec<double> high) {
  return (Vec<double>)_mm512_maskz_min_pd(0xFF, (__m512d)high, (__m512d)x);
}

#elif defined(__AVX2__)

HOLDFAST_INLINE __m256i first_lanes32(std::size_t n) {
  const __m256i lane = _mm256_setr_epi32(0, 1, 2, 3, 4, 5, 6, 7);
  return _mm256_cmpgt_epi32(_mm256_set1_epi32(static_cast<int>(n)), lane);
}
HOLDFAST_INLINE __m256i first_lanes64(std::size_t n) {
  const __m256i lane = _mm256_setr_epi64x(0, 1, 2, 3);
  return _mm256_cmpgt_epi64(_mm256_set1_epi64x(static_cast<long long>(n)), lane);
}
HOLDFAST_INLINE Vec<float> load_part(const float* p, std::size_t n) {
  if (n == kLanes<float>) return load(p);
  return (Vec<float>)_mm256_maskload_ps(p, first_lanes32(n));
}
HOLDFAST_INLINE Vec<double> load_part(const double* p, std::size_t n) {
  if (n == kLanes<double>) return load(p);
  return (Vec<double>)_mm256_maskload_pd(p, first_lanes64(n));
}
HOLDFAST_INLINE void store_part(float* p, Vec<float> v, std::size_t n) {
  if (n == kLanes<float>) return store(p, v);
  _mm256_maskstore_ps(p, first_lanes32(n), (__m256)v);
}
HOLDFAST_INLINE void store_part(double* p, Vec<double> v, std::size_t n) {
  if (n == kLanes<double>) return store(p, v);
  _mm256_maskstore_pd(p, first_lanes64(n), (__m256d)v);
}

HOLDFAST_INLINE Vec<float> fma(Vec<float> a, Vec<float> b, Vec<float> c) {
  return (Vec<float>)_mm256_fmadd_ps((__m256)a, (__m256)b, (__m256)c);
}
HOLDFAST_INLINE Vec<double> fma(Vec<double> a, Vec<double> b, Vec<double> c) {
  return (Vec<double>)_mm256_fmadd_pd((__m256d)a, (__m256d)b, (__m256d)c);
}

HOLDFAST_INLINE Vec<float> at_least(Vec<float> x, Vec<float> low) {
  return (Vec<float>)_mm256_max_ps((__m256)low, (__m256)x);
}
HOLDFAST_INLINE Vec<double> at_least(Vec<double> x, Vec<double> low) {
  return (Vec<double>)_mm256_max_pd((__m256d)low, (__m256d)x);
}
HOLDFAST_INLINE Vec<float> at_most(Vec<float> x, Vec<float> high) {
  return (Vec<float>)_mm256_min_ps((__m256)high, (__m256)x);
}
HOLDFAST_INLINE Vec<double> at_most(Vec<double> x, Vec<double> high) {
  return (Vec<double>)_mm256_min_pd((__m256d)high, (__m256d)x);
}

#else

HOLDFAST_INLINE Vec<float> load_part(const float* p, std::size_t n) {
  float lanes[kLanes<float>] = {};
  for (std::size_t k = 0; k < n; ++k) lanes[k] = p[k];
  return load(lanes);
}
HOLDFAST_INLINE Vec<double> load_part(const double* p, std::size_t n) {
  double lanes[kLanes<double>] = {};
  for (std::size_t k = 0; k < n; ++k) lanes[k] = p[k];
  return load(lanes);
}
HOLDFAST_INLINE void store_part(float* p, Vec<float> v, std::size_t n) {
  for (std::size_t k = 0; k < n; ++k) p[k] = v[k];
}
HOLDFAST_INLINE void store_part(double* p, Vec<double> v, std::size_t n) {
  for (std::size_t k = 0; k < n; ++k) p[k] = v[k];
}

#if defined(__aarch64__)
HOLDFAST_INLINE Vec<float> fma(Vec<float> a, Vec<float> b, Vec<float> c) {
  return (Vec<float>)vfmaq_f32((float32x4_t)c, (float32x4_t)a, (float32x4_t)b);
}
HOLDFAST_INLINE Vec<double> fma(Vec<double> a, Vec<double> b, Vec<double> c) {
  return (Vec<double>)vfmaq_f64((float64x2_t)c, (float64x2_t)a, (float64x2_t)b);
}
#else
HOLDFAST_INLINE Vec<float> fma(Vec<float> a, Vec<float> b, Vec<float> c) { return a * b + c; }
HOLDFAST_INLINE Vec<double> fma(Vec<double> a, Vec<double> b, Vec<double> c) { return a * b + c; }
#endif

HOLDFAST_INLINE Vec<float> at_least(Vec<float> x, Vec<float> low) { return select(x < low, low, x); }
HOLDFAST_INLINE Vec<double> at_least(Vec<double> x, Vec<double> low) { return select(x < low, low, x); }
HOLDFAST_INLINE Vec<float> at_most(Vec<float> x, Vec<float> high) { return select(x > high, high, x); }
HOLDFAST_INLINE Vec<double> at_most(Vec<double> x, Vec<double> high) { return select(x > high, high, x); }

#endif

// Subnormal numbers read and written as zero while this lives: gradients that die out over many steps would otherwise
// stall the processor for some hundred cycles an operation. The thread's own control word comes back at the end.
struct FlushSubnormals {
#if defined(__x86_64__)
  HOLDFAST_INLINE FlushSubnormals() {
    asm volatile("stmxcsr %0" : "=m"(word) : : "memory");
    const std::uint32_t flushing = word | 0x8040u;  // FTZ | DAZ
    asm volatile("ldmxcsr %0" : : "m"(flushing) : "memory");
  }
  HOLDFAST_INLINE ~FlushSubnormals() { asm volatile("ldmxcsr %0" : : "m"(word) : "memory"); }
  std::uint32_t word;
#elif defined(__aarch64__)
  HOLDFAST_INLINE FlushSubnormals() {
    asm volatile("mrs %0, fpcr" : "=r"(word) : : "memory");
    asm volatile("msr fpcr, %0" : : "r"(word | (std::uint64_t{1} << 24)) : "memory");  // FZ
  }
  HOLDFAST_INLINE ~FlushSubnormals() { asm volatile("msr fpcr, %0" : : "r"(word) : "memory"); }
  std::uint64_t word;
#else
  FlushSubnormals() {}
  ~FlushSubnormals() {}
#endif
  FlushSubnormals(const FlushSubnormals&) = delete;
  FlushSubnormals& operator=(const FlushSubnormals&) = delete;
};

}  // namespace HOLDFAST_LEVEL
}  // namespace holdfast
