// The plain recurrent cell of one vector of units: h = tanh(pre) or relu(pre).
#pragma once

#include "activations.h"
#include "kernels.h"

namespace holdfast {
namespace HOLDFAST_LEVEL {

template <bool kRelu>
struct Rnn {
  static constexpr int kGates = 1;
  static constexpr int kPanels = 4;
  static constexpr int kSinglePanels = 4;
  static constexpr bool kCarries = false;

  static HOLDFAST_INLINE void forward(const Vec* sums, const ForwardArgs& a, std::size_t t, std::size_t, bool,
                                      std::size_t b, std::size_t j, std::size_t n) {
    const std::size_t here = (t * a.B + b) * a.H + j;
    const Vec h = kRelu ? select(sums[0] < splat(0.0f), splat(0.0f), sums[0]) : tanh(sums[0]);
    store_part(a.y + here, h, n);
    if (a.gates) store_part(a.gates + here, h, n);
  }

  static HOLDFAST_INLINE void backward(Vec d_h, const BackwardArgs& a, std::size_t t, std::size_t, bool,
                                       std::size_t b, std::size_t j, std::size_t n) {
    const std::size_t here = (t * a.B + b) * a.H + j;
    const Vec h = load_part(a.gates + here, n);
    const Vec d = kRelu ? select(h > splat(0.0f), d_h, splat(0.0f)) : d_h * (splat(1.0f) - h * h);
    store_part(a.d_pre + here, d, n);
  }
};

}  // namespace HOLDFAST_LEVEL
}  // namespace holdfast
