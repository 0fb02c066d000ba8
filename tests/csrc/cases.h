// Recorded calls, as record.py writes them, and memory that tells what a kernel did beside its work.
#pragma once

#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <string>
#include <vector>

#include <sys/mman.h>
#include <unistd.h>

#if defined(__SANITIZE_ADDRESS__)
#include <sanitizer/asan_interface.h>
#endif

namespace cases {

enum class Kind : std::int64_t { kRead = 0, kReadInt = 1, kReadBool = 2, kComputed = 3, kRoom = 4 };

struct Array {
  Kind kind;
  std::size_t count;
  double allowed;              // largest absolute error
  std::vector<double> exact;   // what is read, or what should be computed
  std::vector<char> content;   // of integers and bools
};

struct Case {
  std::string label;
  bool twice;                          // float64
  std::vector<std::int64_t> columns;   // csrc/fields.h, with numbers of arrays from 1 in place of addresses
  std::vector<Array> arrays;
};

// Reads a file from its start; a short or wrong one ends the program.
class Reader {
 public:
  explicit Reader(const char* path) : file_(std::fopen(path, "rb")) {
    char magic[8];
    if (!file_) fail("cannot be opened");
    bytes(magic, sizeof magic);
    if (std::memcmp(magic, "HFCASES1", sizeof magic) != 0) fail("holds no recorded cases");
    left_ = number();
  }
  ~Reader() { std::fclose(file_); }
  Reader(const Reader&) = delete;
  Reader& operator=(const Reader&) = delete;

  bool next(Case& out) {
    if (left_-- == 0) return false;
    out.label.resize(size());
    bytes(&out.label[0], out.label.size());
    out.twice = number() != 0;
    out.columns.resize(size());
    bytes(out.columns.data(), out.columns.size() * sizeof(std::int64_t));
    out.arrays.resize(size());
    for (Array& array : out.arrays) read(array);
    return true;
  }

 private:
  void read(Array& array) {
    array.kind = static_cast<Kind>(number());
    array.count = size();
    bytes(&array.allowed, sizeof array.allowed);
    array.exact.clear(), array.content.clear();
    if (array.kind == Kind::kRead || array.kind == Kind::kComputed) {
      array.exact.resize(array.count);
      bytes(array.exact.data(), array.count * sizeof(double));
    } else if (array.kind != Kind::kRoom) {
      array.content.resize(array.count * (array.kind == Kind::kReadInt ? sizeof(std::int64_t) : 1));
      bytes(array.content.data(), array.content.size());
    }
  }
  std::int64_t number() {
    std::int64_t value;
    bytes(&value, sizeof value);
    return value;
  }
  std::size_t size() { return static_cast<std::size_t>(number()); }
  void bytes(void* out, std::size_t count) {
    if (std::fread(out, 1, count, file_) != count) fail("ends too early");
  }
  [[noreturn]] void fail(const char* what) {
    std::fprintf(stderr, "the file of cases %s\n", what);
    std::exit(2);
  }

  std::FILE* file_;
  std::int64_t left_ = 0;
};

// Bytes of NaN between a guard zone and a page that may not be touched: what reads or writes beyond the end is caught
// whether or not a sanitizer looks. `align` says where they may begin; only then is there some room before that page.
class Buffer {
 public:
  Buffer(std::size_t bytes, std::size_t align) : bytes_(bytes) {
    const std::size_t pages = (bytes + kGuard + page_ - 1) / page_ + 1;
    whole_ = pages * page_;
    void* memory = mmap(nullptr, whole_, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (memory == MAP_FAILED) std::abort();
    all_ = static_cast<char*>(memory);
    end_ = whole_ - page_;
    mprotect(all_ + end_, page_, PROT_NONE);
    begin_ = (end_ - bytes) / align * align;
    std::memset(guard(), kMark, end_ - (begin_ - kGuard));
    std::memset(data(), 0xFF, bytes);
    poison(true);
  }
  ~Buffer() {
    poison(false);
    munmap(all_, whole_);
  }
  Buffer(const Buffer&) = delete;
  Buffer& operator=(const Buffer&) = delete;

  char* data() const { return all_ + begin_; }
  std::size_t bytes() const { return bytes_; }

  // Whether nothing was written outside.
  bool intact() const {
    poison(false);
    bool same = true;
    for (const char* at = guard(); at < all_ + end_; ++at)
      if (at < data() || at >= data() + bytes_) same = same && static_cast<unsigned char>(*at) == kMark;
    poison(true);
    return same;
  }

 private:
  static constexpr std::size_t kGuard = 128;
  static constexpr unsigned char kMark = 0xA5;

  char* guard() const { return data() - kGuard; }
  void poison(bool on) const {  // reading outside is an error too, where AddressSanitizer looks
#if defined(__SANITIZE_ADDRESS__)
    const auto change = on ? __asan_poison_memory_region : __asan_unpoison_memory_region;
    change(guard(), kGuard);
    change(data() + bytes_, end_ - begin_ - bytes_);
#else
    (void)on;
#endif
  }

  const std::size_t page_ = static_cast<std::size_t>(sysconf(_SC_PAGESIZE));
  std::size_t bytes_, whole_, begin_, end_;
  char* all_;
};

}  // namespace cases
