// The forward sweep through time: at each step the recurrent product, and the cell's own update while its sums are still
// at hand. What needs a whole row (a normalisation, a second product) runs in stages, between which a crew waits.
#pragma once

#include "gru.h"
#include "norm.h"
#include "rnn.h"

namespace holdfast {
namespace HOLDFAST_LEVEL {

// What the next step reads of G gates' sums and where it writes, one vector of units: asked for here, one row at a time,
// because the processor drops such requests when many come at once.
template <class Real, int G>
HOLDFAST_INLINE void fetch_ahead(const Sweep<Real>& s, const Row<Real>& row, std::size_t j) {
  const Call<Real>& a = s.a;
  if (a.spec.norm == Norm::kNone) {  // NormedSums asks for its own
    const Real* pre = row.pre + row.ahead * static_cast<std::ptrdiff_t>(a.spec.gates() * a.H) + j;
    for (int gate = 0; gate < G; ++gate) fetch(pre + gate * a.H);
  }
  fetch_to_write(row.y + row.ahead * static_cast<std::ptrdiff_t>(a.D * a.P) + j);
  if (a.cells) fetch_to_write(row.c + row.ahead * static_cast<std::ptrdiff_t>(a.H) + j);
}

// Advances active rows by the product and the cell at once.
template <class Real, int G, class Cell>
HOLDFAST_INLINE void fused_step(const Sweep<Real>& s, const Cell& cell) {
  const auto read = [&](std::size_t i) { return s.rows[i].read; };
  const auto update = [&](std::size_t i, std::size_t panel, const Real* sums) {
    const std::size_t j = panel * kLanes<Real>;
    fetch_ahead<Real, G>(s, s.rows[i], j);
    cell(s.rows[i], sums, j, panel_width<Real>(panel, s.a.H));
  };
  if constexpr (G == 1) {
    multiply_flat<Real>(read, s.active, s.a.P, s.side.w_hh, s.h_columns, s.h_groups, update);
  } else {
    multiply<Real, G>(read, s.active, s.a.P, s.side.w_hh, s.h_panels, update);
  }
}

// Writes the recurrent sums of G gates to row.sums.
template <class Real, int G>
void sums_step(const Sweep<Real>& s) {
  fused_step<Real, G>(s, [&](const Row<Real>& row, const Real* sums, std::size_t j, std::size_t n) {
    for (int g = 0; g < G; ++g) store_part(row.sums + g * s.a.H + j, load(sums + g * kLanes<Real>), n);
  });
}

template <class Real, class Body>
HOLDFAST_INLINE void for_own_units(const Sweep<Real>& s, const Body& body) {
  for (std::size_t i = 0; i < s.active; ++i)
    for_panels<Real>(s.h_panels, s.a.H, [&](std::size_t j, std::size_t n) { body(s.rows[i], j, n); });
}

// Calls body(row) for whole rows, shared out among the crew once all their units are there; nothing waits after it. What
// happens to a row between two products happens here at once, while its numbers are in the nearest cache.
template <class Real, class Body>
HOLDFAST_INLINE void for_own_rows(const Sweep<Real>& s, const Body& body) {
  s.wait_for_crew();
  for (std::size_t i = s.crew.member; i < s.active; i += s.crew.size) body(s.rows[i]);
}

// Asks for the place of the next step's gates: stores to memory that no cache holds would wait as loads do.
template <class Real>
HOLDFAST_INLINE void fetch_gates(const Sweep<Real>& s, const Row<Real>& row, std::size_t j) {
  if (!row.gates) return;
  const std::size_t H = s.a.H, gates = s.a.spec.saved_gates();
  const Real* next = row.gates + row.ahead * static_cast<std::ptrdiff_t>(gates * H) + j;
  for (std::size_t gate = 0; gate < gates; ++gate) fetch(next + gate * H);
}

// Gate sums under layer norm, finished as they are read: the normalised W x lies in row.pre, and W h is normalised here
// and kept where asked for. What the row reads and keeps at its next step is asked for along the way.
template <class Real>
struct NormedSums {
  const Real *pre, *sums, *ih_w, *hh_w, *shift;
  Real* kept;
  std::ptrdiff_t ahead;  // numbers from this step's sums to the next one's
  Moments<Real> by;

