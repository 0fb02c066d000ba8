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

// Rows projected at once where they are normalised: what is written is read again before it leaves the second cache.
constexpr std::size_t kNormedRows = 16 * kRows;

// The shifts and biases of a gate sum under layer norm, but for those of n that stay inside the product with r.
template <class Real>
void add_shifts(const Call<Real>& a, std::size_t direction, Real* sum) {
  const Parameters<const Real*>& p = a.params[direction];
  const std::size_t GH = a.spec.gates() * a.H;
  const bool apart = a.spec.family == Family::kGru && !a.spec.reset_before;
  for (std::size_t k = 0; k < GH; ++k) {
    sum[k] = p.ln_ih_b[k] + (p.b_ih ? p.b_ih[k] : 0);
    if (!apart || k < 2 * a.H) sum[k] += p.ln_hh_b[k] + (p.b_hh ? p.b_hh[k] : 0);
  }
}

// pre = W_ih x + bias, for positions [rows.begin, rows.end) and some groups of columns.
template <class Real>
void project_rows(const Call<Real>& a, const Side<Real>& side, const Positions& positions, const Real* bias,
                  const Range& rows, const Range& groups) {
  const std::size_t GH = a.spec.gates() * a.H, first = rows.begin;
  multiply_flat<Real>([&](std::size_t i) { return a.x + positions[first + i] * a.I; }, rows.end - first, a.I, side.w_ih,
                      groups_of<Real>(GH), groups, [&](std::size_t i, std::size_t panel, const Real* sums) {
                        const std::size_t j = panel * kLanes<Real>, n = panel_width<Real>(panel, GH);
                        Vec<Real> out = load(sums);
                        if (bias) out = out + load_part(bias + j, n);
                        store_part(side.pre + positions[first + i] * GH + j, out, n);
                      });
}

// The same under layer norm, for whole rows: the normalised W_ih x, not yet scaled.
template <class Real>
void project_normed(const Call<Real>& a, const Side<Real>& side, const Positions& positions, std::size_t direction,
                    const Range& rows, const Range& groups) {
  const std::size_t GH = a.spec.gates() * a.H;
  const Saved<Real> saved = a.rest ? open_saved(a, a.rest + direction * rest_size(a)) : Saved<Real>{};
  for (std::size_t begin = rows.begin; begin < rows.end; begin += kNormedRows) {
    const std::size_t end = least(begin + kNormedRows, rows.end);
    project_rows<Real>(a, side, positions, nullptr, {begin, end}, groups);
    for (std::size_t m = begin; m < end; ++m) {
      Real* row = side.pre + positions[m] * GH;
      const Moments<Real> by = moments<Real>(row, GH);
      if (saved.factor_ih) saved.factor_ih[positions[m]] = by.factor;
      for_lanes<Real>(GH, [&](std::size_t j, std::size_t n) { store_part(row + j, by.hat(load_part(row + j, n)), n); });
    }
  }
}

