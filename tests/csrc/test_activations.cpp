// Checks csrc/vector.h and csrc/activations.h of one level, and prints the largest error found, in ulp.
//
//   test_activations [stride] [points]   every stride-th float (1: all 2^32), and so many random doubles
#include <cmath>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <limits>
#include <random>

#include "activations.h"

using namespace holdfast::HOLDFAST_LEVEL;

namespace {

int failures = 0;

void expect(bool holds, const char* what) {
  if (holds) return;
  std::printf("FAILED: %s\n", what);
  ++failures;
}

template <class Real>
struct Exact;
template <>
struct Exact<float> {
  using Wide = double;
  using Word = std::uint32_t;
};
template <>
struct Exact<double> {
  using Wide = long double;
  using Word = std::uint64_t;
};

struct Sigmoid {
  template <class V>
  static V ours(V x) { return sigmoid(x); }
  // Not 1 / (1 + e^-x) alone: that is infinite in the middle for very negative x.
  template <class Wide>
  static Wide exact(Wide x) { return x < 0 ? std::exp(x) / (1 + std::exp(x)) : 1 / (1 + std::exp(-x)); }
};
struct Tanh {
  template <class V>
  static V ours(V x) { return holdfast::HOLDFAST_LEVEL::tanh(x); }
  template <class Wide>
  static Wide exact(Wide x) { return std::tanh(x); }
};

// The largest error over what is added to it, a vector at a time; NaN, or anything wrong in a subnormal, is infinite.
template <class Real, class Function>
class Worst {
 public:
  using Wide = typename Exact<Real>::Wide;

  void add(Real x) {
    waiting_[count_++] = x;
    if (count_ == kLanes<Real>) flush();
  }

  void flush() {
    for (std::size_t k = count_; k < kLanes<Real>; ++k) waiting_[k] = 0;
    Real y[kLanes<Real>];
    store(y, Function::ours(load(waiting_)));
    for (std::size_t k = 0; k < count_; ++k) {
      const Wide error = ulps(y[k], Function::exact(static_cast<Wide>(waiting_[k])));
      if (!(error <= error_)) error_ = error, at_ = waiting_[k];
    }
    count_ = 0;
  }

  void report(const char* name) {
    flush();
    std::printf("%-16s %.3f ulp at %.17g\n", name, static_cast<double>(error_), static_cast<double>(at_));
    expect(error_ <= 2, name);
  }

 private:
  static Wide ulps(Real y, Wide exact) {
    const Wide size = exact < 0 ? -exact : exact;
    const Real smallest = std::numeric_limits<Real>::min();
    if (size < smallest) return (y < 0 ? -y : y) <= smallest ? Wide(0) : std::numeric_limits<Wide>::infinity();
    const Wide error = (y > exact ? y - exact : exact - y) / size;
    if (!(error <= 1)) return std::numeric_limits<Wide>::infinity();
    int exponent;
    const Wide fraction = std::frexp(size, &exponent);  // in [0.5, 1): one ulp is 2^-digits of the power above
    return std::ldexp(error * fraction, std::numeric_limits<Real>::digits);
  }

