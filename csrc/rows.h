// One row of a batch at one step: where it reads and where it writes. Filled anew at each step, so that the cells know
// nothing of time, order, lengths or resets.
#pragma once

#include "masks.h"
#include "scratch.h"

namespace holdfast {
namespace HOLDFAST_LEVEL {

// Arrays of [P] for h, [H] for c and a gate, [G*H] for gate sums; null where the cell has no such thing.
template <class Real>
struct Row {
  std::size_t slot, caller, length;
  const Real* read;    // what W_hh multiplies: h_prev, or a masked copy
  const Real* h_prev;
  const Real* c_prev;
  const Real* pre;     // the input's part of the gate sums
  Real* sums;          // the recurrent part, where it is not finished in registers
  Real* cell;          // c to be normalised, or its gradient
  Real* copy;          // where the masked copy of h_prev is written
  Real* inner;         // GRU: W_hn h + b_hn, or r h
  Real* output;        // o tanh(c), where a projection follows; in the backward sweep its gradient
  Real* y;
  Real* c;
  Real* gates;         // or null: not saved
  const Real *dropped, *keep_h, *keep_c;
  Real *hat_hh, *factor_hh, *hat_c, *factor_c;
  std::ptrdiff_t ahead;  // positions from this step to the one that comes after it in the sweep
  // Backward only:
  const Real* d_y;
  const Real* saved_output;  // o tanh(c) of the forward sweep
  Real *d_pre, *d_sum, *d_hidden, *d_norm_c, *d_new, *carry, *d_h0, *d_c, *start_h, *start_c, *peep;
  const Real* d_next;  // [G*H] gradient of W h one step later in reading order
  Real *flow_h, *flow_c;
  const Real* d_h_n;   // at the row's last step, else null
  bool has_next;       // a later step sends gradients here
  bool cut;            // that step began with a reset
  bool done;           // past the first step: what arrives belongs to the initial state
};

// One thread's view of the rows it advances in one direction.
template <class Real>
struct Sweep {
  const Call<Real>& a;
  const Scratch<Real>& scratch;
  const Side<Real>& side;
  const Parameters<const Real*>& params;
  Saved<Real> saved;
  Rows<Real> order;
  Crew crew;
  bool reverse;
  Row<Real>* rows;       // [crew.count], longest first
  std::size_t active;    // of them at the present step
  Groups h_columns, p_columns;  // how units of H and P are grouped in packed weights
  Range h_groups, p_groups;     // this member's groups
  Range h_panels, p_panels;     // and their units, in panels