  // W h, with `start` added.
  HOLDFAST_INLINE Vec<Real> hidden(std::size_t at, Vec<Real> start, std::size_t n) const {
    const Vec<Real> hat = by.hat(load_part(sums + at, n));
    if (kept) {
      fetch(kept + at + ahead);
      store_part(kept + at, hat, n);
    }
    return fma(hat, load_part(hh_w + at, n), start);
  }
  // W x, with all shifts and biases that are not r's to multiply.
  HOLDFAST_INLINE Vec<Real> input(std::size_t at, std::size_t n) const {
    fetch(pre + at + ahead);
    return fma(load_part(pre + at, n), load_part(ih_w + at, n), load_part(shift + at, n));
  }
  HOLDFAST_INLINE Vec<Real> operator()(std::size_t at, std::size_t n) const { return hidden(at, input(at, n), n); }
};

// For the part [begin, begin + size) of a row, whose factor has number `part`.
template <class Real>
HOLDFAST_INLINE NormedSums<Real> normed_sums(const Sweep<Real>& s, const Row<Real>& row, std::size_t begin,
                                             std::size_t size, std::size_t part) {
  const Moments<Real> by = moments<Real>(row.sums + begin, size);
  if (row.factor_hh) row.factor_hh[part] = by.factor;
  const std::ptrdiff_t ahead = row.ahead * static_cast<std::ptrdiff_t>(s.a.spec.gates() * s.a.H);
  return {row.pre, row.sums, s.params.ln_ih_w, s.params.ln_hh_w, s.side.bias, row.hat_hh, ahead, by};
}

// An LSTM with layer norm, a row at a time: the sums' moments, c, its moments, h.
template <class Real, int G>
void lstm_normed_step(const Sweep<Real>& s) {
  const std::size_t H = s.a.H;
  sums_step<Real, G>(s);
  for_own_rows(s, [&](const Row<Real>& row) {
    const NormedSums<Real> sums = normed_sums(s, row, 0, G * H, 0);
    for_lanes<Real>(H, [&](std::size_t j, std::size_t n) {
      const auto sum = [&](int gate) { return sums(gate * H + j, n); };
      fetch_gates(s, row, j);
      store_part(row.cell + j, lstm_cell<Real, G>(s, row, sum, j, n), n);
    });
    const Moments<Real> by = moments<Real>(row.cell, H);
    if (row.factor_c) *row.factor_c = by.factor;
    for_lanes<Real>(H, [&](std::size_t j, std::size_t n) {
      const Vec<Real> raw = load_part(row.cell + j, n), hat = by.hat(raw);
      if (row.hat_c) store_part(row.hat_c + j, hat, n);
      const Vec<Real> read = fma(hat, load_part(s.params.ln_c_w + j, n), load_part(s.params.ln_c_b + j, n));
      const Vec<Real> c = s.a.spec.norm == Norm::kBa2016 ? raw : read;
      lstm_output<Real, G>(s, row, sums((G - 1) * H + j, n), c, read, j, n);
    });
  });
}

// r, z and r h of a GRU that resets before the product, normalised or not.
template <class Real>
void gru_reset_step(const Sweep<Real>& s) {
  const std::size_t H = s.a.H;
  sums_step<Real, 2>(s);
  if (s.a.spec.norm == Norm::kNone)
    return for_own_units(s, [&](const Row<Real>& row, std::size_t j, std::size_t n) {
      const auto sum = [&](int gate) {
        return load_part(row.pre + gate * H + j, n) + load_part(row.sums + gate * H + j, n);
      };
      gru_reset(s, row, sum, j, n);
    });
  for_own_rows(s, [&](const Row<Real>& row) {
    const NormedSums<Real> sums = normed_sums(s, row, 0, 2 * H, 0);
    for_lanes<Real>(H, [&](std::size_t j, std::size_t n) {
      fetch_gates(s, row, j);
      gru_reset(s, row, [&](int gate) { return sums(gate * H + j, n); }, j, n);
    });
  });
}

// A GRU that resets before the product.
template <class Real>
void gru_before_step(const Sweep<Real>& s) {
  const std::size_t H = s.a.H;
  gru_reset_step(s);
  s.wait_for_crew();
  const auto inner = [&](std::size_t i) { return s.rows[i].inner; };
  multiply_flat<Real>(inner, s.active, H, s.side.w_n, s.h_columns, s.h_groups,
                      [&](std::size_t i, std::size_t panel, const Real* sums) {
                        store_part(s.rows[i].sums + 2 * H + panel * kLanes<Real>, load(sums),
                                   panel_width<Real>(panel, H));
                      });
  if (s.a.spec.norm == Norm::kNone)
    return for_own_units(s, [&](const Row<Real>& row, std::size_t j, std::size_t n) {
      gru_candidate(s, row, load_part(row.pre + 2 * H + j, n) + load_part(row.sums + 2 * H + j, n), j, n);
    });
  for_own_rows(s, [&](const Row<Real>& row) {
    const NormedSums<Real> sums = normed_sums(s, row, 2 * H, H, 1);
    for_lanes<Real>(H, [&](std::size_t j, std::size_t n) { gru_candidate(s, row, sums(2 * H + j, n), j, n); });
  });
}

template <class Real, int G>
HOLDFAST_INLINE void lstm_step(const Sweep<Real>& s) {
  if (s.a.spec.norm != Norm::kNone) return lstm_normed_step<Real, G>(s);
  fused_step<Real, G>(s, [&](const Row<Real>& row, const Real* sums, std::size_t j, std::size_t n) {
    lstm_forward<Real, G>(s, row, sums, j, n);
  });
}

template <class Real>
void gru_step(const Sweep<Real>& s) {
  if (s.a.spec.reset_before) return gru_before_step(s);
  if (s.a.spec.norm == Norm::kNone)
    return fused_step<Real, 3>(s, [&](const Row<Real>& row, const Real* sums, std::size_t j, std::size_t n) {
      gru_forward(s, row, sums, j, n);
    });
  const std::size_t H = s.a.H;
  sums_step<Real, 3>(s);
  for_own_rows(s, [&](const Row<Real>& row) {
    const NormedSums<Real> sums = normed_sums(s, row, 0, 3 * H, 0);
    for_lanes<Real>(H, [&](std::size_t j, std::size_t n) {
      fetch_gates(s, row, j);
      const std::size_t at = 2 * H + j;
      Vec<Real> start = load_part(s.params.ln_hh_b + at, n);
      if (s.params.b_hh) start = start + load_part(s.params.b_hh + at, n);
      const auto sum = [&](int gate) { return sums(gate * H + j, n); };
      gru_update(s, row, sum, sums.hidden(at, start, n), sums.input(at, n), j, n);
    });
  });
}

template <class Real>
void rnn_step(const Sweep<Real>& s) {
  if (s.a.spec.norm == Norm::kNone)
    return fused_step<Real, 1>(s, [&](const Row<Real>& row, const Real* sums, std::size_t j, std::size_t n) {
      rnn_forward(s, row, load_part(row.pre + j, n) + load(sums), j, n);
    });
  sums_step<Real, 1>(s);
  for_own_rows(s, [&](const Row<Real>& row) {
    const NormedSums<Real> sums = normed_sums(s, row, 0, s.a.H, 0);
    for_lanes<Real>(s.a.H, [&](std::size_t j, std::size_t n) {
      fetch_gates(s, row, j);
      rnn_forward(s, row, sums(j, n), j, n);
    });
  });
}

// h = W_hr (o tanh(c))
template <class Real>
void project_step(const Sweep<Real>& s) {
  s.wait_for_crew();
  multiply_flat<Real>([&](std::size_t i) { return s.rows[i].output; }, s.active, s.a.H, s.side.w_hr, s.p_columns, s.p_groups,
                      [&](std::size_t i, std::size_t panel, const Real* sums) {
                        finish_h(s, s.rows[i], load(sums), panel * kLanes<Real>, panel_width<Real>(panel, s.a.P));
                      });
}

// Where step t's rows read and write, and the masked copy of h that the product reads under dropout.
template <class Real>
void open_step(const Sweep<Real>& s, std::size_t t) {
  const Call<Real>& a = s.a;
  for (std::size_t i = 0; i < s.active; ++i) {
    Row<Real>& row = s.rows[i];
    const std::size_t k = s.k(i), position = s.order.position(t, row.slot);
    place(s, row, k, t);
    row.read = row.h_prev;
    const std::size_t after = s.reverse ? t - 1 : t + 1;
    row.ahead = after < row.length ? static_cast<std::ptrdiff_t>(s.order.position(after, row.slot) - position) : 0;
    row.output = a.spec.projected ? (s.saved.output ? s.saved.output + position * a.H : s.side.output + k * a.H) : nullptr;
    if (a.spec.reset_before && !row.inner) row.inner = s.side.read + (a.B + k) * a.P;
    if (!row.dropped) continue;
    row.copy = s.saved.read ? s.saved.read + position * a.P : s.side.read + k * a.P;
    row.read = row.copy;
    for_panels<Real>(s.p_panels, a.P, [&](std::size_t j, std::size_t n) {
      store_part(row.copy + j, load_part(row.h_prev + j, n) * load_part(row.dropped + j, n), n);
    });
  }
  draw_zoneout(s, t, s.active);
  if (s.side.dropped) s.wait_for_crew();
}

template <class Real>
void step(const Sweep<Real>& s) {
  switch (s.a.spec.family) {
    case Family::kLstm: s.a.spec.forget == Forget::kOwn ? lstm_step<Real, 4>(s) : lstm_step<Real, 3>(s); break;
    case Family::kGru: gru_step(s); break;
    case Family::kRnn: rnn_step(s); break;
  }
  if (s.a.spec.projected) project_step(s);
  s.wait_for_crew();
}

// The state after each row's last step: where it is, or what was given to a row without steps.
template <class Real>
void close_rows(const Sweep<Real>& s) {
  const Call<Real>& a = s.a;
  const std::size_t d = s.crew.direction;
  for (std::size_t i = s.crew.member; i < s.crew.count; i += s.crew.size) {
    const Row<Real>& row = s.rows[i];
    const std::size_t state = d * a.B + row.caller, length = row.length;
    const std::size_t last = length ? s.order.position(s.reverse ? 0 : length - 1, row.slot) : 0;
    const Real* h = length ? a.y + last * a.D * a.P + d * a.P : a.h0 + state * a.P;
    __builtin_memcpy(a.h_n + state * a.P, h, a.P * sizeof(Real));
    if (!a.c0 || (length && !a.cells)) continue;  // c_n held c all along
    const Real* c = length ? a.cells + (d * a.N + last) * a.H : a.c0 + state * a.H;
    __builtin_memcpy(a.c_n + state * a.H, c, a.H * sizeof(Real));
  }
}

template <class Real>
void forward_sweep(Sweep<Real>& s) {
  const std::size_t T = s.a.T;
  draw_dropout(s);
  s.active = s.reverse ? 0 : s.crew.count;
  for (std::size_t k = 0; k < T; ++k) {
    const std::size_t t = s.reverse ? T - 1 - k : k;
    if (s.reverse) {
      while (s.active < s.crew.count && s.rows[s.active].length > t) ++s.active;
    } else {
      while (s.active > 0 && s.rows[s.active - 1].length <= t) --s.active;
    }
    if (s.active == 0) continue;  // the same for the whole crew
    open_step(s, t);
    step(s);
  }
  close_rows(s);
}

}  // namespace HOLDFAST_LEVEL
}  // namespace holdfast
