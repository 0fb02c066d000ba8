#include "team.h"

#if !defined(_WIN32)
#include <pthread.h>
#endif

#include <atomic>
#include <condition_variable>
#include <mutex>
#include <thread>
#include <vector>

namespace holdfast {
namespace {

struct OpenMp {
  void (*parallel)(void (*work)(void*), void* data, unsigned threads, unsigned flags);
  int (*thread_num)();
  int (*num_threads)();
};
OpenMp openmp{};
std::atomic<bool> has_openmp{false};

struct Job {
  Work work;
  void* data;
};

void enter(void* job) {
  const Job& own = *static_cast<Job*>(job);
  own.work(own.data, static_cast<unsigned>(openmp.thread_num()), static_cast<unsigned>(openmp.num_threads()));
}

// Workers sleep between calls; one call at a time has them.
class Pool {
 public:
  // Returns false when another call has the pool.
  bool run(Work work, void* data, unsigned threads) {
    std::unique_lock<std::mutex> turn(turn_, std::try_to_lock);
    if (!turn.owns_lock()) return false;
    {
      std::lock_guard<std::mutex> lock(mutex_);
      while (workers_.size() + 1 < threads) {
        workers_.emplace_back([this, number = static_cast<unsigned>(workers_.size() + 1)] { serve(number); });
        workers_.back().detach();
      }
      work_ = work, data_ = data, threads_ = threads, left_ = threads - 1;
      ++round_;
    }
    wake_.notify_all();
    work(data, 0, threads);
    std::unique_lock<std::mutex> lock(mutex_);
    done_.wait(lock, [this] { return left_ == 0; });
    return true;
  }

 private:
  void serve(unsigned number) {
    std::uint64_t seen = 0;
    std::unique_lock<std::mutex> lock(mutex_);
    while (true) {
      wake_.wait(lock, [&] { return round_ != seen; });
      seen = round_;
      if (number >= threads_) continue;
      const Work work = work_;
      void* const data = data_;
      const unsigned threads = threads_;
      lock.unlock();
      work(data, number, threads);
      lock.lock();
      if (--left_ == 0) done_.notify_one();
    }
  }

  std::mutex turn_, mutex_;
  std::condition_variable wake_, done_;
  std::vector<std::thread> workers_;
  Work work_ = nullptr;
  void* data_ = nullptr;
  unsigned threads_ = 0, left_ = 0;
  std::uint64_t round_ = 0;
};

// Never destroyed: its threads outlive main. A forked child has none of them and makes a pool of its own.
std::atomic<Pool*> pool{nullptr};
std::mutex making;

Pool& own_pool() {
  if (Pool* found = pool.load()) return *found;
  std::lock_guard<std::mutex> lock(making);
  if (!pool.load()) {
#if !defined(_WIN32)
    static const int registered = pthread_atfork(nullptr, nullptr, [] { pool.store(nullptr); });
    (void)registered;
#endif
    pool.store(new Pool);
  }
  return *pool.load();
}

}  // namespace

void use_team(std::uintptr_t parallel, std::uintptr_t thread_num, std::uintptr_t num_threads) {
  openmp.parallel = reinterpret_cast<decltype(openmp.parallel)>(parallel);
  openmp.thread_num = reinterpret_cast<decltype(openmp.thread_num)>(thread_num);
  openmp.num_threads = reinterpret_cast<decltype(openmp.num_threads)>(num_threads);
  has_openmp = parallel && thread_num && num_threads;
}

void run_on_team(Work work, void* data, unsigned threads) {
  if (threads < 2) return work(data, 0, 1);
  if (has_openmp) {
    Job job{work, data};
    return openmp.parallel(&enter, &job, threads, 0);
  }
  if (!own_pool().run(work, data, threads)) work(data, 0, 1);
}

}  // namespace holdfast
