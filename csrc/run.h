// Runs a call on the level in use: scratch memory, number of threads, the parallel region. What bindings.cpp and the C++
// tests call.
#pragma once

#include <string>
#include <vector>

#include "kernels.h"

namespace holdfast {

std::vector<std::string> runnable_levels();    // that this CPU can run, best first
bool use_level(const std::string& name);       // false: this CPU or this build has it not
const Level* level_in_use();                   // null before use_level

// Multiply-adds from which a call is split over threads; tests set it to zero.
void set_split_from(double work);

// Bytes of scratch memory that may be kept from call to call; tests set it to zero, so that each call has fresh memory.
void set_keep_most(std::size_t bytes);

template <class Real>
const LevelOf<Real>& kernels_of(const Level& level);

// Roughly, the multiply-adds of a call: whether a second thread pays, and letting the interpreter go.
template <class Real>
double multiply_adds(const Call<Real>& call) {
  return static_cast<double>(call.N) * call.D * call.spec.gates() * call.H * (call.I + call.P);
}

template <class Real>
void run_forward(const Call<Real>& call, unsigned threads);
template <class Real>
void run_backward(const Call<Real>& call, const Gradients<Real>& gradients, unsigned threads);

}  // namespace holdfast
