// Weights laid out in the order the tiles read them, zero beyond the last unit: once a call, read at every step.
#pragma once

#include "tile.h"

namespace holdfast {
namespace HOLDFAST_LEVEL {

// out[k * stride + lane] = in[lane * K + k] for four lanes and four k
HOLDFAST_INLINE void transpose_four(const float* in, std::size_t K, float* out, std::size_t stride) {
#if defined(__x86_64__)
  __m128 a = _mm_loadu_ps(in), b = _mm_loadu_ps(in + K);
  __m128 c = _mm_loadu_ps(in + 2 * K), d = _mm_loadu_ps(in + 3 * K);
  _MM_TRANSPOSE4_PS(a, b, c, d);
  _mm_storeu_ps(out, a);
  _mm_storeu_ps(out + stride, b);
  _mm_storeu_ps(out + 2 * stride, c);
  _mm_storeu_ps(out + 3 * stride, d);
#else
  for (std::size_t k = 0; k < 4; ++k)
    for (std::size_t lane = 0; lane < 4; ++lane) out[k * stride + lane] = in[lane * K + k];
#endif
}

HOLDFAST_INLINE void transpose_four(const double* in, std::size_t K, double* out, std::size_t stride) {
  for (std::size_t k = 0; k < 4; ++k)
    for (std::size_t lane = 0; lane < 4; ++lane) out[k * stride + lane] = in[lane * K + k];
}

// The `width` rows of K numbers at `in` become one lane each: out[k * stride + lane].
template <class Real>
void pack_vector(const Real* in, std::size_t width, std::size_t K, Real* out, std::size_t stride) {
  const std::size_t whole = width < 4 ? 0 : width / 4 * 4, whole_k = K / 4 * 4;
  for (std::size_t lane = 0; lane < whole; lane += 4) {
    for (std::size_t k = 0; k < whole_k; k += 4) transpose_four(in + lane * K + k, K, out + k * stride + lane, stride);
    for (std::size_t k = whole_k; k < K; ++k)
      for (std::size_t m = lane; m < lane + 4; ++m) out[k * stride + m] = in[m * K + k];
  }
  for (std::size_t lane = whole; lane < kLanes<Real>; ++lane)
    for (std::size_t k = 0; k < K; ++k) out[k * stride + lane] = lane < width ? in[lane * K + k] : Real(0);
}

template <class Real>
std::size_t gates_size(std::size_t gates, std::size_t H, std::size_t K) {
  return gates * num_panels<Real>(H) * kLanes<Real> * K;
}

template <class Real>
std::size_t flat_size(std::size_t units, std::size_t K) {
  return num_panels<Real>(units) * kLanes<Real> * K;
}

// Panels [begin, end) of w [gates*H, K] as [panel][k][gate][lane]: all gates of a unit side by side.
template <class Real>
void pack_gates(const Real* w, std::size_t gates, std::size_t H, std::size_t K, const Range& panels, Real* packed) {
  const std::size_t stride = gates * kLanes<Real>;
  for (std::size_t panel = panels.begin; panel < panels.end; ++panel)
    for (std::size_t g = 0; g < gates; ++g)
      pack_vector(w + (g * H + panel * kLanes<Real>) * K, panel_width<Real>(panel, H), K,
                  packed + panel * K * stride + g * kLanes<Real>, stride);
}

// Where a panel stands in [group][k][panel of the group][lane], and how far its k are apart.
template <class Real>
HOLDFAST_INLINE Real* flat_panel(Real* packed, std::size_t panel, const Groups& groups, std::size_t K,
                                 std::size_t* stride) {
  const std::size_t group = groups.group_of(panel), first = groups.first(group);
  *stride = groups.width(group) * kLanes<Real>;
  return packed + first * kLanes<Real> * K + (panel - first) * kLanes<Real>;
}

// Panels [begin, end) of w [units, K], each unit a row.
template <class Real>
void pack_flat(const Real* w, std::size_t units, std::size_t K, const Groups& groups, const Range& panels,
               Real* packed) {
  for (std::size_t panel = panels.begin; panel < panels.end; ++panel) {
    std::size_t stride;
    Real* out = flat_panel(packed, panel, groups, K, &stride);
    pack_vector(w + panel * kLanes<Real> * K, panel_width<Real>(panel, units), K, out, stride);
  }
}

// Panels [begin, end) of w [K, units], each unit a column.
template <class Real>
void pack_columns(const Real* w, std::size_t units, std::size_t K, const Groups& groups, const Range& panels,
                  Real* packed) {
  for (std::size_t panel = panels.begin; panel < panels.end; ++panel) {
    std::size_t stride;
    Real* out = flat_panel(packed, panel, groups, K, &stride);
    const std::size_t width = panel_width<Real>(panel, units);
    for (std::size_t k = 0; k < K; ++k) store(out + k * stride, load_part(w + k * units + panel * kLanes<Real>, width));
  }
}

}  // namespace HOLDFAST_LEVEL
}  // namespace holdfast
