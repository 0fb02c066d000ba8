// The one matrix product of the library: rows of numbers times packed weights, in register tiles.
//
// Every sum runs over k in one fixed order: in blocks of kBlock from zero up, then block after block. Neither the number
// of rows, nor the tile, nor the thread changes a bit; and short chains of additions lose less than one long one.
#pragma once

#include "vector.h"

namespace holdfast {
namespace HOLDFAST_LEVEL {

constexpr std::size_t kBlock = 128;
constexpr int kGroup = 4;    // vectors side by side in a tile
constexpr int kMaxRows = 6;    // rows of the largest tile of any level
constexpr std::size_t kRowsAtOnce = 4 * kRows;  // rows that share a group's weights while they are in the nearest cache
constexpr std::size_t kLong = 2048;  // K from which that pays
constexpr int kMaxGroups = 4;  // groups that a single row takes at once, where the registers hold their sums

struct Range {
  std::size_t begin, end;
};

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

// Rows of the next run of tiles. Where K is long, several tiles take a block's weights in turn.
HOLDFAST_INLINE std::size_t next_rows(std::size_t rows, std::size_t K) {
  if (K < kLong) return next_tile(rows);
  const std::size_t runs = (rows + kRowsAtOnce - 1) / kRowsAtOnce, share = (rows + runs - 1) / runs;
  return runs == 1 ? rows : (share + kRows - 1) / kRows * kRows;
}

// One block of k: R rows times a group of V vectors. out [R][V][lane] = rows [R][depth] x packed [depth][V][lane], or that
// is added to it.
template <class Real, int R, int V>
__attribute__((noinline)) void tile(const Real* const* rows, std::size_t begin, std::size_t depth, const Real* packed,
                                    Real* out) {
  const Real* row[R];
  HOLDFAST_UNROLL
  for (int r = 0; r < R; ++r) row[r] = rows[r] + begin;
  packed += begin * V * kLanes<Real>;
  Vec<Real> sums[R][V] = {};
  for (std::size_t k = 0; k < depth; ++k) {
    Vec<Real> w[V];
    HOLDFAST_UNROLL
    for (int v = 0; v < V; ++v) w[v] = load(packed + (k * V + v) * kLanes<Real>);
    HOLDFAST_UNROLL
    for (int r = 0; r < R; ++r) {
      const Vec<Real> a = splat(row[r][k]);
      HOLDFAST_UNROLL
      for (int v = 0; v < V; ++v) sums[r][v] = fma(a, w[v], sums[r][v]);
    }
  }
  HOLDFAST_UNROLL
  for (int r = 0; r < R; ++r) {
    HOLDFAST_UNROLL
    for (int v = 0; v < V; ++v) {
      Real* o = out + (r * V + v) * kLanes<Real>;
      store(o, begin == 0 ? sums[r][v] : load(o) + sums[r][v]);
    }
  }
}

// `depth` steps of k of S blocks at once: a row times Q groups of V vectors; each block's sums are added in order.
template <class Real, int V, int Q, int S>
HOLDFAST_INLINE void row_blocks(const Real* row, std::size_t K, const Real* packed, std::size_t begin,
                                std::size_t depth, Real* out) {
  const std::size_t group_size = K * V * kLanes<Real>;
  Vec<Real> sums[S][Q][V] = {};
  for (std::size_t k = begin; k < begin + depth; ++k) {
    HOLDFAST_UNROLL
    for (int s = 0; s < S; ++s) {
      const std::size_t at = k + s * kBlock;
      const Vec<Real> a = splat(row[at]);
      HOLDFAST_UNROLL
      for (int q = 0; q < Q; ++q) {
        HOLDFAST_UNROLL
        for (int v = 0; v < V; ++v)
          sums[s][q][v] = fma(a, load(packed + q * group_size + (at * V + v) * kLanes<Real>), sums[s][q][v]);
      }
    }
  }
  HOLDFAST_UNROLL
  for (int q = 0; q < Q; ++q) {
    HOLDFAST_UNROLL
    for (int v = 0; v < V; ++v) {
      Real* o = out + (q * V + v) * kLanes<Real>;
      Vec<Real> total = begin == 0 ? sums[0][q][v] : load(o) + sums[0][q][v];
      if constexpr (S == 2) total = total + sums[1][q][v];
      store(o, total);
    }
  }
}

// One row times Q groups of V vectors: out [Q][V][lane]. Several groups, or two blocks of k, at once: a sum is a chain of
// dependent additions, and it takes eight chains and more to keep the processor busy.
template <class Real, int V, int Q>
__attribute__((noinline)) void row_tile(const Real* row, std::size_t K, const Real* packed, Real* out) {
  std::size_t begin = 0;
  if constexpr (V * Q <= 8) {
    for (; begin + 2 * kBlock <= K; begin += 2 * kBlock)
      row_blocks<Real, V, Q, 2>(row, K, packed, begin, kBlock, out);
  }
  for (; begin == 0 || begin < K; begin += kBlock)
    row_blocks<Real, V, Q, 1>(row, K, packed, begin, least(K - begin, kBlock), out);
}

template <class Real, int V>
HOLDFAST_INLINE void tile_of(std::size_t rows, const Real* const* row, std::size_t begin, std::size_t depth,
                             const Real* packed, Real* out) {
  switch (rows) {
    case 1: return tile<Real, 1, V>(row, begin, depth, packed, out);
    case 2: return tile<Real, 2, V>(row, begin, depth, packed, out);
    case 3: return tile<Real, 3, V>(row, begin, depth, packed, out);
    case 4: return tile<Real, kRows < 4 ? 1 : 4, V>(row, begin, depth, packed, out);
    case 5: return tile<Real, kRows < 5 ? 1 : 5, V>(row, begin, depth, packed, out);
    default: return tile<Real, kRows < 6 ? 1 : 6, V>(row, begin, depth, packed, out);
  }
}

// Some tiles of rows [first, first + count) times a group of V vectors, block after block: the block's weights stay in
// the nearest cache for all of them.
template <class Real, int V>
void tiles_of(const Real* const* row, std::size_t count, std::size_t K, const Real* packed, Real* out) {
  for (std::size_t begin = 0; begin == 0 || begin < K; begin += kBlock) {
    for (std::size_t i = 0; i < count;) {
      const std::size_t rows = next_tile(count - i);
      tile_of<Real, V>(rows, row + i, begin, least(K - begin, kBlock), packed, out + i * V * kLanes<Real>);
      i += rows;
    }
  }
}

template <class Real, int V>
HOLDFAST_INLINE void row_of(std::size_t groups, const Real* row, std::size_t K, const Real* packed, Real* out) {
  if (groups == 4) return row_tile<Real, V, kMaxGroups>(row, K, packed, out);
  if (groups == 2) return row_tile<Real, V, 2>(row, K, packed, out);
  return row_tile<Real, V, 1>(row, K, packed, out);
}

// Panels of columns in groups of up to kGroup, alike but for one panel: narrow tiles waste the processor.
struct Groups {
  std::size_t panels, count;

