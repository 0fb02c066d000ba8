// The two sweeps through time, the same for every cell: a register tile of rows x panels takes the product with the
// recurrent weights, and the cell's own update follows while the sums are still in registers.
//
// Each row's sums run over k in one fixed order, whatever the tile: the split over threads cannot change a bit.
#pragma once

#include "kernels.h"
#include "vector.h"

namespace holdfast {
namespace HOLDFAST_LEVEL {

constexpr int kGroup = 4;  // panels side by side in the backward product

HOLDFAST_INLINE std::size_t num_panels(std::size_t H) { return (H + kLanes - 1) / kLanes; }

HOLDFAST_INLINE std::size_t panel_width(std::size_t panel, std::size_t H) {
  const std::size_t left = H - panel * kLanes;
  return left < kLanes ? left : kLanes;
}

// Rows of the next tile, so that the tiles of a range differ by one row at most.
HOLDFAST_INLINE std::size_t next_tile(std::size_t rows) {
  const std::size_t tiles = (rows + kRows - 1) / kRows;
  return (rows + tiles - 1) / tiles;
}

// Forward weights, packed: [panel][k < H][gate][lane].
template <class Cell, int R, int P>
void forward_tile(const ForwardArgs& a, std::size_t t, std::size_t t_prev, bool first, std::size_t b,
                  std::size_t panel) {
  constexpr int G = Cell::kGates;
  const std::size_t H = a.H, panel_size = H * G * kLanes;
  Vec sums[P][R][G] = {};
  const float* h = (first ? a.h0 : a.y + t_prev * a.B * H) + b * H;
  const float* weights = a.weights + panel * panel_size;
  for (std::size_t k = 0; k < H; ++k) {
    Vec w[P][G];
    HOLDFAST_UNROLL
    for (int p = 0; p < P; ++p) {
      HOLDFAST_UNROLL
      for (int g = 0; g < G; ++g) w[p][g] = load(weights + p * panel_size + (k * G + g) * kLanes);
    }
    HOLDFAST_UNROLL
    for (int r = 0; r < R; ++r) {
      const Vec h_k = splat(h[r * H + k]);
      HOLDFAST_UNROLL
      for (int p = 0; p < P; ++p) {
        HOLDFAST_UNROLL
        for (int g = 0; g < G; ++g) sums[p][r][g] = fma(h_k, w[p][g], sums[p][r][g]);
      }
    }
  }
  HOLDFAST_UNROLL
  for (int p = 0; p < P; ++p) {
    const std::size_t j = (panel + p) * kLanes, n = panel_width(panel + p, H);
    HOLDFAST_UNROLL
    for (int r = 0; r < R; ++r) {
      const float* pre = a.pre + (t * a.B + b + r) * G * H + j;
      HOLDFAST_UNROLL
      for (int g = 0; g < G; ++g) {
        const bool apart = Cell::kCarries && g == G - 1;  // the GRU's n: see gru.h
        const Vec added = !apart ? load_part(pre + g * H, n) : a.bias_n ? load_part(a.bias_n + j, n) : Vec{};
        sums[p][r][g] = sums[p][r][g] + added;
      }
      Cell::forward(sums[p][r], a, t, t_prev, first, b + r, j, n);
    }
  }
}

template <class Cell, int P>
void forward_rows(const ForwardArgs& a, std::size_t t, std::size_t t_prev, bool first, std::size_t begin,
                  std::size_t end, std::size_t panel) {
  for (std::size_t b = begin; b < end;) {
    const std::size_t rows = next_tile(end - b);
    switch (rows) {
      case 1: forward_tile<Cell, 1, P>(a, t, t_prev, first, b, panel); break;
      case 2: forward_tile<Cell, 2, P>(a, t, t_prev, first, b, panel); break;
      case 3: forward_tile<Cell, 3, P>(a, t, t_prev, first, b, panel); break;
      case 4: forward_tile<Cell, kRows < 4 ? 1 : 4, P>(a, t, t_prev, first, b, panel); break;
      case 5: forward_tile<Cell, kRows < 5 ? 1 : 5, P>(a, t, t_prev, first, b, panel); break;
      default: forward_tile<Cell, kRows < 6 ? 1 : 6, P>(a, t, t_prev, first, b, panel); break;
    }
    b += rows;
  }
}

template <class Cell>
void forward_sweep(const ForwardArgs& a, std::size_t begin, std::size_t end) {
  const std::size_t panels = num_panels(a.H);
  for (std::size_t s = 0; s < a.T; ++s) {
    const std::size_t t = a.reverse ? a.T - 1 - s : s, t_prev = a.reverse ? t + 1 : t - 1;
    const bool first = s == 0;
    std::size_t panel = 0;
    if (end - begin == 1) {
      for (; panel + Cell::kSinglePanels <= panels; panel += Cell::kSinglePanels)
        forward_tile<Cell, 1, Cell::kSinglePanels>(a, t, t_prev, first, begin, panel);
    } else {
      for (; panel + Cell::kPanels <= panels; panel += Cell::kPanels)
        forward_rows<Cell, Cell::kPanels>(a, t, t_prev, first, begin, end, panel);
    }
    for (; panel < panels; ++panel) forward_rows<Cell, 1>(a, t, t_prev, first, begin, end, panel);
  }
}

// Backward weights, packed: [group][k < G*H][panel of the group][lane]; the last group may hold fewer panels.
// At the first step of the sweep the gradient of h comes from outside alone; after the last one it is that of h0.
template <class Cell, int R, int P>
void backward_tile(const BackwardArgs& a, std::size_t s, std::size_t b, std::size_t panel) {
  const std::size_t H = a.H, K = Cell::kGates * H, plane = a.B * H;
  const bool done = s == a.T, last = s + 1 == a.T;
  const std::size_t t = a.reverse ? s : a.T - 1 - s;  // when done, one past the end: unused
  const std::size_t t_prev = a.reverse ? t + 1 : t - 1, t_next = a.reverse ? t - 1 : t + 1;
  Vec d_h[P][R];
  HOLDFAST_UNROLL
  for (int p = 0; p < P; ++p) {
    const std::size_t n = panel_width(panel + p, H);
    HOLDFAST_UNROLL
    for (int r = 0; r < R; ++r) {
      const std::size_t here = (b + r) * H + (panel + p) * kLanes;
      Vec sum = {};
      if (s == 0 && a.d_h_n) sum = load_part(a.d_h_n + here, n);
      if (s > 0 && Cell::kCarries) sum = load_part(a.d_h0 + here, n);
      if (!done && a.d_y) sum = sum + load_part(a.d_y + t * plane + here, n);
      d_h[p][r] = sum;
    }
  }
  if (s > 0) {
    const float* weights = a.weights + panel * K * kLanes;
    for (int g = 0; g < Cell::kGates; ++g) {
      // One partial sum a gate: shorter chains of additions lose less than one chain of G*H.
      const float* d_hidden = a.d_hidden + (t_next * a.B + b) * K + g * H;
      Vec sums[P][R] = {};
      for (std::size_t k = 0; k < H; ++k, weights += P * kLanes) {
        Vec w[P];
        HOLDFAST_UNROLL
        for (int p = 0; p < P; ++p) w[p] = load(weights + p * kLanes);
        HOLDFAST_UNROLL
        for (int r = 0; r < R; ++r) {
          const Vec d_k = splat(d_hidden[r * K + k]);
          HOLDFAST_UNROLL
          for (int p = 0; p < P; ++p) sums[p][r] = fma(d_k, w[p], sums[p][r]);
        }
      }
      HOLDFAST_UNROLL
      for (int p = 0; p < P; ++p) {
        HOLDFAST_UNROLL
        for (int r = 0; r < R; ++r) d_h[p][r] = d_h[p][r] + sums[p][r];
      }
    }
  }
  HOLDFAST_UNROLL
  for (int p = 0; p < P; ++p) {
    const std::size_t j = (panel + p) * kLanes, n = panel_width(panel + p, H);
    HOLDFAST_UNROLL
    for (int r = 0; r < R; ++r) {
      if (done) {
        store_part(a.d_h0 + (b + r) * H + j, d_h[p][r], n);
      } else {
        Cell::backward(d_h[p][r], a, t, t_prev, last, b + r, j, n);
      }
    }
  }
}

template <class Cell, int P>
void backward_rows(const BackwardArgs& a, std::size_t s, std::size_t begin, std::size_t end, std::size_t panel) {
  for (std::size_t b = begin; b < end;) {
    const std::size_t rows = next_tile(end - b);
    switch (rows) {
      case 1: backward_tile<Cell, 1, P>(a, s, b, panel); break;
      case 2: backward_tile<Cell, 2, P>(a, s, b, panel); break;
      case 3: backward_tile<Cell, 3, P>(a, s, b, panel); break;
      case 4: backward_tile<Cell, kRows < 4 ? 1 : 4, P>(a, s, b, panel); break;
      case 5: backward_tile<Cell, kRows < 5 ? 1 : 5, P>(a, s, b, panel); break;
      default: backward_tile<Cell, kRows < 6 ? 1 : 6, P>(a, s, b, panel); break;
    }
    b += rows;
  }
}

template <class Cell>
void backward_sweep(const BackwardArgs& a, std::size_t begin, std::size_t end) {
  const std::size_t panels = num_panels(a.H);
  for (std::size_t s = 0; s <= a.T; ++s) {
    for (std::size_t panel = 0; panel < panels; panel += kGroup) {
      switch (panels - panel) {
        case 1: backward_rows<Cell, 1>(a, s, begin, end, panel); break;
        case 2: backward_rows<Cell, 2>(a, s, begin, end, panel); break;
        case 3: backward_rows<Cell, 3>(a, s, begin, end, panel); break;
        default: backward_rows<Cell, kGroup>(a, s, begin, end, panel); break;
      }
    }
  }
}

}  // namespace HOLDFAST_LEVEL
}  // namespace holdfast
