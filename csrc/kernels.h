// What the binding and the levels share: plain structs of pointers and sizes. Nothing here knows Python or torch.
//
// Letters: T time, B batch, H hidden, G gates (LSTM i f g o, GRU r z n, RNN h). All arrays are contiguous float32.
#pragma once

#include <cstddef>

namespace holdfast {

enum class Family : int { kLstm = 0, kGru = 1, kRnnTanh = 2, kRnnRelu = 3 };
constexpr int kNumFamilies = 4;

// Advances rows [row_begin, row_end) of one direction of one layer through all T steps.
struct ForwardArgs {
  std::size_t T, B, H;
  bool reverse;           // step s works at time T-1-s
  const float* pre;       // [T, B, G*H] in   W_ih x + b_ih + b_hh; the GRU's n rows are without b_hh
  const float* weights;   // packed by pack_forward
  const float* bias_n;    // [H] or null      b_hh of the GRU's n rows, which stays inside the product with r
  const float* h0;        // [B, H] in
  const float* c0;        // [B, H] in        LSTM only
  float* y;               // [T, B, H] out
  float* c;               // [B, H] out       LSTM only: c while running, c_n at the end; unused with `cells`
  float* gates;           // [T, B, G*H] out  after the activation, or null; may be the same memory as `pre`
  float* extra;           // [T, B, H] out    or null, with gates: LSTM c, GRU W_hn h + b_hn
};

// Sweeps back from the last step to the first.
struct BackwardArgs {
  std::size_t T, B, H;
  bool reverse;
  const float* weights;   // packed by pack_backward
  const float* d_y;       // [T, B, H] or null
  const float* d_h_n;     // [B, H] or null
  const float* d_c_n;     // [B, H] or null   LSTM only
  const float* h0;        // [B, H] in
  const float* c0;        // [B, H] in        LSTM only
  const float* y;         // [T, B, H] in
  const float* gates;     // [T, B, G*H] in
  const float* extra;     // [T, B, H] in
  float* d_pre;           // [T, B, G*H] out  gradient of `pre`
  float* d_hidden;        // [T, B, G*H] out  gradient of W_hh h; the same memory as d_pre but for the GRU
  float* d_h0;            // [B, H] out       scratch until the sweep ends
  float* d_c0;            // [B, H] out       LSTM only: carried gradient of c; ends as that of c0
};

// c = a b + bias, or c += a b. One product before the forward sweep and those after the backward one.
struct ProductArgs {
  std::size_t M, N, K;
  const float* a;                 // [M, K] in   element (m, k) at m * a_row + k * a_k
  std::size_t a_row, a_k;
  const float* b;                 // [K, N] in, contiguous, or [N, K] when b_transposed
  bool b_transposed;
  const float* bias;              // [N] or null
  float* c;                       // [M, N] out, contiguous
  bool accumulate;
};

// One CPU level's functions. The packers take W_hh [G*H, H].
struct Level {
  const char* name;
  std::size_t (*num_gates)(Family family);
  std::size_t (*packed_size)(Family family, std::size_t H);  // floats, enough for either packing
  void (*pack_forward)(Family family, const float* w_hh, std::size_t H, float* packed);
  void (*pack_backward)(Family family, const float* w_hh, std::size_t H, float* packed);
  void (*forward)(Family family, const ForwardArgs& args, std::size_t row_begin, std::size_t row_end);
  void (*backward)(Family family, const BackwardArgs& args, std::size_t row_begin, std::size_t row_end);
  void (*product)(const ProductArgs& args, std::size_t row_begin, std::size_t row_end);
};

}  // namespace holdfast
