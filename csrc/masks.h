// Masks from a seed and a place, the same numbers as src/holdfast/reference/masks.py: Philox4x32-10 (Salmon et al.
// 2011, section 3.3), one block of four units to each 64-bit lane of a vector.
#pragma once

#include "vector.h"

namespace holdfast {
namespace HOLDFAST_LEVEL {

typedef std::uint64_t Wide __attribute__((vector_size(kVectorBytes)));
constexpr std::size_t kBlocks = kVectorBytes / sizeof(std::uint64_t);
constexpr std::size_t kMaskUnits = 4 * kBlocks;  // what one round of the generator makes: two Vec<float>

// The full products of the low halves of each lane.
HOLDFAST_INLINE Wide multiply_low(Wide a, Wide b) {
#if defined(__AVX512F__)
  return (Wide)_mm512_maskz_mul_epu32(0xFF, (__m512i)a, (__m512i)b);
#elif defined(__AVX2__)
  return (Wide)_mm256_mul_epu32((__m256i)a, (__m256i)b);
#elif defined(__aarch64__)
  return (Wide)vmull_u32(vmovn_u64((uint64x2_t)a), vmovn_u64((uint64x2_t)b));
#else
  return (a & 0xFFFFFFFFu) * (b & 0xFFFFFFFFu);
#endif
}

// Even and odd lanes of a and b side by side: a0 b0 a2 b2 ... and a1 b1 a3 b3 ...
HOLDFAST_INLINE Wide even_pairs(Wide a, Wide b) {
#if defined(__AVX512F__)
  return (Wide)_mm512_maskz_unpacklo_epi64(0xFF, (__m512i)a, (__m512i)b);
#elif defined(__AVX2__)
  return (Wide)_mm256_unpacklo_epi64((__m256i)a, (__m256i)b);
#else
  return Wide{a[0], b[0]};
#endif
}
HOLDFAST_INLINE Wide odd_pairs(Wide a, Wide b) {
#if defined(__AVX512F__)
  return (Wide)_mm512_maskz_unpackhi_epi64(0xFF, (__m512i)a, (__m512i)b);
#elif defined(__AVX2__)
  return (Wide)_mm256_unpackhi_epi64((__m256i)a, (__m256i)b);
#else
  return Wide{a[1], b[1]};
#endif
}

struct PhiloxKeys {
  Wide first[10], second[10];
};

HOLDFAST_INLINE PhiloxKeys philox_keys(std::uint64_t seed) {
  PhiloxKeys keys;
  std::uint32_t first = static_cast<std::uint32_t>(seed), second = static_cast<std::uint32_t>(seed >> 32);
  for (int round = 0; round < 10; ++round) {
    keys.first[round] = first - Wide{};
    keys.second[round] = second - Wide{};
    first += 0x9E3779B9u;
    second += 0xBB67AE85u;
  }
  return keys;
}

// Every word in the low half of its lane; what is left in the high half is never read, since the products do not.
struct PhiloxWords {
  Wide x0, x1, x2, x3;
};

HOLDFAST_INLINE PhiloxWords philox_words(const PhiloxKeys& keys, PhiloxWords x) {
  const Wide multiplier0 = 0xD2511F53u - Wide{}, multiplier1 = 0xCD9E8D57u - Wide{};
  HOLDFAST_UNROLL
  for (int round = 0; round < 10; ++round) {
    const Wide product0 = multiply_low(x.x0, multiplier0), product1 = multiply_low(x.x2, multiplier1);
    x = {(product1 >> 32) ^ x.x1 ^ keys.first[round], product1, (product0 >> 32) ^ x.x3 ^ keys.second[round], product0};
  }
  return x;
}

// 1 where the word's upper 24 bits are below the threshold. Word k decides unit k; the first n are written.
HOLDFAST_INLINE void write_mask(Wide words, std::uint32_t threshold, std::size_t n, float* out) {
  typedef std::uint32_t Word __attribute__((vector_size(kVectorBytes)));
  // Both sides are below 2^25: a signed comparison is right, and AVX2 has no other.
  const Int<float> value = (Int<float>)((Word)words >> 8);
  const Int<float> limit = static_cast<std::int32_t>(threshold) - Int<float>{};
  store_part(out, from_bits((value < limit) & bits(splat(1.0f))), n);
}

HOLDFAST_INLINE void write_mask(Wide words, std::uint32_t threshold, std::size_t n, double* out) {
  constexpr std::size_t lanes = kLanes<double>;
  typedef std::int32_t Half __attribute__((vector_size(kVectorBytes / 2)));
  Half halves[2];
  __builtin_memcpy(halves, &words, sizeof words);
  for (std::size_t part = 0; part < 2 && part * lanes < n; ++part) {
    const Int<double> value = __builtin_convertvector(halves[part], Int<double>) >> 8 & 0xFFFFFF;
    const Int<double> limit = threshold - Int<double>{};
    const std::size_t rest = n - part * lanes;
    store_part(out + part * lanes, from_bits((value < limit) & bits(splat(1.0))), rest < lanes ? rest : lanes);
  }
}

// out[u] = 1 where unit first + u of (t, row) is to be dropped or kept old, else 0, for u in [0, count).
//
//   seed              the key: low word, high word
//   tag               kind of mask, direction and layer, as in the reference
//   threshold         round(p * 2^24), at most 2^24
//   first             quick where it is a multiple of 4, the units of a block
//   out       [count] out  nothing is written beyond
template <class Real>
void fill_mask(std::uint64_t seed, std::uint32_t t, std::uint32_t row, std::uint32_t tag, std::uint32_t threshold,
               std::size_t first, std::size_t count, Real* out) {
  if (const std::size_t into = first % 4) {  // two doubles of NEON are half a block
    Real begun[4];
    fill_mask(seed, t, row, tag, threshold, first - into, 4, begun);
    const std::size_t here = count < 4 - into ? count : 4 - into;
    for (std::size_t u = 0; u < here; ++u) out[u] = begun[into + u];
    if (here == count) return;
    first += here, count -= here, out += here;
  }
  const PhiloxKeys keys = philox_keys(seed);
  // Lane 2 k holds block k, lane 2 k + 1 block kBlocks / 2 + k, so that the pairs below come out in order.
  Wide block;
  for (std::size_t lane = 0; lane < kBlocks; ++lane) block[lane] = first / 4 + lane / 2 + lane % 2 * (kBlocks / 2);
  for (std::size_t u = 0; u < count; u += kMaskUnits, block += kBlocks) {
    const PhiloxWords x = philox_words(keys, {t - Wide{}, row - Wide{}, block, tag - Wide{}});
    const Wide words01 = (x.x0 & 0xFFFFFFFFu) | x.x1 << 32, words23 = (x.x2 & 0xFFFFFFFFu) | x.x3 << 32;
    constexpr std::size_t half = kMaskUnits / 2;
    const std::size_t rest = count - u, later = rest < half ? 0 : rest - half;
    write_mask(even_pairs(words01, words23), threshold, later ? half : rest, out + u);
    if (later) write_mask(odd_pairs(words01, words23), threshold, later < half ? later : half, out + u + half);
  }
}

}  // namespace HOLDFAST_LEVEL
}  // namespace holdfast
