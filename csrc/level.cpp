// All kernels of one CPU level. CMakeLists.txt compiles this file once per level, under another namespace each time.
#include "gru.h"
#include "kernels.h"
#include "lstm.h"
#include "pack.h"
#include "product.h"
#include "rnn.h"
#include "sweep.h"

namespace holdfast {
namespace HOLDFAST_LEVEL {
namespace {

std::size_t num_gates(Family family) {
  return family == Family::kLstm ? Lstm::kGates : family == Family::kGru ? Gru::kGates : Rnn<false>::kGates;
}

std::size_t packed_size(Family family, std::size_t H) { return num_gates(family) * H * num_panels(H) * kLanes; }

void pack_forward_of(Family family, const float* w_hh, std::size_t H, float* packed) {
  switch (family) {
    case Family::kLstm: return pack_forward<Lstm::kGates>(w_hh, H, packed);
    case Family::kGru: return pack_forward<Gru::kGates>(w_hh, H, packed);
    default: return pack_forward<Rnn<false>::kGates>(w_hh, H, packed);
  }
}

void pack_backward_of(Family family, const float* w_hh, std::size_t H, float* packed) {
  switch (family) {
    case Family::kLstm: return pack_backward<Lstm::kGates>(w_hh, H, packed);
    case Family::kGru: return pack_backward<Gru::kGates>(w_hh, H, packed);
    default: return pack_backward<Rnn<false>::kGates>(w_hh, H, packed);
  }
}

void forward(Family family, const ForwardArgs& args, std::size_t begin, std::size_t end) {
  switch (family) {
    case Family::kLstm: return forward_sweep<Lstm>(args, begin, end);
    case Family::kGru: return forward_sweep<Gru>(args, begin, end);
    case Family::kRnnTanh: return forward_sweep<Rnn<false>>(args, begin, end);
    case Family::kRnnRelu: return forward_sweep<Rnn<true>>(args, begin, end);
  }
}

void backward(Family family, const BackwardArgs& args, std::size_t begin, std::size_t end) {
  switch (family) {
    case Family::kLstm: return backward_sweep<Lstm>(args, begin, end);
    case Family::kGru: return backward_sweep<Gru>(args, begin, end);
    case Family::kRnnTanh: return backward_sweep<Rnn<false>>(args, begin, end);
    case Family::kRnnRelu: return backward_sweep<Rnn<true>>(args, begin, end);
  }
}

}  // namespace

extern const Level level;
const Level level = {HOLDFAST_LEVEL_NAME, num_gates, packed_size, pack_forward_of,
                     pack_backward_of,    forward,   backward,    product};

}  // namespace HOLDFAST_LEVEL
}  // namespace holdfast
