// A call as one row of 64-bit numbers: how Python and the recorded cases of the C++ tests pass it. kernels/cpu.py builds
// the same row; FIELDS names its columns, in order.
#pragma once

#include <cstring>

#include "kernels.h"

namespace holdfast {

constexpr const char* kCallFields =
    "family forget norm peephole projected reset_before relu dropout zoneout_h zoneout_c "
    "T B I H P D N layer save packed x lengths rows resets seed h0 c0 params frozen y h_n c_n gates cells rest";
constexpr std::size_t kNumCallFields = 33 + kMaxDirections * (kNumParameters + 1);
constexpr std::size_t kNumGradientFields = 8 + kMaxDirections * kNumParameters;

// Reads the row from its start. Chances come as the bits of a double.
struct FieldReader {
  const std::int64_t* at;

  std::size_t size() { return static_cast<std::size_t>(*at++); }
  bool flag() { return *at++ != 0; }
  double chance() {
    double value;
    std::memcpy(&value, at++, sizeof value);
    return value;
  }
  template <class T>
  T* address() {
    return reinterpret_cast<T*>(static_cast<std::uintptr_t>(*at++));
  }
  template <class T>
  Parameters<T*> parameters() {
    static_assert(sizeof(Parameters<T*>) == kNumParameters * sizeof(T*), "one pointer after the other");
    T* pointers[kNumParameters];
    for (T*& pointer : pointers) pointer = address<T>();
    Parameters<T*> read;
    std::memcpy(&read, pointers, sizeof read);
    return read;
  }
};

// The chance as a threshold of 24 bits, rounded half to even like Python's round.
inline std::uint32_t threshold(double chance) {
  return static_cast<std::uint32_t>(__builtin_nearbyint(chance * 16777216.0));
}

template <class Real>
Call<Real> read_call(FieldReader& in) {
  Call<Real> call{};
  Spec& spec = call.spec;
  spec.family = static_cast<Family>(in.size()), spec.forget = static_cast<Forget>(in.size());
  spec.norm = static_cast<Norm>(in.size());
  spec.peephole = in.flag(), spec.projected = in.flag(), spec.reset_before = in.flag(), spec.relu = in.flag();
  spec.dropout = in.chance(), spec.zoneout_h = in.chance(), spec.zoneout_c = in.chance();
  spec.dropout_threshold = threshold(spec.dropout);
  spec.zoneout_h_threshold = threshold(spec.zoneout_h), spec.zoneout_c_threshold = threshold(spec.zoneout_c);
  call.T = in.size(), call.B = in.size(), call.I = in.size(), call.H = in.size(), call.P = in.size();
  call.D = in.size(), call.N = in.size();
  call.layer = static_cast<std::uint32_t>(in.size()), call.save = static_cast<int>(in.size()), call.packed = in.flag();
  call.x = in.address<const Real>(), call.lengths = in.address<const std::int64_t>();
  call.rows = in.address<const std::int64_t>(), call.resets = in.address<const bool>();
  call.seed = in.address<const std::int64_t>();
  call.h0 = in.address<const Real>(), call.c0 = in.address<const Real>();
  for (auto& params : call.params) params = in.parameters<const Real>();
  for (auto& frozen : call.frozen) frozen = in.address<const Real>();
  call.y = in.address<Real>(), call.h_n = in.address<Real>(), call.c_n = in.address<Real>();
  call.gates = in.address<Real>(), call.cells = in.address<Real>(), call.rest = in.address<Real>();
  return call;
}

template <class Real>
Gradients<Real> read_gradients(FieldReader& in) {
  Gradients<Real> d{};
  d.d_y = in.address<const Real>(), d.d_h_n = in.address<const Real>(), d.d_c_n = in.address<const Real>();
  d.d_x = in.address<Real>(), d.d_h0 = in.address<Real>(), d.d_c0 = in.address<Real>();
  for (auto& params : d.params) params = in.parameters<Real>();
  d.d_h = in.address<Real>(), d.d_c = in.address<Real>();
  return d;
}

}  // namespace holdfast