  std::size_t first(std::size_t group) const { return group * (panels / count) + least(group, panels % count); }
  std::size_t width(std::size_t group) const { return panels / count + (group < panels % count); }
  std::size_t group_of(std::size_t panel) const {
    std::size_t group = panel * count / panels;
    while (first(group) > panel) --group;
    while (first(group) + width(group) <= panel) ++group;
    return group;
  }
};

// At least `least_count` groups, so that as many threads find work, where there are panels enough.
template <class Real>
Groups groups_of(std::size_t units, std::size_t least_count = 1) {
  const std::size_t panels = num_panels<Real>(units), whole = (panels + kGroup - 1) / kGroup;
  return {panels, whole > least_count ? whole : least(panels, least_count)};
}

// Multiplies rows [0, n), found by row(i), by groups [begin, end); gives consume(i, group, width, sums) a row's sums
// [width][lane] of a group.
template <class Real, class RowOf, class Consume>
HOLDFAST_INLINE void multiply_groups(const RowOf& row, std::size_t n, std::size_t K, const Real* data,
                                     const Groups& columns, std::size_t begin, std::size_t end,
                                     const Consume& consume) {
  alignas(64) Real out[kRowsAtOnce * kGroup * kLanes<Real>];
  const Real* pointers[kRowsAtOnce];
  const bool single = n == 1;
  for (std::size_t group = begin; group < end;) {
    const std::size_t width = columns.width(group), size = width * kLanes<Real>;
    std::size_t groups = 1;
    if (single)
      for (std::size_t more = kRows < 6 ? 2 : kMaxGroups; more > 1 && groups == 1; more /= 2)
        if (group + more <= end && columns.width(group + more - 1) == width) groups = more;
    const Real* packed = data + columns.first(group) * K * kLanes<Real>;
    for (std::size_t i = 0; i < n;) {
      const std::size_t rows = next_rows(n - i, K);
      for (std::size_t r = 0; r < rows; ++r) pointers[r] = row(i + r);
      switch (width) {
        case 1: single ? row_of<Real, 1>(groups, *pointers, K, packed, out)
                       : tiles_of<Real, 1>(pointers, rows, K, packed, out); break;
        case 2: single ? row_of<Real, 2>(groups, *pointers, K, packed, out)
                       : tiles_of<Real, 2>(pointers, rows, K, packed, out); break;
        case 3: single ? row_of<Real, 3>(groups, *pointers, K, packed, out)
                       : tiles_of<Real, 3>(pointers, rows, K, packed, out); break;
        default: single ? row_of<Real, 4>(groups, *pointers, K, packed, out)
                        : tiles_of<Real, 4>(pointers, rows, K, packed, out); break;
      }
      // One place where sums are consumed: the cell's code is inlined here, its constants loaded once for all rows.
      const std::size_t pieces = single ? groups : rows;
      for (std::size_t r = 0; r < pieces; ++r)
        consume(single ? 0 : i + r, single ? group + r : group, width, out + r * size);
      i += rows;
    }
    group += groups;
  }
}

// All V gates of a panel of units side by side: consume(i, panel, sums [V][lane]) for panels [begin, end).
template <class Real, int V, class RowOf, class Consume>
HOLDFAST_INLINE void multiply(const RowOf& row, std::size_t n, std::size_t K, const Real* packed, const Range& panels,
                              const Consume& consume) {
  const Groups columns{V * panels.end, panels.end};  // each group is a panel
  multiply_groups<Real>(row, n, K, packed, columns, panels.begin, panels.end,
                        [&](std::size_t i, std::size_t panel, std::size_t, const Real* sums) {
                          consume(i, panel, sums);
                        });
}

// Columns in groups of panels: consume(i, panel, sums [lane]) for a range of groups.
template <class Real, class RowOf, class Consume>
HOLDFAST_INLINE void multiply_flat(const RowOf& row, std::size_t n, std::size_t K, const Real* packed,
                                   const Groups& columns, const Range& groups, const Consume& consume) {
  multiply_groups<Real>(row, n, K, packed, columns, groups.begin, groups.end,
                        [&](std::size_t i, std::size_t group, std::size_t width, const Real* sums) {
                          const std::size_t panel = columns.first(group);
                          for (std::size_t v = 0; v < width; ++v) consume(i, panel + v, sums + v * kLanes<Real>);
                        });
}

}  // namespace HOLDFAST_LEVEL
}  // namespace holdfast
