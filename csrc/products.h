// What does not wait for the step before: the input's part of the gate sums, and after the backward sweep the gradients of
// x and of the weights. Steps in padding are left out. Each number sums over k, or over the steps, in one fixed order.
#pragma once

#include "backward.h"

namespace holdfast {
namespace HOLDFAST_LEVEL {

// The positions that count, in order.
struct Positions {
  const std::uint32_t* list;  // or null: all of them
  std::size_t count;

  std::size_t operator[](std::size_t m) const { return list ? list[m] : m; }
};

// A thread's part of a product of `rows` rows and `groups` groups of columns: rows where there are enough.
struct Part {
  Range rows, groups;
};
HOLDFAST_INLINE Part part_of(std::size_t rows, std::size_t groups, unsigned thread, unsigned threads, bool whole_rows) {
  if (whole_rows || rows >= 8 * threads) return {share(rows, thread, threads), {0, groups}};
  return {{0, rows}, share(groups, thread, threads)};
}

// pre = W_ih x + bias for the positions of this thread; with layer norm of W_ih x first.
template <class Real>
void project_input(const Call<Real>& a, const Side<Real>& side, const Positions& positions, std::size_t direction,
                   unsigned thread, unsigned threads) {
  const std::size_t GH = a.spec.gates() * a.H;
  const bool normed = a.spec.norm != Norm::kNone;
  const Groups columns = groups_of<Real>(GH);
  const Part part = part_of(positions.count, columns.count, thread, threads, normed);
  const std::size_t first = part.rows.begin, count = part.rows.end - first;
  const bool biased = a.params[direction].b_ih && !normed;
  multiply_flat<Real>([&](std::size_t i) { return a.x + positions[first + i] * a.I; }, count, a.I, side.w_ih,
                      columns, part.groups, [&](std::size_t i, std::size_t panel, const Real* sums) {
                        const std::size_t j = panel * kLanes<Real>, n = panel_width<Real>(panel, GH);
                        Vec<Real> out = load(sums);
                        if (biased) out = out + load_part(side.bias + j, n);
                        store_part(side.pre + positions[first + i] * GH + j, out, n);
                      });
  if (!normed) return;
  const Parameters<const Real*>& p = a.params[direction];
  const Saved<Real> saved = a.rest ? open_saved(a, a.rest + direction * rest_size(a)) : Saved<Real>{};
  for (std::size_t m = first; m < part.rows.end; ++m) {
    const std::size_t position = positions[m];
    normalise(side.pre + position * GH, GH, p.ln_ih_w, p.ln_ih_b, p.b_ih, at(saved.hat_ih, position * GH),
              at(saved.factor_ih, position));
  }
}

// R columns of a times V vectors of packed b, over `depth` steps: out [R][V][lane].
template <class Real, int R, int V>
__attribute__((noinline)) void column_tile(const Real* const* a, std::size_t m, const Real* packed, std::size_t depth,
                                           Real* out) {
  Vec<Real> sums[R][V] = {};
  for (std::size_t k = 0; k < depth; ++k) {
    const Real* column = a[k] + m;
    Vec<Real> b[V];
    HOLDFAST_UNROLL
    for (int v = 0; v < V; ++v) b[v] = load(packed + (k * V + v) * kLanes<Real>);
    HOLDFAST_UNROLL
    for (int r = 0; r < R; ++r) {
      const Vec<Real> a_k = splat(column[r]);
      HOLDFAST_UNROLL
      for (int v = 0; v < V; ++v) sums[r][v] = fma(a_k, b[v], sums[r][v]);
    }
  }
  HOLDFAST_UNROLL
  for (int r = 0; r < R; ++r) {
    HOLDFAST_UNROLL
    for (int v = 0; v < V; ++v) store(out + (r * V + v) * kLanes<Real>, sums[r][v]);
  }
}

template <class Real, int V>
void column_strip(std::size_t rows, const Real* const* a, std::size_t m, const Real* packed, std::size_t depth, Real* c,
                  std::size_t N, std::size_t n, bool fresh) {
  alignas(64) Real out[kMaxRows * V * kLanes<Real>];
  switch (rows) {
    case 1: column_tile<Real, 1, V>(a, m, packed, depth, out); break;
    case 2: column_tile<Real, 2, V>(a, m, packed, depth, out); break;
    case 3: column_tile<Real, 3, V>(a, m, packed, depth, out); break;
    case 4: column_tile<Real, kRows < 4 ? 1 : 4, V>(a, m, packed, depth, out); break;
    case 5: column_tile<Real, kRows < 5 ? 1 : 5, V>(a, m, packed, depth, out); break;
    default: column_tile<Real, kRows < 6 ? 1 : 6, V>(a, m, packed, depth, out); break;
  }
  for (std::size_t r = 0; r < rows; ++r) {
    for (int v = 0; v < V; ++v) {
      const std::size_t column = n + v * kLanes<Real>, count = least(N - column, kLanes<Real>);
      Real* place = c + r * N + column;
      const Vec<Real> sum = load(out + (r * V + v) * kLanes<Real>);
      store_part(place, fresh ? sum : load_part(place, count) + sum, count);
    }
  }
}

constexpr std::size_t kTilesAtOnce = 4;    // tiles of rows that share a strip of b while it is in the nearest cache
constexpr std::size_t kStripsToPack = 3;   // strips from which a's columns are worth a copy of their own

// One block of steps of multiply_columns; `packed` holds its rows of b, strip by strip.
template <class Real>
void add_block(const Real* const* a_rows, std::size_t depth, const Real* packed, Range m, std::size_t N, Real* c,
               bool fresh) {
  const Groups strips = groups_of<Real>(N);
  alignas(64) Real copies[kTilesAtOnce * kBlock * kMaxRows];
  const Real* copied[kTilesAtOnce][kBlock];
  const bool copying = strips.count >= kStripsToPack;
  while (m.begin < m.end) {
    std::size_t rows[kTilesAtOnce], first[kTilesAtOnce], tiles = 0;
    for (; tiles < kTilesAtOnce && m.begin < m.end; ++tiles) {
      rows[tiles] = next_tile(m.end - m.begin), first[tiles] = m.begin;
      m.begin += rows[tiles];
      if (!copying) continue;
      for (std::size_t k = 0; k < depth; ++k) {
        Real* copy = copies + (tiles * kBlock + k) * kMaxRows;
        const Real* from = a_rows[k] + first[tiles];
        if (rows[tiles] == kRows) {  // a size known beforehand: two moves instead of a loop
          __builtin_memcpy(copy, from, kRows * sizeof(Real));
        } else {
          __builtin_memcpy(copy, from, rows[tiles] * sizeof(Real));
        }
        copied[tiles][k] = copy;
      }
    }
    for (std::size_t strip = 0; strip < strips.count; ++strip) {
      const std::size_t vectors = strips.width(strip), n = strips.first(strip) * kLanes<Real>;
      for (std::size_t k = 0; k < tiles; ++k) {
        const Real* const* from = copying ? copied[k] : a_rows;
        const std::size_t column = copying ? 0 : first[k];
        const Real* b = packed + n * kBlock;
        Real* out = c + first[k] * N;
        switch (vectors) {
          case 1: column_strip<Real, 1>(rows[k], from, column, b, depth, out, N, n, fresh); break;
          case 2: column_strip<Real, 2>(rows[k], from, column, b, depth, out, N, n, fresh); break;
          case 3: column_strip<Real, 3>(rows[k], from, column, b, depth, out, N, n, fresh); break;
          default: column_strip<Real, kGroup>(rows[k], from, column, b, depth, out, N, n, fresh); break;
        }
      }
    }
  }
}

// Adds a block's rows of a to `sums` [M], or begins it. Done just before the product, it brings them nearer for that.
template <class Real>
void add_rows(const Real* const* a_rows, std::size_t depth, const Range& m, Real* sums, bool fresh) {
  for (std::size_t j = m.begin; j < m.end; j += kLanes<Real>) {
    const std::size_t n = least(m.end - j, kLanes<Real>);
    Vec<Real> total = {};
    for (std::size_t k = 0; k < depth; ++k) total = total + load_part(a_rows[k] + j, n);
    store_part(sums + j, fresh ? total : load_part(sums + j, n) + total, n);
  }
}

// c [M, N] = sum over positions of a(position) [M] times b(position) [N], for rows `m` of c; and where `sums` [M] is
// given, the sum of a(position) there.
template <class Real, class RowA, class RowB>
void multiply_columns(const Positions& positions, const RowA& a, const RowB& b, const Range& m, std::size_t N, Real* c,
                      Real* packed, Real* sums = nullptr) {
  const Groups strips = groups_of<Real>(N);
  const Real* a_rows[kBlock];
  if (m.begin == m.end) return;
  if (positions.count == 0) {
    clear(c + m.begin * N, (m.end - m.begin) * N);
    if (sums) clear(sums + m.begin, m.end - m.begin);
  }
  for (std::size_t begin = 0; begin < positions.count; begin += kBlock) {
    const std::size_t depth = least(positions.count - begin, kBlock);
    for (std::size_t k = 0; k < depth; ++k) {
      const std::size_t at = positions[begin + k];
      const Real* row = b(at);
      a_rows[k] = a(at);
      for (std::size_t strip = 0; strip < strips.count; ++strip) {
        const std::size_t first = strips.first(strip), vectors = strips.width(strip);
        Real* out = packed + (first * kBlock + k * vectors) * kLanes<Real>;
        for (std::size_t v = 0; v < vectors; ++v)
          store(out + v * kLanes<Real>,
                load_part(row + (first + v) * kLanes<Real>, panel_width<Real>(first + v, N)));
      }
    }
    if (sums) add_rows(a_rows, depth, m, sums, begin == 0);
    add_block(a_rows, depth, packed, m, N, c, begin == 0);
  }
}

constexpr std::size_t kWide = 4;  // vectors of a pass of sum_rows: a row is read in whole cache lines

// The columns that one thread sums.
template <class Real>
Range sum_columns(std::size_t columns, unsigned thread, unsigned threads) {
  const std::size_t width = kWide * kLanes<Real>;
  const Range groups = share((columns + width - 1) / width, thread, threads);
  return {least(groups.begin * width, columns), least(groups.end * width, columns)};
}

// out [columns] = sum of a(k), times b(k) where b gives a row, for k in [0, count) and this thread's columns; each is
// added in blocks, as in tile.h.
template <class Real, class RowA, class RowB>
void sum_rows(std::size_t count, const RowA& a, const RowB& b, std::size_t columns, Real* out, unsigned thread,
              unsigned threads) {
  if (!out) return;
  const Range own = sum_columns<Real>(columns, thread, threads);
  for (std::size_t j = own.begin; j < own.end; j += kWide * kLanes<Real>) {
    const std::size_t width = least(columns - j, kWide * kLanes<Real>);
    Vec<Real> total[kWide] = {};
    for (std::size_t begin = 0; begin < count; begin += kBlock) {
      Vec<Real> sums[kWide] = {};
      for (std::size_t k = begin; k < least(begin + kBlock, count); ++k) {
        const Real *row = a(k) + j, *factor = b(k) ? b(k) + j : nullptr;
        for (std::size_t v = 0; v * kLanes<Real> < width; ++v) {
          const std::size_t n = least(width - v * kLanes<Real>, kLanes<Real>);
          const Vec<Real> value = load_part(row + v * kLanes<Real>, n);
          sums[v] = factor ? fma(value, load_part(factor + v * kLanes<Real>, n), sums[v]) : sums[v] + value;
        }
      }
      for (std::size_t v = 0; v < kWide; ++v) total[v] = total[v] + sums[v];
    }
    for (std::size_t v = 0; v * kLanes<Real> < width; ++v)
      store_part(out + j + v * kLanes<Real>, total[v], least(width - v * kLanes<Real>, kLanes<Real>));
  }
}

// Copies this thread's columns of sum_rows.
template <class Real>
void copy_columns(const Real* from, Real* to, std::size_t columns, unsigned thread, unsigned threads) {
  const Range own = sum_columns<Real>(columns, thread, threads);
  if (own.begin < own.end) __builtin_memcpy(to + own.begin, from + own.begin, (own.end - own.begin) * sizeof(Real));
}

// Where the biases' gradients are summed: in the pass that makes the gradient of their weights, where there is one.
struct BiasPlan {
  bool ih_with_weights, hh_with_weights;
  bool hh_is_ih;  // a copy will do
};
template <class Real>
BiasPlan plan_biases(const Call<Real>& a, const Gradients<Real>& d, const Side<Real>& side, std::size_t direction) {
  const Parameters<Real*>& out = d.params[direction];
  const bool plain = a.spec.norm == Norm::kNone;  // else d_pre is about to change, and d_hidden is another array
  const bool ih = plain && out.b_ih && out.w_ih, same = side.d_sum == side.d_pre && ih && out.b_hh;
  return {ih, plain && !same && out.b_hh && out.w_hh && !a.spec.reset_before, same};
}

// Gradients that are sums over steps or rows: biases, scales and shifts, peepholes, the learned initial state.
template <class Real>
void sum_gradients(const Call<Real>& a, const Gradients<Real>& d, const Side<Real>& side, const Positions& positions,
                   std::size_t direction, unsigned thread, unsigned threads) {
  const std::size_t H = a.H, GH = a.spec.gates() * H;
  const Parameters<Real*>& out = d.params[direction];
  const Saved<Real> saved = a.rest ? open_saved(a, a.rest + direction * rest_size(a)) : Saved<Real>{};
  const auto rows_of = [&](const Real* array, std::size_t width) {
    return [&positions, array, width](std::size_t k) { return array ? array + positions[k] * width : nullptr; };
  };
  const auto sum = [&](const Real* array, const Real* factor, std::size_t width, Real* to) {
    sum_rows(positions.count, rows_of(array, width), rows_of(factor, width), width, to, thread, threads);
  };
  // Each thread copies the columns that it summed itself: biases and shifts share their gradients.
  const auto shared = [&](const Real* array, Real* first, Real* second) {
    Real* one = first ? first : second;
    sum(array, nullptr, GH, one);
    if (first && second) copy_columns(one, second, GH, thread, threads);
  };
  const BiasPlan plan = plan_biases(a, d, side, direction);
  if (!plan.ih_with_weights) shared(side.d_pre, out.b_ih, out.ln_ih_b);
  if (!plan.hh_with_weights && !plan.hh_is_ih) shared(side.d_sum, out.b_hh, out.ln_hh_b);
  sum(side.d_pre, saved.hat_ih, GH, out.ln_ih_w);
  sum(side.d_sum, saved.hat_hh, GH, out.ln_hh_w);
  sum(side.d_norm_c, saved.hat_c, H, out.ln_c_w);
  sum(side.d_norm_c, nullptr, H, out.ln_c_b);
  const auto none = [](std::size_t) -> const Real* { return nullptr; };
  const auto over_batch = [&](const Real* array, std::size_t stride, std::size_t width, Real* to) {
    if (!array) return to ? clear(to, thread == 0 ? width : 0) : void();
    sum_rows(a.B, [=](std::size_t k) { return array + k * stride; }, none, width, to, thread, threads);
  };
  over_batch(side.start_h, a.P, a.P, out.start_h);
  over_batch(side.start_c, H, H, out.start_c);
  over_batch(side.peep, 3 * H, (a.spec.gates() - 1) * H, out.peep);
}

// Gradients of the weights: what each step's sums got, times what the weights multiplied there.
template <class Real>
void weight_gradients(const Call<Real>& a, const Gradients<Real>& d, const Side<Real>& side,
                      const Positions& positions, std::size_t direction, Real* packed, unsigned thread,
                      unsigned threads) {
  const std::size_t H = a.H, GH = a.spec.gates() * H;
  const Parameters<Real*>& out = d.params[direction];
  const Range m = share(GH, thread, threads);
  const BiasPlan plan = plan_biases(a, d, side, direction);
  if (out.w_ih)
    multiply_columns<Real>(positions, [&](std::size_t at) { return side.d_pre + at * GH; },
                           [&](std::size_t at) { return a.x + at * a.I; }, m, a.I, out.w_ih, packed,
                           plan.ih_with_weights ? out.b_ih : nullptr);
  if (plan.hh_is_ih) __builtin_memcpy(out.b_hh + m.begin, out.b_ih + m.begin, (m.end - m.begin) * sizeof(Real));
  const Saved<Real> saved = a.rest ? open_saved(a, a.rest + direction * rest_size(a)) : Saved<Real>{};
  if (out.w_hh) {
    const std::size_t split = a.spec.reset_before ? 2 * H : GH;  // rows from here on multiplied r h
    const auto d_hidden = [&](std::size_t at) -> const Real* { return side.d_hidden + at * GH; };
    multiply_columns<Real>(positions, d_hidden, [&](std::size_t at) { return side.read_rows[at]; },
                           {least(m.begin, split), least(m.end, split)}, a.P, out.w_hh, packed,
                           plan.hh_with_weights ? out.b_hh : nullptr);
    if (m.end > split)
      multiply_columns<Real>(positions, d_hidden, [&](std::size_t at) -> const Real* { return saved.inner + at * H; },
                             {m.begin > split ? m.begin : split, m.end}, a.P, out.w_hh, packed);
  }
  if (out.w_hr)
    multiply_columns<Real>(positions, [&](std::size_t at) -> const Real* { return side.d_new + at * a.P; },
                           [&](std::size_t at) -> const Real* { return saved.output + at * H; },
                           share(a.P, thread, threads), H, out.w_hr, packed);
}

// d_x = d_pre W_ih, added to what the first direction gave.
template <class Real>
void input_gradient(const Call<Real>& a, const Gradients<Real>& d, const Side<Real>& side, const Positions& positions,
                    std::size_t direction, unsigned thread, unsigned threads) {
  const std::size_t GH = a.spec.gates() * a.H;
  const Groups columns = groups_of<Real>(a.I);
  const Part part = part_of(positions.count, columns.count, thread, threads, false);
  const std::size_t first = part.rows.begin;
  multiply_flat<Real>([&](std::size_t i) -> const Real* { return side.d_pre + positions[first + i] * GH; },
                      part.rows.end - first, GH, side.w_ih, columns, part.groups,
                      [&](std::size_t i, std::size_t panel, const Real* sums) {
                        const std::size_t n = panel_width<Real>(panel, a.I);
                        Real* out = d.d_x + positions[first + i] * a.I + panel * kLanes<Real>;
                        const Vec<Real> sum = load(sums);
                        store_part(out, direction == 0 ? sum : load_part(out, n) + sum, n);
                      });
}

}  // namespace HOLDFAST_LEVEL
}  // namespace holdfast