// The input's part of the gate sums, for the positions of this thread.
template <class Real>
void project_input(const Call<Real>& a, const Side<Real>& side, const Positions& positions, std::size_t direction,
                   unsigned thread, unsigned threads) {
  const bool normed = a.spec.norm != Norm::kNone;
  const Groups columns = groups_of<Real>(a.spec.gates() * a.H);
  const Part part = part_of(positions.count, columns.count, thread, threads, normed);
  if (!normed) {
    const Real* bias = a.params[direction].b_ih ? side.bias : nullptr;
    return project_rows(a, side, positions, bias, part.rows, part.groups);
  }
  if (thread == 0) add_shifts(a, direction, side.bias);  // the sweep adds them
  project_normed(a, side, positions, direction, part.rows, part.groups);
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

// out [columns] = sum of a(k) for k in [0, count) and this thread's columns, added in blocks, as in tile.h.
template <class Real, class RowA>
void sum_rows(std::size_t count, const RowA& a, std::size_t columns, Real* out, unsigned thread, unsigned threads) {
  if (!out) return;
  const Range own = sum_columns<Real>(columns, thread, threads);
  for (std::size_t j = own.begin; j < own.end; j += kWide * kLanes<Real>) {
    const std::size_t width = least(columns - j, kWide * kLanes<Real>);
    Vec<Real> total[kWide] = {};
    for (std::size_t begin = 0; begin < count; begin += kBlock) {
      Vec<Real> sums[kWide] = {};
      for (std::size_t k = begin; k < least(begin + kBlock, count); ++k) {
        const Real* row = a(k) + j;
        for (std::size_t v = 0; v * kLanes<Real> < width; ++v)
          sums[v] = sums[v] + load_part(row + v * kLanes<Real>, least(width - v * kLanes<Real>, kLanes<Real>));
      }
      for (std::size_t v = 0; v < kWide; ++v) total[v] = total[v] + sums[v];
    }
    for (std::size_t v = 0; v * kLanes<Real> < width; ++v)
      store_part(out + j + v * kLanes<Real>, total[v], least(width - v * kLanes<Real>, kLanes<Real>));
  }
}

// Sums of layer norm's scales and shifts over some steps, or pointers to their gradients; c's where there is a cell.
template <class Real>
struct NormSums {
  Real *ih_w, *ih_b, *hh_w, *hh_b, *c_w, *c_b;
};
template <class Real>
NormSums<Real> open_norm_sums(const Call<Real>& a, const Side<Real>& side, std::size_t chunk) {
  const std::size_t GH = a.spec.gates() * a.H;
  Real* at = side.norm_sums + chunk * norm_sums_size(a);
  NormSums<Real> sums{at, at + GH, at + 2 * GH, at + 3 * GH, nullptr, nullptr};
  if (a.spec.family == Family::kLstm) sums.c_w = at + 4 * GH, sums.c_b = sums.c_w + a.H;
  return sums;
}

// scale [n] += d times hat and shift [n] += d, or begins them. Asks for the next row, as normalise_backward does.
template <class Real>
void add_normed(const Real* d, const Real* hat, std::size_t n, Real* scale, Real* shift, bool fresh) {
  for_lanes<Real>(n, [&](std::size_t j, std::size_t count) {
    fetch(hat + n + j);
    fetch(d + n + j);
    const Vec<Real> value = load_part(d + j, count), by = load_part(hat + j, count), none = {};
    store_part(scale + j, fma(value, by, fresh ? none : load_part(scale + j, count)), count);
    if (shift) store_part(shift + j, fresh ? value : load_part(shift + j, count) + value, count);
  });
}

// Chunks of steps, each summed by one thread: a step's rows are read once, and whole.
template <class Real>
void sum_norm_chunks(const Call<Real>& a, const Side<Real>& side, const Positions& positions, std::size_t direction,
                     unsigned thread, unsigned threads) {
  const std::size_t H = a.H, GH = a.spec.gates() * H;
  const Saved<Real> saved = open_saved(a, a.rest + direction * rest_size(a));
  const Range chunks = share(num_chunks(positions.count), thread, threads);
  for (std::size_t chunk = chunks.begin; chunk < chunks.end; ++chunk) {
    const NormSums<Real> sums = open_norm_sums(a, side, chunk);
    for (std::size_t m = chunk * kChunk; m < least((chunk + 1) * kChunk, positions.count); ++m) {
      const std::size_t at = positions[m];
      const bool fresh = m == chunk * kChunk;
      Real* shift_hh = side.d_sum == side.d_pre ? nullptr : sums.hh_b;
      add_normed(side.d_pre + at * GH, saved.hat_ih + at * GH, GH, sums.ih_w, sums.ih_b, fresh);
      add_normed(side.d_sum + at * GH, saved.hat_hh + at * GH, GH, sums.hh_w, shift_hh, fresh);
      if (sums.c_w) add_normed(side.d_norm_c + at * H, saved.hat_c + at * H, H, sums.c_w, sums.c_b, fresh);
      normalise_backward(side.d_pre + at * GH, GH, a.params[direction].ln_ih_w, saved.hat_ih + at * GH,
                         saved.factor_ih[at], side.d_pre + at * GH);
    }
  }
}

// Where the biases' gradients are summed without layer norm: in the pass that makes the gradient of their weights, if
// there is one.
struct BiasPlan {
  bool ih_with_weights, hh_with_weights;
  bool hh_is_ih;  // a copy will do
};
template <class Real>
BiasPlan plan_biases(const Call<Real>& a, const Gradients<Real>& d, const Side<Real>& side, std::size_t direction) {
  const Parameters<Real*>& out = d.params[direction];
  if (a.spec.norm != Norm::kNone) return {};
  const bool ih = out.b_ih && out.w_ih, same = side.d_sum == side.d_pre && ih && out.b_hh;
  return {ih, !same && out.b_hh && out.w_hh && !a.spec.reset_before, same};
}

// Gradients that are sums over steps or rows: biases, peepholes, the learned initial state. Scales and shifts as far as
// their chunks.
template <class Real>
void sum_gradients(const Call<Real>& a, const Gradients<Real>& d, const Side<Real>& side, const Positions& positions,
                   std::size_t direction, unsigned thread, unsigned threads) {
  const std::size_t H = a.H, GH = a.spec.gates() * H;
  const Parameters<Real*>& out = d.params[direction];
  const auto sum = [&](const Real* array, Real* to) {
    sum_rows(positions.count, [&](std::size_t k) { return array + positions[k] * GH; }, GH, to, thread, threads);
  };
  const auto over_batch = [&](const Real* array, std::size_t stride, std::size_t width, Real* to) {
    if (!array) return to ? clear(to, thread == 0 ? width : 0) : void();
    sum_rows(a.B, [=](std::size_t k) { return array + k * stride; }, width, to, thread, threads);
  };
  const BiasPlan plan = plan_biases(a, d, side, direction);
  if (a.spec.norm != Norm::kNone) {
    sum_norm_chunks(a, side, positions, direction, thread, threads);
  } else {
    if (!plan.ih_with_weights) sum(side.d_pre, out.b_ih);
    if (!plan.hh_with_weights && !plan.hh_is_ih) sum(side.d_sum, out.b_hh);
  }
  over_batch(side.start_h, a.P, a.P, out.start_h);
  over_batch(side.start_c, H, H, out.start_c);
  over_batch(side.peep, 3 * H, (a.spec.gates() - 1) * H, out.peep);
}

// The sums of all chunks. Biases and shifts share their gradients.
template <class Real>
void sum_norm_gradients(const Call<Real>& a, const Gradients<Real>& d, const Side<Real>& side,
                        const Positions& positions, std::size_t direction, unsigned thread, unsigned threads) {
  const std::size_t GH = a.spec.gates() * a.H, count = num_chunks(positions.count), stride = norm_sums_size(a);
  const Parameters<Real*>& out = d.params[direction];
  const NormSums<Real> first = open_norm_sums(a, side, 0);
  const auto sum = [&](const Real* array, std::size_t width, Real* to) {
    sum_rows(count, [=](std::size_t k) { return array + k * stride; }, width, to, thread, threads);
  };
  const Real* shift_hh = side.d_sum == side.d_pre ? first.ih_b : first.hh_b;
  sum(first.ih_w, GH, out.ln_ih_w), sum(first.ih_b, GH, out.ln_ih_b), sum(first.ih_b, GH, out.b_ih);
  sum(first.hh_w, GH, out.ln_hh_w), sum(shift_hh, GH, out.ln_hh_b), sum(shift_hh, GH, out.b_hh);
  if (first.c_w) sum(first.c_w, a.H, out.ln_c_w), sum(first.c_b, a.H, out.ln_c_b);
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
  if (a.spec.norm != Norm::kNone) sum_norm_gradients(a, d, side, positions, direction, thread, threads);
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
