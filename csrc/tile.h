// The one matrix product of the library: rows of numbers times packed weights, in register tiles.
//
// Every sum runs over k in one fixed order: in blocks of kBlock from zero up, then block after block. Neither the number
// of rows, nor the tile, nor the thread changes a bit; and short chains of additions lose less than one long one.
#pragma once

#include "vector.h"

namespace holdfast {
namespace HOLDFAST_LEVEL {

constexpr std::size_t kBlock = 256;
constexpr int kGroup = 4;    // vectors side by side in a tile
constexpr int kMaxRows = 6;  // rows of the largest tile of any level

HOLDFAST_INLINE std::size_t least(std::size_t a, std::size_t b) { return a < b ? a : b; }

template <class Real>
HOLDFAST_INLINE std::size_t num_panels(std::size_t units) {
  return (units + kLanes<Real> - 1) / kLanes<Real>;
}

// Units of a panel: kLanes but for the last.
template <class Real>
HOLDFAST_INLINE std::size_t panel_width(std::size_t panel, std::size_t units) {
  return least(units - panel * kLanes<Real>, kLanes<Real>);
}

// Rows of the next tile, so that the tiles of a range differ by one row at most.
HOLDFAST_INLINE std::size_t next_tile(std::size_t rows) {
  const std::size_t tiles = (rows + kRows - 1) / kRows;
  return (rows + tiles - 1) / tiles;
}

// R rows times Q groups of V vectors: out [Q][R][V][lane] = rows [R][K] x packed [Q][K][V][lane].
template <class Real, int R, int V, int Q>
__attribute__((noinline)) void tile(const Real* const* rows, std::size_t K, const Real* packed, Real* out) {
  const std::size_t group_size = K * V * kLanes<Real>;
  const Real* row[R];
  HOLDFAST_UNROLL
  for (int r = 0; r < R; ++r) row[r] = rows[r];
  for (std::size_t begin = 0; begin == 0 || begin < K; begin += kBlock) {
    const std::size_t end = least(begin + kBlock, K);
    Vec<Real> sums[Q][R][V] = {};
    for (std::size_t k = begin; k < end; ++k) {
      Vec<Real> w[Q][V];
      HOLDFAST_UNROLL
      for (int q = 0; q < Q; ++q) {
        HOLDFAST_UNROLL
        for (int v = 0; v < V; ++v) w[q][v] = load(packed + q * group_size + (k * V + v) * kLanes<Real>);
      }
      HOLDFAST_UNROLL
      for (int r = 0; r < R; ++r) {
        const Vec<Real> a = splat(row[r][k]);
        HOLDFAST_UNROLL
        for (int q = 0; q < Q; ++q) {
          HOLDFAST_UNROLL
          for (int v = 0; v < V; ++v) sums[q][r][v] = fma(a, w[q][v], sums[q][r][v]);
        }
      }
    }
    HOLDFAST_UNROLL
    for (int q = 0; q < Q; ++q) {
      HOLDFAST_UNROLL
      for (int r = 0; r < R; ++r) {
        HOLDFAST_UNROLL
        for (int v = 0; v < V; ++v) {
          Real* o = out + ((q * R + r) * V + v) * kLanes<Real>;
          store(o, begin == 0 ? sums[q][r][v] : load(o) + sums[q][r][v]);
        }
      }
    }
  }
}

template <class Real, int V>
HOLDFAST_INLINE void tile_of(std::size_t rows, const Real* const* row, std::size_t K, const Real* packed, Real* out) {
  switch (rows) {
    case 1: return tile<Real, 1, V, 1>(row, K, packed, out);
    case 2: return tile<Real, 2, V, 1>(row, K, packed, out);
    case 3: return tile<Real, 3, V, 1>(row, K, packed, out);
    case 4: return tile<Real, kRows < 4 ? 1 : 4, V, 1>(row, K, packed, out);
    case 5: return tile<Real, kRows < 5 ? 1 : 5, V, 1>(row, K, packed, out);
    default: return tile<Real, kRows < 6 ? 1 : 6, V, 1>(row, K, packed, out);
  }
}

// Multiplies rows [0, n), found by row(i), by groups [begin, end) of V vectors; gives each row's sums [V][lane] of a group
// to consume(i, group, sums). A single row takes two groups at once: enough chains to hide the latency of fma.
template <class Real, int V, class RowOf, class Consume>
HOLDFAST_INLINE void multiply(const RowOf& row, std::size_t n, std::size_t K, const Real* packed, std::size_t begin,
                              std::size_t end, const Consume& consume) {
  constexpr std::size_t size = V * kLanes<Real>;
  alignas(64) Real out[kMaxRows * size];
  const Real* pointers[kMaxRows];
  std::size_t group = begin;
  if (n == 1) {
    pointers[0] = row(0);
    for (; group + 2 <= end; group += 2) {
      tile<Real, 1, V, 2>(pointers, K, packed + group * K * size, out);
      consume(0, group, out);
      consume(0, group + 1, out + size);
    }
  }
  for (; group < end; ++group) {
    for (std::size_t i = 0; i < n;) {
      const std::size_t rows = next_tile(n - i);
      for (std::size_t r = 0; r < rows; ++r) pointers[r] = row(i + r);
      tile_of<Real, V>(rows, pointers, K, packed + group * K * size, out);
      for (std::size_t r = 0; r < rows; ++r) consume(i + r, group, out + r * size);
      i += rows;
    }
  }
}

// The same for `units` columns packed in groups of kGroup panels, the last of which may hold fewer: gives
// consume(i, panel, sums) the sums of one panel, for groups [begin, end).
template <class Real, class RowOf, class Consume>
void multiply_flat(const RowOf& row, std::size_t n, std::size_t K, const Real* packed, std::size_t units,
                   std::size_t begin, std::size_t end, const Consume& consume) {
  const std::size_t panels = num_panels<Real>(units), whole = panels / kGroup;
  const auto each = [&](int vectors) {
    return [&consume, vectors](std::size_t i, std::size_t group, const Real* sums) {
      for (int v = 0; v < vectors; ++v) consume(i, group * kGroup + v, sums + v * kLanes<Real>);
    };
  };
  multiply<Real, kGroup>(row, n, K, packed, begin, least(end, whole), each(kGroup));
  if (end <= whole || begin > whole) return;
  const Real* last = packed + whole * K * kGroup * kLanes<Real>;
  const auto tail = [&consume, whole](int vectors) {
    return [&consume, whole, vectors](std::size_t i, std::size_t, const Real* sums) {
      for (int v = 0; v < vectors; ++v) consume(i, whole * kGroup + v, sums + v * kLanes<Real>);
    };
  };
  switch (panels - whole * kGroup) {
    case 1: return multiply<Real, 1>(row, n, K, last, 0, 1, tail(1));
    case 2: return multiply<Real, 2>(row, n, K, last, 0, 1, tail(2));
    case 3: return multiply<Real, 3>(row, n, K, last, 0, 1, tail(3));
    default: return;
  }
}

template <class Real>
HOLDFAST_INLINE std::size_t num_groups(std::size_t units) {
  return (num_panels<Real>(units) + kGroup - 1) / kGroup;
}

}  // namespace HOLDFAST_LEVEL
}  // namespace holdfast
