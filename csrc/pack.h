// Recurrent weights laid out in the order the sweeps read them, zero beyond H: once a call, reused for all T steps.
#pragma once

#include "sweep.h"

namespace holdfast {
namespace HOLDFAST_LEVEL {

// out[k * stride + lane] = in[lane * H + k] for four lanes and four k
HOLDFAST_INLINE void transpose_four(const float* in, std::size_t H, float* out, std::size_t stride) {
#if defined(__x86_64__)
  __m128 a = _mm_loadu_ps(in), b = _mm_loadu_ps(in + H);
  __m128 c = _mm_loadu_ps(in + 2 * H), d = _mm_loadu_ps(in + 3 * H);
  _MM_TRANSPOSE4_PS(a, b, c, d);
  _mm_storeu_ps(out, a);
  _mm_storeu_ps(out + stride, b);
  _mm_storeu_ps(out + 2 * stride, c);
  _mm_storeu_ps(out + 3 * stride, d);
#else
  for (std::size_t k = 0; k < 4; ++k)
    for (std::size_t lane = 0; lane < 4; ++lane) out[k * stride + lane] = in[lane * H + k];
#endif
}

// w_hh [G*H, H] to [panel][k][gate][lane]
template <int G>
void pack_forward(const float* w_hh, std::size_t H, float* packed) {
  constexpr std::size_t stride = G * kLanes;
  for (std::size_t panel = 0; panel < num_panels(H); ++panel) {
    const std::size_t width = panel_width(panel, H);
    for (std::size_t g = 0; g < G; ++g) {
      const float* in = w_hh + (g * H + panel * kLanes) * H;
      float* out = packed + panel * H * stride + g * kLanes;
      const std::size_t whole_lanes = width / 4 * 4, whole_k = H / 4 * 4;
      for (std::size_t lane = 0; lane < whole_lanes; lane += 4) {
        for (std::size_t k = 0; k < whole_k; k += 4)
          transpose_four(in + lane * H + k, H, out + k * stride + lane, stride);
        for (std::size_t k = whole_k; k < H; ++k)
          for (std::size_t m = lane; m < lane + 4; ++m) out[k * stride + m] = in[m * H + k];
      }
      for (std::size_t lane = whole_lanes; lane < kLanes; ++lane)
        for (std::size_t k = 0; k < H; ++k) out[k * stride + lane] = lane < width ? in[lane * H + k] : 0.0f;
    }
  }
}

// w_hh [G*H, H] to [group][k < G*H][panel of the group][lane]
template <int G>
void pack_backward(const float* w_hh, std::size_t H, float* packed) {
  const std::size_t panels = num_panels(H);
  for (std::size_t panel = 0; panel < panels; panel += kGroup) {
    const std::size_t count = panels - panel < kGroup ? panels - panel : kGroup;
    for (std::size_t k = 0; k < G * H; ++k) {
      for (std::size_t p = panel; p < panel + count; ++p) {
        store(packed, load_part(w_hh + k * H + p * kLanes, panel_width(p, H)));
        packed += kLanes;
      }
    }
  }
}

}  // namespace HOLDFAST_LEVEL
}  // namespace holdfast
