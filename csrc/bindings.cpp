// The Python module _kernels: a call comes as one list of numbers (fields.h), memory as addresses, so nothing here knows
// torch or NumPy.
#include <nanobind/nanobind.h>
#include <nanobind/stl/string.h>
#include <nanobind/stl/vector.h>

#include <stdexcept>

#include "fields.h"
#include "run.h"
#include "team.h"

namespace {

using namespace holdfast;
namespace nb = nanobind;

constexpr double kReleaseFrom = 100e3;  // multiply-adds of a call below which letting the interpreter go costs more

void use(const std::string& name) {
  if (!use_level(name)) throw std::invalid_argument("this CPU cannot run level " + name);
}

// The numbers of a list, checked for their count: one too few would make pointers of sizes.
struct Numbers {
  Numbers(const nb::list& list, std::size_t count) {
    if (!level_in_use()) throw std::runtime_error("no CPU level is in use");
    if (nb::len(list) != count || count > kNumCallFields + kNumGradientFields)
      throw std::invalid_argument("a call needs another number of fields");
    for (std::size_t k = 0; k < count; ++k) {
      values[k] = PyLong_AsLongLong(PyList_GET_ITEM(list.ptr(), static_cast<Py_ssize_t>(k)));
      if (values[k] == -1 && PyErr_Occurred()) throw nb::python_error();
    }
  }
  std::int64_t values[kNumCallFields + kNumGradientFields];
};

// A length beyond the steps, or a row beyond the batch, would be read and written outside the arrays.
template <class Real>
void check_rows(const Call<Real>& call) {
  if (!call.lengths) return;
  std::size_t total = 0;
  for (std::size_t b = 0; b < call.B; ++b) {
    const std::int64_t length = call.lengths[b];
    if (length < 0 || static_cast<std::size_t>(length) > call.T)
      throw std::invalid_argument("lengths must lie in 0..T, the steps of the input");
    if (call.packed && b > 0 && length > call.lengths[b - 1])
      throw std::invalid_argument("lengths of packed rows must descend");
    if (call.rows && (call.rows[b] < 0 || static_cast<std::size_t>(call.rows[b]) >= call.B))
      throw std::invalid_argument("rows of a packed batch must lie in 0..B-1");
    total += static_cast<std::size_t>(length);
  }
  if (call.packed && total != call.N) throw std::invalid_argument("packed data must hold one row for each step");
}

template <class Real, class Body>
void run_released(const Call<Real>& call, const Body& body) {
  check_rows(call);
  if (multiply_adds(call) < kReleaseFrom) return body();
  nb::gil_scoped_release release;
  body();
}

template <class Real>
void forward_of(const Numbers& numbers, unsigned threads) {
  FieldReader in{numbers.values};
  const Call<Real> call = read_call<Real>(in);
  run_released(call, [&] { run_forward(call, threads); });
}

template <class Real>
void backward_of(const Numbers& numbers, unsigned threads) {
  FieldReader in{numbers.values};
  const Call<Real> call = read_call<Real>(in);
  const Gradients<Real> gradients = read_gradients<Real>(in);
  run_released(call, [&] { run_backward(call, gradients, threads); });
}

void forward(bool twice, const nb::list& fields, unsigned threads) {
  const Numbers numbers(fields, kNumCallFields);
  twice ? forward_of<double>(numbers, threads) : forward_of<float>(numbers, threads);
}

void backward(bool twice, const nb::list& fields, unsigned threads) {
  const Numbers numbers(fields, kNumCallFields + kNumGradientFields);
  twice ? backward_of<double>(numbers, threads) : backward_of<float>(numbers, threads);
}

template <class Real>
std::size_t sizes_of(const Numbers& numbers, bool rest) {
  FieldReader in{numbers.values};
  const Call<Real> call = read_call<Real>(in);
  return rest ? rest_size(call) : kernels_of<Real>(*level_in_use()).packed_size(call);
}

std::size_t rest_count(bool twice, const nb::list& fields) {
  const Numbers numbers(fields, kNumCallFields);
  return twice ? sizes_of<double>(numbers, true) : sizes_of<float>(numbers, true);
}

std::size_t packed_count(bool twice, const nb::list& fields) {
  const Numbers numbers(fields, kNumCallFields);
  return twice ? sizes_of<double>(numbers, false) : sizes_of<float>(numbers, false);
}

template <class Real>
void pack_of(const Numbers& numbers) {
  FieldReader in{numbers.values};
  const Call<Real> call = read_call<Real>(in);
  for (std::size_t k = 0; k < call.D; ++k)
    kernels_of<Real>(*level_in_use()).pack_weights(call, k, const_cast<Real*>(call.frozen[k]));
}

void pack(bool twice, const nb::list& fields) {
  const Numbers numbers(fields, kNumCallFields);
  twice ? pack_of<double>(numbers) : pack_of<float>(numbers);
}

template <class Real>
void activate_at(int function, std::uintptr_t in, std::uintptr_t out, std::size_t n) {
  kernels_of<Real>(*level_in_use()).activate(function, reinterpret_cast<const Real*>(in), reinterpret_cast<Real*>(out), n);
}

void activate(bool twice, int function, std::uintptr_t in, std::uintptr_t out, std::size_t n) {
  if (!level_in_use()) throw std::runtime_error("no CPU level is in use");
  twice ? activate_at<double>(function, in, out, n) : activate_at<float>(function, in, out, n);
}

}  // namespace

NB_MODULE(_kernels, m) {
  m.doc() = "Recurrent kernels for the CPU, one set per CPU level; called through holdfast.kernels.cpu.";
  m.attr("CALL_FIELDS") = kCallFields;
  m.attr("NUM_PARAMETERS") = kNumParameters;
  m.def("runnable_levels", &runnable_levels, "Names of the compiled levels that this CPU can run, best first.");
  m.def("use_level", &use, "Choose the level that the next calls run on.");
  m.def("use_team", &use_team, "Give the addresses of OpenMP's entry points, or zeros for a pool of our own.");
  m.def("set_split_from", &set_split_from, "Multiply-adds from which a call is split over threads; for tests.");
  m.def("forward", &forward, "Run a layer; see Call in csrc/kernels.h.");
  m.def("backward", &backward, "Its derivative; see Gradients in csrc/kernels.h.");
  m.def("rest_size", &rest_count, "Numbers of one direction's `rest`.");
  m.def("packed_size", &packed_count, "Numbers that one direction's packed weights take.");
  m.def("pack", &pack, "Pack the weights of each direction where `frozen` points to.");
  m.def("activate", &activate, "sigmoid (0) or tanh (1) of n numbers.");
}
