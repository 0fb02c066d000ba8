// The plain LSTM of one vector of units: i f g o, then c = f c_prev + i g and h = o tanh(c).
#pragma once

#include "activations.h"
#include "kernels.h"

namespace holdfast {
namespace HOLDFAST_LEVEL {

struct Lstm {
  static constexpr int kGates = 4;
  static constexpr int kPanels = 1;        // panels of a tile of several rows: 4 gates fill the registers
  static constexpr int kSinglePanels = 2;  // panels of a tile of one row: enough chains to hide the latency of fma
  static constexpr bool kCarries = false;  // whether h_prev has a gradient that passes by the product

  // sums: gate sums of row b, units [j, j + n) at time t. t_prev is unused at the first step.
  static HOLDFAST_INLINE void forward(const Vec* sums, const ForwardArgs& a, std::size_t t, std::size_t t_prev,
                                      bool first, std::size_t b, std::size_t j, std::size_t n) {
    const std::size_t here = b * a.H + j, plane = a.B * a.H;
    const float* cells = first ? a.c0 : a.extra ? a.extra + t_prev * plane : a.c;
    const Vec i = sigmoid(sums[0]), f = sigmoid(sums[1]), g = tanh(sums[2]), o = sigmoid(sums[3]);
    const Vec c = fma(f, load_part(cells + here, n), i * g);
    store_part((a.extra ? a.extra + t * plane : a.c) + here, c, n);
    store_part(a.y + t * plane + here, o * tanh(c), n);
    if (a.gates) {
      float* gates = a.gates + (t * a.B + b) * 4 * a.H + j;
      store_part(gates, i, n);
      store_part(gates + a.H, f, n);
      store_part(gates + 2 * a.H, g, n);
      store_part(gates + 3 * a.H, o, n);
    }
  }

  // d_h: gradient of h at time t from everything later. `last` is the step nearest to the initial state.
  static HOLDFAST_INLINE void backward(Vec d_h, const BackwardArgs& a, std::size_t t, std::size_t t_prev, bool last,
                                       std::size_t b, std::size_t j, std::size_t n) {
    const std::size_t here = b * a.H + j, plane = a.B * a.H, wide = (t * a.B + b) * 4 * a.H + j;
    const Vec one = splat(1.0f);
    const float* gates = a.gates + wide;
    const Vec i = load_part(gates, n), f = load_part(gates + a.H, n);
    const Vec g = load_part(gates + 2 * a.H, n), o = load_part(gates + 3 * a.H, n);
    const Vec c_prev = load_part((last ? a.c0 : a.extra + t_prev * plane) + here, n);
    const Vec squashed = tanh(load_part(a.extra + t * plane + here, n));
    const Vec d_c = load_part(a.d_c0 + here, n) + d_h * o * (one - squashed * squashed);
    float* d_pre = a.d_pre + wide;
    store_part(d_pre, d_c * g * (i * (one - i)), n);
    store_part(d_pre + a.H, d_c * c_prev * (f * (one - f)), n);
    store_part(d_pre + 2 * a.H, d_c * i * (one - g * g), n);
    store_part(d_pre + 3 * a.H, d_h * squashed * (o * (one - o)), n);
    store_part(a.d_c0 + here, d_c * f, n);
  }
};

}  // namespace HOLDFAST_LEVEL
}  // namespace holdfast