  Real waiting_[kLanes<Real>] = {};
  std::size_t count_ = 0;
  Wide error_ = 0;
  Real at_ = 0;
};

template <class Real>
Real from_word(typename Exact<Real>::Word word) {
  Real x;
  std::memcpy(&x, &word, sizeof x);
  return x;
}

// Around every place where the reduction changes its integer, a limit begins or a result stops being normal.
template <class Real, class Function>
void add_breakpoints(Worst<Real, Function>& worst) {
  const auto around = [&](Real centre) {
    Real below = centre, above = centre;
    for (int k = 0; k < 64; ++k) {
      worst.add(below), worst.add(-below), worst.add(above), worst.add(-above);
      below = std::nextafter(below, Real(0)), above = std::nextafter(above, std::numeric_limits<Real>::infinity());
    }
  };
  for (int n = 0; n < 2 * ExpTerms<Real>::kSigmoidHigh; ++n) around(Real((n + 0.5) * 0.34657359027997264));
  for (double x : {0.5, 0.625, 1.0, 9.01, 9.02, 10.0, 19.06, 20.0, 87.0, 87.33654, 88.0, 88.376, 89.0, 100.0, 708.0,
                   708.3964185322641, 709.43, 709.78, 710.0, 1e4, 1e30})
    around(Real(x));
  around(std::numeric_limits<Real>::min());
}

template <class Function>
void check_floats(const char* name, std::uint64_t stride) {
  Worst<float, Function> worst;
  for (std::uint64_t word = 0; word < (std::uint64_t{1} << 32); word += stride) {
    const float x = from_word<float>(static_cast<std::uint32_t>(word));
    if (x == x && std::fabs(x) >= std::numeric_limits<float>::min()) worst.add(x);
  }
  add_breakpoints(worst);
  worst.report(name);
}

template <class Function>
void check_doubles(const char* name, std::uint64_t points) {
  Worst<double, Function> worst;
  std::mt19937_64 random(20240229);
  std::uniform_real_distribution<double> near(-3, 3), middle(-40, 40), far(-720, 720), exponent(-1000, 3);
  for (std::uint64_t k = 0; k < points / 4; ++k) {
    worst.add(near(random));
    worst.add(middle(random));
    worst.add(far(random));
    worst.add(std::ldexp(near(random), static_cast<int>(exponent(random))));
  }
  add_breakpoints(worst);
  worst.report(name);
}

template <class Real, class Function>
Real value(Real x) {
  return Function::ours(splat(x))[0];
}

template <class Real>
void check_special_values() {
  const Real infinity = std::numeric_limits<Real>::infinity(), smallest = std::numeric_limits<Real>::min();
  expect(value<Real, Sigmoid>(0) == Real(0.5), "sigmoid(0) is 1/2");
  expect(value<Real, Tanh>(0) == 0 && !std::signbit(value<Real, Tanh>(0)), "tanh(0) is 0");
  expect(value<Real, Tanh>(Real(-0.0)) == 0 && std::signbit(value<Real, Tanh>(Real(-0.0))), "tanh(-0) is -0");
  for (Real x : {Real(1000), Real(1e30), std::numeric_limits<Real>::max(), infinity}) {
    expect(value<Real, Sigmoid>(x) == 1, "sigmoid is 1 far above");
    expect(value<Real, Sigmoid>(-x) >= 0 && value<Real, Sigmoid>(-x) < smallest, "sigmoid is subnormal or 0 far below");
    expect(value<Real, Tanh>(x) == 1 && value<Real, Tanh>(-x) == -1, "tanh is 1 and -1 far out");
  }
  expect(value<Real, Sigmoid>(100) == 1, "sigmoid is right at 100");
  expect(value<Real, Tanh>(100) == 1 && value<Real, Tanh>(-100) == -1, "tanh is right at 100 and -100");
  const Real low = value<Real, Sigmoid>(-100);
  expect(sizeof(Real) == 4 ? low >= 0 && low < smallest : low > 0, "sigmoid is right at -100");
  const auto nan = bits(splat(std::numeric_limits<Real>::quiet_NaN()));
  for (int payload = 0; payload < 600; ++payload) {
    for (int negative = 0; negative < 2; ++negative) {
      Vec<Real> x = from_bits(nan | payload);
      if (negative) x = from_bits(bits(x) | bits(splat(Real(-0.0))));
      const Vec<Real> s = sigmoid(x), t = holdfast::HOLDFAST_LEVEL::tanh(x);
      expect(s[0] != s[0] && t[0] != t[0], "NaN stays NaN");
    }
  }
}

// Every lane, told apart by its number, guarded on both sides.
template <class Real>
void check_vector() {
  constexpr std::size_t lanes = kLanes<Real>;
  for (std::size_t n = 0; n <= lanes; ++n) {
    Real in[lanes], out[lanes + 2];
    for (std::size_t k = 0; k < lanes; ++k) in[k] = Real(k + 1);
    for (Real& x : out) x = -7;
    const Vec<Real> loaded = load_part(in, n);
    store_part(out + 1, load(in), n);
    expect(out[0] == -7 && out[n + 1] == -7, "store_part stays inside");
    for (std::size_t k = 0; k < lanes; ++k) {
      expect(loaded[k] == (k < n ? in[k] : 0), "load_part");
      expect(out[k + 1] == (k < n ? in[k] : -7), "store_part");
    }
  }
  const Real nan = std::numeric_limits<Real>::quiet_NaN();
  expect(at_least(splat(nan), splat(Real(1)))[0] != Real(1), "at_least keeps NaN");
  expect(at_most(splat(nan), splat(Real(1)))[0] != Real(1), "at_most keeps NaN");
  expect(at_least(splat(Real(0)), splat(Real(1)))[0] == 1 && at_most(splat(Real(2)), splat(Real(1)))[0] == 1, "limits");
  expect(select(splat(Real(1)) < splat(Real(2)), splat(Real(3)), splat(Real(4)))[0] == 3, "select");
  const Real epsilon = std::numeric_limits<Real>::epsilon();
  expect(fma(splat(1 + epsilon), splat(1 - epsilon), splat(Real(-1)))[0] == -epsilon * epsilon, "fma rounds once");
}

template <class Real>
bool subnormals_flushed() {
  volatile Real tiny = std::numeric_limits<Real>::min();
  volatile Real halved = tiny / 2;
  return halved == 0;
}

void check_flush() {
  expect(!subnormals_flushed<float>() && !subnormals_flushed<double>(), "subnormals are kept before");
  {
    const FlushSubnormals flush;
    expect(subnormals_flushed<float>() && subnormals_flushed<double>(), "subnormals are flushed inside");
    check_special_values<float>();
    check_special_values<double>();
    check_floats<Sigmoid>("sigmoid, flushed", 1000003);
    check_floats<Tanh>("tanh, flushed", 1000003);
  }
  expect(!subnormals_flushed<float>() && !subnormals_flushed<double>(), "subnormals are kept after");
}

}  // namespace

int main(int count, char** arguments) {
  const std::uint64_t stride = count > 1 ? std::strtoull(arguments[1], nullptr, 10) : 4099;
  const std::uint64_t points = count > 2 ? std::strtoull(arguments[2], nullptr, 10) : 400000;
  check_vector<float>();
  check_vector<double>();
  check_special_values<float>();
  check_special_values<double>();
  check_floats<Sigmoid>("sigmoid float", stride);
  check_floats<Tanh>("tanh float", stride);
  check_doubles<Sigmoid>("sigmoid double", points);
  check_doubles<Tanh>("tanh double", points);
  check_flush();
  return failures == 0 ? 0 : 1;
}
