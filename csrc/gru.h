// The GRU of one vector of units, reset after the product: n = tanh(pre_n + r (W_hn h + b_hn)), h = n + z (h_prev - n).
#pragma once

#include "activations.h"
#include "kernels.h"

namespace holdfast {
namespace HOLDFAST_LEVEL {

struct Gru {
  static constexpr int kGates = 3;
  static constexpr int kPanels = 1;
  static constexpr int kSinglePanels = 2;
  static constexpr bool kCarries = true;

  // sums[2] is W_hn h + b_hn alone: the input's part of n is read from `pre` here, before `gates` may overwrite it.
  static HOLDFAST_INLINE void forward(const Vec* sums, const ForwardArgs& a, std::size_t t, std::size_t t_prev,
                                      bool first, std::size_t b, std::size_t j, std::size_t n) {
    const std::size_t here = b * a.H + j, plane = a.B * a.H, wide = (t * a.B + b) * 3 * a.H + j;
    const Vec h_prev = load_part((first ? a.h0 : a.y + t_prev * plane) + here, n);
    const Vec r = sigmoid(sums[0]), z = sigmoid(sums[1]);
    const Vec candidate = tanh(fma(r, sums[2], load_part(a.pre + wide + 2 * a.H, n)));
    store_part(a.y + t * plane + here, fma(z, h_prev - candidate, candidate), n);
    if (a.gates) {
      store_part(a.gates + wide, r, n);
      store_part(a.gates + wide + a.H, z, n);
      store_part(a.gates + wide + 2 * a.H, candidate, n);
      store_part(a.extra + t * plane + here, sums[2], n);
    }
  }

  static HOLDFAST_INLINE void backward(Vec d_h, const BackwardArgs& a, std::size_t t, std::size_t t_prev, bool last,
                                       std::size_t b, std::size_t j, std::size_t n) {
    const std::size_t here = b * a.H + j, plane = a.B * a.H, wide = (t * a.B + b) * 3 * a.H + j;
    const Vec one = splat(1.0f);
    const Vec r = load_part(a.gates + wide, n), z = load_part(a.gates + wide + a.H, n);
    const Vec candidate = load_part(a.gates + wide + 2 * a.H, n);
    const Vec h_prev = load_part((last ? a.h0 : a.y + t_prev * plane) + here, n);
    const Vec d_n = d_h * (one - z) * (one - candidate * candidate);
    const Vec d_r = d_n * load_part(a.extra + t * plane + here, n) * (r * (one - r));
    const Vec d_z = d_h * (h_prev - candidate) * (z * (one - z));
    store_part(a.d_pre + wide, d_r, n);
    store_part(a.d_pre + wide + a.H, d_z, n);
    store_part(a.d_pre + wide + 2 * a.H, d_n, n);
    store_part(a.d_hidden + wide, d_r, n);
    store_part(a.d_hidden + wide + a.H, d_z, n);
    store_part(a.d_hidden + wide + 2 * a.H, d_n * r, n);
    store_part(a.d_h0 + here, d_h * z, n);
  }
};

}  // namespace HOLDFAST_LEVEL
}  // namespace holdfast
