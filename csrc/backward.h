// The backward sweep: from each row's last step to its first, the gradient of h from what the next step sent back, then
// the derivative of the cell. Stages and waits as in forward.h.
#pragma once

#include "forward.h"

namespace holdfast {
namespace HOLDFAST_LEVEL {

// The gradient of h(t) from all that reads it: the next step's product (`sums`), what passes by it, and the output itself.
// Gives the part that reaches the fresh h, before zoneout, to cell(row, d_h, j, n).
template <class Real, class Cell>
HOLDFAST_INLINE void back_to_h(const Sweep<Real>& s, const Row<Real>& row, Vec<Real> total, std::size_t j, std::size_t n,
                               const Cell& cell) {
  if (row.has_next) {
    if (row.dropped) total = total * load_part(row.dropped + j, n);
    if (row.carry) total = total + load_part(row.carry + j, n);
    if (row.cut) {
      store_part(row.start_h + j, load_part(row.start_h + j, n) + total, n);
      total = Vec<Real>{};
    }
  } else if (row.d_h_n) {
    total = load_part(row.d_h_n + j, n);
  }
  if (row.done) return store_part(row.d_h0 + j, total, n);
  if (row.d_y) {
    total = total + load_part(row.d_y + j, n);
    fetch(row.d_y + row.ahead * static_cast<std::ptrdiff_t>(s.a.D * s.a.P) + j);
  }
  if (row.flow_h) store_part(row.flow_h + j, total, n);
  if (row.carry) {
    const Shares<Real> shares = split_kept(row.keep_h, static_cast<Real>(s.a.spec.zoneout_h), total, j, n);
    store_part(row.carry + j, shares.old, n);
    total = shares.fresh;
  }
  cell(row, total, j, n);
}

// W_hh^T times what step t+1 left, for the first `linked` rows; the others have no later step.
template <class Real, class Cell>
HOLDFAST_INLINE void product_back(const Sweep<Real>& s, std::size_t linked, const Cell& cell) {
  const std::size_t P = s.a.P, K = (s.a.spec.reset_before ? 2 : s.a.spec.gates()) * s.a.H;
  multiply_flat<Real>([&](std::size_t i) { return s.rows[i].d_next; }, linked, K, s.side.w_hh, s.p_columns,
                      s.p_groups,
                      [&](std::size_t i, std::size_t panel, const Real* sums) {
                        back_to_h(s, s.rows[i], load(sums), panel * kLanes<Real>, panel_width<Real>(panel, P), cell);
                      });
  for (std::size_t i = linked; i < s.active; ++i)
    for_panels<Real>(s.p_panels, P, [&](std::size_t j, std::size_t n) {
      back_to_h(s, s.rows[i], Vec<Real>{}, j, n, cell);
    });
}

// The derivative of the normalisation of a row's recurrent sums.
template <class Real>
void normalise_sums_back(const Sweep<Real>& s, const Row<Real>& row, std::size_t begin, std::size_t size,
                         std::size_t part) {
  const Real* hat = row.hat_hh + begin;
  normalise_backward(row.d_sum + begin, size, s.params.ln_hh_w + begin, hat, row.factor_hh[part], row.d_hidden + begin);
}

template <class Real, int G>
void lstm_normed_back(const Sweep<Real>& s) {
  const std::size_t H = s.a.H;
  const bool ba2016 = s.a.spec.norm == Norm::kBa2016;
  for_own_rows(s, [&](const Row<Real>& row) {
    const Real* d_h = s.a.spec.projected ? row.output : row.d_new;
    const std::ptrdiff_t ahead = row.ahead * static_cast<std::ptrdiff_t>(H);
    for_lanes<Real>(H, [&](std::size_t j, std::size_t n) {
      fetch(row.hat_c + ahead + j);
      const LstmStep<Real> d = lstm_back_to_cell<Real, G>(s, row, load_part(d_h + j, n), j, n);
      store_part(row.d_norm_c + j, d.d_norm, n);
      store_part(row.cell + j, d.d_raw, n);
      store_part(row.d_pre + (G - 1) * H + j, d.d_pre_o, n);
      store_part(row.d_c + j, d.carry, n);
    });
    normalise_backward(row.d_norm_c, H, s.params.ln_c_w, row.hat_c, *row.factor_c, row.output);
    for_lanes<Real>(H, [&](std::size_t j, std::size_t n) {
      LstmStep<Real> d{};
      d.i = load_part(row.gates + j, n), d.f = load_part(row.gates + H + j, n);
      d.g = load_part(row.gates + 2 * H + j, n), d.c_prev = load_part(row.c_prev + j, n);
      d.d_raw = load_part(row.cell + j, n) + load_part(row.output + j, n);
      d.d_pre_o = load_part(row.d_pre + (G - 1) * H + j, n);
      d.carry = load_part(row.d_c + j, n);
      if (row.flow_c && ba2016) store_part(row.flow_c + j, d.d_raw, n);
      lstm_back_to_gates<Real, G>(s, row, d, j, n);
    });
    normalise_sums_back(s, row, 0, G * H, 0);
  });
}

// d(o tanh c) = W_hr^T d_h
template <class Real>
void project_back(const Sweep<Real>& s) {
  s.wait_for_crew();
  multiply_flat<Real>([&](std::size_t i) { return s.rows[i].d_new; }, s.active, s.a.P, s.side.w_hr, s.h_columns,
                      s.h_groups,
                      [&](std::size_t i, std::size_t panel, const Real* sums) {
                        store_part(s.rows[i].output + panel * kLanes<Real>, load(sums),
                                   panel_width<Real>(panel, s.a.H));
                      });
}

template <class Real>
void gru_before_back(const Sweep<Real>& s) {
  const std::size_t H = s.a.H;
  const bool normed = s.a.spec.norm != Norm::kNone;
  for_own_units(s, [&](const Row<Real>& row, std::size_t j, std::size_t n) {
    gru_back_first(s, row, load_part(row.d_new + j, n), j, n);
  });
  if (normed) for_own_rows(s, [&](const Row<Real>& row) { normalise_sums_back(s, row, 2 * H, H, 1); });
  s.wait_for_crew();
  multiply_flat<Real>([&](std::size_t i) { return s.rows[i].d_hidden + 2 * H; }, s.active, H, s.side.w_n, s.h_columns,
                      s.h_groups,
                      [&](std::size_t i, std::size_t panel, const Real* sums) {
                        gru_back_reset(s.rows[i], load(sums), panel * kLanes<Real>, panel_width<Real>(panel, H));
                      });
  if (normed) for_own_rows(s, [&](const Row<Real>& row) { normalise_sums_back(s, row, 0, 2 * H, 0); });
}

template <class Real, int G>
HOLDFAST_INLINE void lstm_step_back(const Sweep<Real>& s, std::size_t linked) {
  if (s.a.spec.norm == Norm::kNone && !s.a.spec.projected)
    return product_back(s, linked, [&](const Row<Real>& row, Vec<Real> d_h, std::size_t j, std::size_t n) {
      lstm_backward<Real, G>(s, row, d_h, j, n);
    });
  product_back(s, linked, [&](const Row<Real>& row, Vec<Real> d_h, std::size_t j, std::size_t n) {
    store_part(row.d_new + j, d_h, n);
  });
  if (s.a.spec.projected) project_back(s);
  if (s.a.spec.norm != Norm::kNone) return lstm_normed_back<Real, G>(s);
  for_own_units(s, [&](const Row<Real>& row, std::size_t j, std::size_t n) {
    lstm_backward<Real, G>(s, row, load_part(row.output + j, n), j, n);
  });
}

// GRU and RNN: fused, or by way of d_new.
template <class Real, class Cell>
HOLDFAST_INLINE void other_step_back(const Sweep<Real>& s, std::size_t linked, const Cell& cell) {
  if (is_fused<Real>(s.a.spec)) return product_back(s, linked, cell);
  product_back(s, linked, [&](const Row<Real>& row, Vec<Real> d_h, std::size_t j, std::size_t n) {
    store_part(row.d_new + j, d_h, n);
  });
  if (s.a.spec.reset_before) return gru_before_back(s);
  for_own_rows(s, [&](const Row<Real>& row) {
    for_lanes<Real>(s.a.H, [&](std::size_t j, std::size_t n) { cell(row, load_part(row.d_new + j, n), j, n); });
    normalise_sums_back(s, row, 0, s.a.spec.gates() * s.a.H, 0);
  });
}

template <class Real>
void step_back(const Sweep<Real>& s, std::size_t linked) {
  switch (s.a.spec.family) {
    case Family::kLstm:
      s.a.spec.forget == Forget::kOwn ? lstm_step_back<Real, 4>(s, linked) : lstm_step_back<Real, 3>(s, linked);
      break;
    case Family::kGru:
      other_step_back(s, linked, [&](const Row<Real>& row, Vec<Real> d_h, std::size_t j, std::size_t n) {
        gru_backward(s, row, d_h, j, n);
      });
      break;
    case Family::kRnn:
      other_step_back(s, linked, [&](const Row<Real>& row, Vec<Real> d_h, std::size_t j, std::size_t n) {
        rnn_backward(s, row, d_h, j, n);
      });
      break;
  }
  s.wait_for_crew();
}

template <class Real>
void place_back(const Sweep<Real>& s, const Gradients<Real>& d, Row<Real>& row, std::size_t k, std::size_t t) {
  const Call<Real>& a = s.a;
  const std::size_t direction = s.crew.direction, GH = a.spec.gates() * a.H;
  const std::size_t position = s.order.position(t, row.slot), own = direction * a.N + position;
  place(s, row, k, t);
  const std::size_t after = s.reverse ? t + 1 : t - 1;
  row.ahead = after < row.length ? static_cast<std::ptrdiff_t>(s.order.position(after, row.slot) - position) : 0;
  row.d_y = at<const Real>(d.d_y, position * a.D * a.P + direction * a.P);
  row.output = at(s.side.output, k * a.H);
  row.d_pre = s.side.d_pre + position * GH;
  row.d_sum = s.side.d_sum + position * GH;
  row.d_hidden = s.side.d_hidden + position * GH;
  row.d_norm_c = at(s.side.d_norm_c, position * a.H);
  row.d_new = at(s.side.d_new, (a.spec.projected ? position : k) * a.P);
  row.flow_h = at(d.d_h, own * a.P);
  row.flow_c = at(d.d_c, own * a.H);
  if (s.crew.member == 0)
    s.side.read_rows[position] = s.saved.read ? s.saved.read + position * a.P : row.h_prev;
}

// Brings rows to step t, whose next step in reading order is `next`. The first `linked` rows have that one; of them those
// beyond the active ones are done: their initial state is all that is left.
template <class Real>
void open_step_back(const Sweep<Real>& s, const Gradients<Real>& d, std::size_t t, std::size_t next,
                    std::size_t linked) {
  const std::size_t GH = s.a.spec.gates() * s.a.H;
  for (std::size_t i = 0; i < linked || i < s.active; ++i) {
    Row<Real>& row = s.rows[i];
    row.done = i >= s.active;
    row.has_next = i < linked;
    row.cut = row.has_next && is_cut(s, row, next);
    if (row.has_next) row.d_next = s.side.d_hidden + s.order.position(next, row.slot) * GH;
    if (!row.done) {
      place_back(s, d, row, s.k(i), t);
    } else if (row.cut && row.d_c) {
      for_panels<Real>(s.h_panels, s.a.H, [&](std::size_t j, std::size_t n) {
        store_part(row.start_c + j, load_part(row.start_c + j, n) + load_part(row.d_c + j, n), n);
        store_part(row.d_c + j, Vec<Real>{}, n);
      });
    }
  }
  draw_zoneout(s, t, s.active);
}

template <class Real>
void copy_or_clear(Real* out, const Real* in, std::size_t n) {
  if (in) {
    __builtin_memcpy(out, in, n * sizeof(Real));
  } else {
    __builtin_memset(out, 0, n * sizeof(Real));
  }
}

template <class Real>
void clear(Real* out, std::size_t n) {
  if (out) __builtin_memset(out, 0, n * sizeof(Real));
}

// What holds for a row throughout; its gradients of the states start as those of the final ones.
template <class Real>
void open_rows_back(const Sweep<Real>& s, const Gradients<Real>& d) {
  const Call<Real>& a = s.a;
  for (std::size_t i = 0; i < s.crew.count; ++i) {
    Row<Real>& row = s.rows[i];
    const std::size_t k = s.k(i), state = s.crew.direction * a.B + row.caller;
    row.d_h_n = at<const Real>(d.d_h_n, state * a.P);
    row.d_h0 = d.d_h0 + state * a.P;
    row.d_c = at(d.d_c0, state * a.H);
    row.dropped = at<const Real>(s.side.dropped, k * a.P);
    row.carry = at(s.side.carry, k * a.P);
    row.start_h = at(s.side.start_h, k * a.P);
    row.start_c = at(s.side.start_c, k * a.H);
    row.peep = at(s.side.peep, k * 3 * a.H);
    if (s.crew.member != 0) continue;
    copy_or_clear(row.d_h0, row.d_h_n, a.P);
    if (row.d_c) copy_or_clear(row.d_c, at<const Real>(d.d_c_n, state * a.H), a.H);
    clear(row.start_h, a.P);
    clear(row.start_c, a.H);
    clear(row.peep, 3 * a.H);
  }
  s.wait_for_crew();
}

template <class Real>
void backward_sweep(Sweep<Real>& s, const Gradients<Real>& d) {
  const std::size_t T = s.a.T;
  draw_dropout(s);
  open_rows_back(s, d);
  s.active = s.reverse ? s.crew.count : 0;
  for (std::size_t k = 0; k <= T; ++k) {
    const std::size_t t = s.reverse ? k : T - 1 - k, next = s.reverse ? k - 1 : T - k, linked_before = s.active;
    const std::size_t linked = k == 0 ? 0 : linked_before;
    if (k == T && !s.reverse) {
      s.active = 0;
    } else if (s.reverse) {
      while (s.active > 0 && s.rows[s.active - 1].length <= t) --s.active;
    } else {
      while (s.active < s.crew.count && s.rows[s.active].length > t) ++s.active;
    }
    if (s.active == 0 && linked == 0) continue;
    open_step_back(s, d, t, next, linked);
    step_back(s, linked);
  }
}

}  // namespace HOLDFAST_LEVEL
}  // namespace holdfast