  std::size_t k(std::size_t i) const { return crew.first + i * crew.step; }  // in Rows::slot's order
  void wait_for_crew() const { wait(*crew.barrier, crew.size); }
};

template <class Real>
Sweep<Real> open_sweep(const Call<Real>& a, const Scratch<Real>& scratch, std::size_t direction, unsigned thread,
                       unsigned threads, bool backward) {
  const Crew crew = join(a, direction, thread, threads, scratch.barriers);
  Sweep<Real> s{a, scratch, scratch.side[direction], a.params[direction], {}, {a, scratch.by_length, scratch.offsets},
                crew, direction == 1, scratch.rows + thread * a.B, 0, hidden_groups(a, backward),
                output_groups(a, backward), {}, {}, {}, {}};
  if (a.rest) s.saved = open_saved(a, a.rest + direction * rest_size(a));
  s.h_groups = share(s.h_columns.count, crew.member, crew.size);
  s.p_groups = share(s.p_columns.count, crew.member, crew.size);
  s.h_panels = {s.h_columns.first(s.h_groups.begin), s.h_columns.first(s.h_groups.end)};
  s.p_panels = {s.p_columns.first(s.p_groups.begin), s.p_columns.first(s.p_groups.end)};
  const bool by_panel = !backward && !a.spec.projected && !a.spec.reset_before && a.spec.gates() > 1;
  if (by_panel) s.h_panels = s.p_panels = share(s.h_columns.panels, crew.member, crew.size);
  for (std::size_t i = 0; i < crew.count; ++i) {
    s.rows[i] = Row<Real>{};
    s.rows[i].slot = s.order.slot(s.k(i));
    s.rows[i].caller = s.order.caller(s.rows[i].slot);
    s.rows[i].length = s.order.length(s.rows[i].slot);
  }
  return s;
}

// Asks for memory that the sweep reads at its next step: what was written a whole sweep ago has left the caches, and the
// stride from step to step is too long for the processor to foresee.
template <class Real>
HOLDFAST_INLINE void fetch(const Real* at) {
  __builtin_prefetch(at);
}

template <class Real>
HOLDFAST_INLINE void fetch_to_write(const Real* at) {
  __builtin_prefetch(at, 1);
}

// Calls body(j, n) for blocks of n units from j on, up to kLanes of them, of a range of panels.
template <class Real, class Body>
HOLDFAST_INLINE void for_panels(const Range& panels, std::size_t units, const Body& body) {
  for (std::size_t panel = panels.begin; panel < panels.end; ++panel)
    body(panel * kLanes<Real>, panel_width<Real>(panel, units));
}

// Whether the state is cut off just before row `slot` reads step t. A reset at t stands between t-1 and t: reading
// backwards it comes before step t-1 is read.
template <class Real>
bool is_cut(const Sweep<Real>& s, const Row<Real>& row, std::size_t t) {
  if (!s.a.resets) return false;
  const std::size_t at = s.reverse ? t + 1 : t;
  return at < row.length && s.a.resets[at * s.a.B + row.slot];
}

template <class Real>
HOLDFAST_INLINE Real* at(Real* base, std::size_t offset) {
  return base ? base + offset : nullptr;
}

// What a row finds and leaves in memory at step t, in both sweeps.
template <class Real>
void place(const Sweep<Real>& s, Row<Real>& row, std::size_t k, std::size_t t) {
  const Call<Real>& a = s.a;
  const std::size_t d = s.crew.direction, GH = a.spec.gates() * a.H, position = s.order.position(t, row.slot);
  const std::size_t own = d * a.N + position;
  const bool first = s.reverse ? t + 1 == row.length : t == 0, cut = is_cut(s, row, t);
  const std::size_t before = first ? 0 : s.order.position(s.reverse ? t + 1 : t - 1, row.slot);
  const Real* start_h = s.params.start_h ? s.params.start_h : s.scratch.zeros;
  const Real* start_c = s.params.start_c ? s.params.start_c : s.scratch.zeros;
  row.h_prev = cut ? start_h : first ? a.h0 + (d * a.B + row.caller) * a.P : a.y + before * a.D * a.P + d * a.P;
  row.pre = at<const Real>(s.side.pre, position * GH);
  row.y = a.y + position * a.D * a.P + d * a.P;
  row.gates = at(a.gates, own * a.spec.saved_gates() * a.H);
  row.hat_hh = at(s.saved.hat_hh, position * GH);
  row.factor_hh = at(s.saved.factor_hh, position * 2);
  row.hat_c = at(s.saved.hat_c, position * a.H);
  row.factor_c = at(s.saved.factor_c, position);
  row.inner = at(s.saved.inner, position * a.H);
  row.sums = at(s.side.sums, k * GH);
  row.cell = at(s.side.cell, k * a.H);
  row.dropped = at<const Real>(s.side.dropped, k * a.P);
  row.keep_h = at<const Real>(s.side.keep_h, k * a.P);
  row.keep_c = at<const Real>(s.side.keep_c, k * a.H);
  if (!a.c0) return;
  Real* running = a.c_n ? a.c_n + (d * a.B + row.caller) * a.H : nullptr;  // where the cells are not kept, c lives here
  row.c = a.cells ? a.cells + own * a.H : running;
  row.c_prev = cut          ? start_c
               : first      ? a.c0 + (d * a.B + row.caller) * a.H
               : a.cells    ? a.cells + (d * a.N + before) * a.H
                            : running;
}

// The masks of this step for the units of this thread, where zoneout is at work.
template <class Real>
void draw_zoneout(const Sweep<Real>& s, std::size_t t, std::size_t rows) {
  constexpr std::uint32_t kZoneoutH = 1, kZoneoutC = 2;  // KINDS of reference/masks.py
  const Call<Real>& a = s.a;
  const std::uint32_t tag = 4 * static_cast<std::uint32_t>(s.crew.direction) + 8 * a.layer;
  const auto draw = [&](Real* keep, std::size_t units, const Range& panels, std::uint32_t kind, std::uint32_t limit) {
    if (!keep) return;
    const std::size_t begin = least(panels.begin * kLanes<Real>, units), end = least(panels.end * kLanes<Real>, units);
    for (std::size_t i = 0; i < rows && begin < end; ++i)
      fill_mask(static_cast<std::uint64_t>(*a.seed), static_cast<std::uint32_t>(t),
                static_cast<std::uint32_t>(s.rows[i].caller), tag + kind, limit, begin, end - begin,
                keep + s.k(i) * units + begin);
  };
  draw(s.side.keep_h, a.P, s.p_panels, kZoneoutH, a.spec.zoneout_h_threshold);
  draw(s.side.keep_c, a.H, s.h_panels, kZoneoutC, a.spec.zoneout_c_threshold);
}

// The scale of h under dropout, one mask for the whole sequence.
template <class Real>
void draw_dropout(const Sweep<Real>& s) {
  const Call<Real>& a = s.a;
  if (!s.side.dropped) return;
  const std::uint32_t tag = 4 * static_cast<std::uint32_t>(s.crew.direction) + 8 * a.layer;
  const Real scale = static_cast<Real>(1.0 / (1.0 - a.spec.dropout));
  const std::size_t begin = least(s.p_panels.begin * kLanes<Real>, a.P);
  const std::size_t end = least(s.p_panels.end * kLanes<Real>, a.P);
  for (std::size_t i = 0; i < s.crew.count && begin < end; ++i) {
    Real* out = s.side.dropped + s.k(i) * a.P;
    fill_mask(static_cast<std::uint64_t>(*a.seed), 0u, static_cast<std::uint32_t>(s.rows[i].caller), tag,
              a.spec.dropout_threshold, begin, end - begin, out + begin);
    for (std::size_t j = begin; j < end; ++j) out[j] = (Real(1) - out[j]) * scale;
  }
}

template <class Real>
HOLDFAST_INLINE Vec<Real> keep_old(const Real* keep, Real chance, Vec<Real> old, Vec<Real> fresh, std::size_t j,
                                   std::size_t n) {
  if (keep) return select(load_part(keep + j, n) > splat(Real(0)), old, fresh);
  if (chance > 0) return splat(chance) * old + splat(1 - chance) * fresh;  // evaluation: the expectation
  return fresh;
}

// What reaches the fresh value of the gradient d of keep_old's result, and what the old one.
template <class Real>
struct Shares {
  Vec<Real> fresh, old;
};
template <class Real>
HOLDFAST_INLINE Shares<Real> split_kept(const Real* keep, Real chance, Vec<Real> d, std::size_t j, std::size_t n) {
  const Vec<Real> none = {};
  if (keep) {
    const auto kept = load_part(keep + j, n) > none;
    return {select(kept, none, d), select(kept, d, none)};
  }
  if (chance > 0) return {splat(1 - chance) * d, splat(chance) * d};
  return {d, none};
}

}  // namespace HOLDFAST_LEVEL
}  // namespace holdfast
