// All kernels of one CPU level. CMakeLists.txt compiles this file once per level, under another namespace each time.
//
// A call is one parallel region: pack the weights, project the input, sweep, and after a backward sweep the products.
#include "products.h"

namespace holdfast {
namespace HOLDFAST_LEVEL {
namespace {

template <class Real>
Scratch<Real> scratch_at(const Call<Real>& a, const Gradients<Real>* d, void* memory, unsigned threads) {
  Arena arena{static_cast<char*>(memory), 0};
  return open_scratch(a, d, arena, threads);
}

template <class Real>
std::size_t scratch_size(const Call<Real>& a, const Gradients<Real>* d, unsigned threads) {
  Arena arena{nullptr, 0};
  open_scratch(a, d, arena, threads);
  return arena.used;
}

// Slots in order of length, longest first, and as they stand among equals.
void sort_by_length(const std::int64_t* lengths, std::size_t B, std::uint32_t* order) {
  for (std::size_t k = 0; k < B; ++k) {
    std::size_t place = k;
    for (; place > 0 && lengths[order[place - 1]] < lengths[k]; --place) order[place] = order[place - 1];
    order[place] = static_cast<std::uint32_t>(k);
  }
}

template <class Real>
void prepare(const Call<Real>& a, const Gradients<Real>* d, void* memory, unsigned threads, unsigned spins) {
  const Scratch<Real> s = scratch_at(a, d, memory, threads);
  for (unsigned k = 0; k <= threads; ++k) s.barriers[k] = Barrier{0, spins, 0};
  clear(s.zeros, a.H > a.P ? a.H : a.P);
  if (a.lengths) sort_by_length(a.lengths, a.B, s.by_length);
  if (a.packed) {
    std::size_t offset = 0, rows = a.B;
    for (std::size_t t = 0; t < a.T; ++t) {
      while (rows > 0 && static_cast<std::size_t>(a.lengths[rows - 1]) <= t) --rows;
      s.offsets[t] = offset;
      offset += rows;
    }
  }
  *s.num_positions = a.N;
  if (!s.positions) return;
  std::size_t count = 0, rows = a.B;  // the order of a packed batch, so that sums over it have the same bits
  for (std::size_t t = 0; t < a.T; ++t) {
    while (rows > 0 && static_cast<std::size_t>(a.lengths[s.by_length[rows - 1]]) <= t) --rows;
    for (std::size_t k = 0; k < rows; ++k) s.positions[count++] = static_cast<std::uint32_t>(t * a.B + s.by_length[k]);
  }
  *s.num_positions = count;
}

template <class Real>
Range panels_of(std::size_t units, unsigned thread, unsigned threads) {
  return share(num_panels<Real>(units), thread, threads);
}

template <class Real>
void pack_forward(const Call<Real>& a, std::size_t direction, const Side<Real>& side, unsigned thread,
                  unsigned threads) {
  const Parameters<const Real*>& p = a.params[direction];
  const std::size_t gates = a.spec.gates();
  const Range rows = panels_of<Real>(gates * a.H, thread, threads), units = panels_of<Real>(a.H, thread, threads);
  const Groups hidden = hidden_groups(a, false);
  pack_flat(p.w_ih, gates * a.H, a.I, groups_of<Real>(gates * a.H), rows, side.w_ih);
  if (gates == 1) {
    pack_flat(p.w_hh, a.H, a.P, hidden, units, side.w_hh);
  } else {
    pack_gates(p.w_hh, a.spec.reset_before ? 2 : gates, a.H, a.P, units, side.w_hh);
  }
  if (a.spec.reset_before) pack_flat(p.w_hh + 2 * a.H * a.P, a.H, a.P, hidden, units, side.w_n);
  if (!a.spec.projected) return;
  pack_flat(p.w_hr, a.P, a.H, output_groups(a, false), panels_of<Real>(a.P, thread, threads), side.w_hr);
}

template <class Real>
void pack_backward(const Call<Real>& a, const Gradients<Real>& d, std::size_t direction, const Side<Real>& side,
                   unsigned thread, unsigned threads) {
  const Parameters<const Real*>& p = a.params[direction];
  const std::size_t GH = a.spec.gates() * a.H;
  const Range outs = panels_of<Real>(a.P, thread, threads), units = panels_of<Real>(a.H, thread, threads);
  const Groups hidden = hidden_groups(a, true);
  pack_columns(p.w_hh, a.P, a.spec.reset_before ? 2 * a.H : GH, output_groups(a, true), outs, side.w_hh);
  if (a.spec.reset_before) pack_columns(p.w_hh + 2 * a.H * a.P, a.H, a.H, hidden, units, side.w_n);
  if (a.spec.projected) pack_columns(p.w_hr, a.H, a.P, hidden, units, side.w_hr);
  if (d.d_x) pack_columns(p.w_ih, a.I, GH, groups_of<Real>(a.I), panels_of<Real>(a.I, thread, threads), side.w_ih);
}

// The bias of the input's product: b_ih + b_hh, but for the rows of n whose b_hh stays inside the product with r.
template <class Real>
void add_biases(const Call<Real>& a, std::size_t direction, Real* sum) {
  const Parameters<const Real*>& p = a.params[direction];
  if (!p.b_ih) return;
  const std::size_t GH = a.spec.gates() * a.H;
  const bool apart = a.spec.family == Family::kGru && !a.spec.reset_before;
  for (std::size_t k = 0; k < GH; ++k) sum[k] = apart && k >= 2 * a.H ? p.b_ih[k] : p.b_ih[k] + p.b_hh[k];
}

// Zeros in the padding of an array [count, N, width]. Rows are shared out by position.
template <class Real>
void clear_padding(const Call<Real>& a, Real* array, std::size_t count, std::size_t width, unsigned thread,
                   unsigned threads) {
  if (!array || !a.lengths || a.packed) return;
  const Range part = share(a.T, thread, threads);
  for (std::size_t c = 0; c < count; ++c)
    for (std::size_t t = part.begin; t < part.end; ++t)
      for (std::size_t b = 0; b < a.B; ++b)
        if (t >= static_cast<std::size_t>(a.lengths[b])) clear(array + (c * a.N + t * a.B + b) * width, width);
}

template <class Real>
void forward(const Call<Real>& a, void* memory, unsigned capacity, unsigned thread, unsigned threads) {
  const FlushSubnormals flush;
  const Scratch<Real> scratch = scratch_at<Real>(a, nullptr, memory, capacity);
  Barrier& all = scratch.barriers[capacity];
  const Positions positions{scratch.positions, *scratch.num_positions};
  for (std::size_t k = 0; k < a.D; ++k) {
    if (!a.frozen[k]) pack_forward(a, k, scratch.side[k], thread, threads);
    if (thread == 0) add_biases(a, k, scratch.side[k].bias);
  }
  clear_padding(a, a.y, 1, a.D * a.P, thread, threads);
  if (a.save == 2) clear_padding(a, a.gates, a.D, a.spec.saved_gates() * a.H, thread, threads);
  if (a.save == 2) clear_padding(a, a.cells, a.D, a.H, thread, threads);
  wait(all, threads);
  for (std::size_t k = 0; k < a.D; ++k) project_input(a, scratch.side[k], positions, k, thread, threads);
  wait(all, threads);
  for (std::size_t k = 0; k < a.D; ++k) {
    Sweep<Real> sweep = open_sweep(a, scratch, k, thread, threads, false);
    if (sweep.crew.count) forward_sweep(sweep);
  }
}

template <class Real>
void backward(const Call<Real>& a, const Gradients<Real>& d, void* memory, unsigned capacity, unsigned thread,
              unsigned threads) {
  const FlushSubnormals flush;
  const Scratch<Real> scratch = scratch_at(a, &d, memory, capacity);
  Barrier& all = scratch.barriers[capacity];
  const Positions positions{scratch.positions, *scratch.num_positions};
  for (std::size_t k = 0; k < a.D; ++k) pack_backward(a, d, k, scratch.side[k], thread, threads);
  clear_padding(a, d.d_x, 1, a.I, thread, threads);
  clear_padding(a, d.d_h, a.D, a.P, thread, threads);
  clear_padding(a, d.d_c, a.D, a.H, thread, threads);
  wait(all, threads);
  for (std::size_t k = 0; k < a.D; ++k) {
    Sweep<Real> sweep = open_sweep(a, scratch, k, thread, threads, true);
    if (sweep.crew.count) backward_sweep(sweep, d);
  }
  wait(all, threads);
  for (std::size_t k = 0; k < a.D; ++k) sum_gradients(a, d, scratch.side[k], positions, k, thread, threads);
  if (a.spec.norm != Norm::kNone) wait(all, threads);
  for (std::size_t k = 0; k < a.D; ++k) {
    Real* packed = scratch.columns + thread * scratch.columns_size;
    weight_gradients(a, d, scratch.side[k], positions, k, packed, thread, threads);
    if (d.d_x) input_gradient(a, d, scratch.side[k], positions, k, thread, threads);
  }
}

template <class Real>
void pack_weights(const Call<Real>& a, std::size_t direction, Real* packed) {
  Side<Real> side{};
  open_weights(a, packed, &side);
  pack_forward(a, direction, side, 0, 1);
}

template <class Real>
void activate(int function, const Real* in, Real* out, std::size_t n) {
  const FlushSubnormals flush;
  for_lanes<Real>(n, [&](std::size_t j, std::size_t count) {
    const Vec<Real> x = load_part(in + j, count);
    store_part(out + j, function == 0 ? sigmoid(x) : tanh(x), count);
  });
}

}  // namespace

extern const Level level;
const Level level = {
    HOLDFAST_LEVEL_NAME,
    {scratch_size<float>, prepare<float>, forward<float>, backward<float>, packed_weights_size<float>,
     pack_weights<float>, activate<float>},
    {scratch_size<double>, prepare<double>, forward<double>, backward<double>, packed_weights_size<double>,
     pack_weights<double>, activate<double>},
};

}  // namespace HOLDFAST_LEVEL
}  // namespace holdfast
