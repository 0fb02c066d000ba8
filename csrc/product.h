// Matrix products for the sweeps' inputs and gradients: a block of b is packed on the stack, then every tile of rows
// runs over it. Each element sums over k in one fixed order, whatever the split of the rows over threads.
#pragma once

#include "kernels.h"
#include "pack.h"
#include "vector.h"

namespace holdfast {
namespace HOLDFAST_LEVEL {

constexpr std::size_t kBlock = 256;  // k of a packed block: 256 x 4 vectors of 16 are 64 KB
constexpr std::size_t kStrip = kGroup * kLanes;

// Rows [k, k + depth) and columns [n, n + width) of b as [depth][kStrip], zero beyond width.
inline void pack_block(const ProductArgs& a, std::size_t k, std::size_t depth, std::size_t n, std::size_t width,
                       float* packed) {
  if (!a.b_transposed) {
    for (std::size_t d = 0; d < depth; ++d, packed += kStrip) {
      for (std::size_t lane = 0; lane < kStrip; lane += kLanes) {
        const std::size_t left = width > lane ? width - lane : 0;
        store(packed + lane, load_part(a.b + (k + d) * a.N + n + lane, left < kLanes ? left : kLanes));
      }
    }
    return;
  }
  const float* in = a.b + n * a.K + k;
  for (std::size_t lane = 0; lane < kStrip; lane += 4) {
    std::size_t d = 0;
    if (lane + 4 <= width)
      for (; d + 4 <= depth; d += 4) transpose_four(in + lane * a.K + d, a.K, packed + d * kStrip + lane, kStrip);
    for (; d < depth; ++d)
      for (std::size_t m = lane; m < lane + 4; ++m) packed[d * kStrip + m] = m < width ? in[m * a.K + d] : 0.0f;
  }
}

template <int R, int P>
void product_tile(const ProductArgs& a, const float* packed, std::size_t m, std::size_t k, std::size_t depth,
                  std::size_t n) {
  Vec sums[P][R] = {};
  const float* rows = a.a + m * a.a_row + k * a.a_k;
  for (std::size_t d = 0; d < depth; ++d, rows += a.a_k, packed += kStrip) {
    Vec b[P];
    HOLDFAST_UNROLL
    for (int p = 0; p < P; ++p) b[p] = load(packed + p * kLanes);
    HOLDFAST_UNROLL
    for (int r = 0; r < R; ++r) {
      const Vec a_k = splat(rows[r * a.a_row]);
      HOLDFAST_UNROLL
      for (int p = 0; p < P; ++p) sums[p][r] = fma(a_k, b[p], sums[p][r]);
    }
  }
  const bool fresh = k == 0 && !a.accumulate;
  HOLDFAST_UNROLL
  for (int p = 0; p < P; ++p) {
    const std::size_t column = n + p * kLanes, left = a.N - column, count = left < kLanes ? left : kLanes;
    HOLDFAST_UNROLL
    for (int r = 0; r < R; ++r) {
      float* c = a.c + (m + r) * a.N + column;
      const Vec before = !fresh ? load_part(c, count) : a.bias ? load_part(a.bias + column, count) : Vec{};
      store_part(c, before + sums[p][r], count);
    }
  }
}

template <int P>
void product_rows(const ProductArgs& a, const float* packed, std::size_t begin, std::size_t end, std::size_t k,
                  std::size_t depth, std::size_t n) {
  for (std::size_t m = begin; m < end;) {
    const std::size_t rows = next_tile(end - m);
    switch (rows) {
      case 1: product_tile<1, P>(a, packed, m, k, depth, n); break;
      case 2: product_tile<2, P>(a, packed, m, k, depth, n); break;
      case 3: product_tile<3, P>(a, packed, m, k, depth, n); break;
      case 4: product_tile<kRows < 4 ? 1 : 4, P>(a, packed, m, k, depth, n); break;
      case 5: product_tile<kRows < 5 ? 1 : 5, P>(a, packed, m, k, depth, n); break;
      default: product_tile<kRows < 6 ? 1 : 6, P>(a, packed, m, k, depth, n); break;
    }
    m += rows;
  }
}

inline void product(const ProductArgs& a, std::size_t begin, std::size_t end) {
  alignas(64) float packed[kBlock * kStrip];
  for (std::size_t k = 0; k < a.K; k += kBlock) {
    const std::size_t depth = a.K - k < kBlock ? a.K - k : kBlock;
    for (std::size_t n = 0; n < a.N; n += kStrip) {
      const std::size_t width = a.N - n < kStrip ? a.N - n : kStrip;
      pack_block(a, k, depth, n, width, packed);
      switch ((width + kLanes - 1) / kLanes) {
        case 1: product_rows<1>(a, packed, begin, end, k, depth, n); break;
        case 2: product_rows<2>(a, packed, begin, end, k, depth, n); break;
        case 3: product_rows<3>(a, packed, begin, end, k, depth, n); break;
        default: product_rows<kGroup>(a, packed, begin, end, k, depth, n); break;
      }
    }
  }
}

}  // namespace HOLDFAST_LEVEL
}  // namespace holdfast
