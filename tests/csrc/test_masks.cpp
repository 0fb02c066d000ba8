// Prints masks of csrc/masks.h for the places named on standard input, one line of 0 and 1 each:
//
//   seed t row tag threshold first count
//
// and checks on the way that float and double agree, that nothing is written outside, and that parts equal the whole.
#include <cstdio>
#include <vector>

#include "masks.h"

using namespace holdfast::HOLDFAST_LEVEL;

namespace {

int failures = 0;

void expect(bool holds, const char* what) {
  if (holds) return;
  std::fprintf(stderr, "FAILED: %s\n", what);
  ++failures;
}

struct Place {
  unsigned long long seed;
  unsigned t, row, tag, threshold;
};

template <class Real>
std::vector<Real> mask(const Place& at, std::size_t first, std::size_t count) {
  std::vector<Real> out(count + 2, Real(-7));
  fill_mask<Real>(at.seed, at.t, at.row, at.tag, at.threshold, first, count, out.data() + 1);
  expect(out.front() == -7 && out.back() == -7, "nothing is written outside");
  return {out.begin() + 1, out.end() - 1};
}

void check_parts(const Place& at, std::size_t first, const std::vector<float>& whole) {
  for (std::size_t begin = 0; begin < whole.size(); begin += 3) {
    const std::size_t count = whole.size() - begin < 7 ? whole.size() - begin : 7;
    const std::vector<float> part = mask<float>(at, first + begin, count);
    for (std::size_t u = 0; u < count; ++u) expect(part[u] == whole[begin + u], "a part equals the whole");
  }
}

}  // namespace

int main() {
  Place at;
  unsigned long first, count;
  while (std::scanf("%llu %u %u %u %u", &at.seed, &at.t, &at.row, &at.tag, &at.threshold) == 5 &&
         std::scanf("%lu %lu", &first, &count) == 2) {
    const std::vector<float> whole = mask<float>(at, first, count);
    const std::vector<double> wide = mask<double>(at, first, count);
    for (std::size_t u = 0; u < count; ++u) {
      expect(whole[u] == 0 || whole[u] == 1, "a mask holds 0 and 1");
      expect(wide[u] == whole[u], "float and double agree");
      std::putchar(whole[u] == 1 ? '1' : '0');
    }
    std::putchar('\n');
    check_parts(at, first, whole);
  }
  return failures == 0 ? 0 : 1;
}
