// Loaded into a child process with LD_PRELOAD. XNNPACK's profiler takes the time between operators with clock_gettime, in nanoseconds,
// and then gives it in whole microseconds, rounded down: operators below one microsecond would vanish. While `fine` is on, the
// monotonic clock runs a thousand times faster, so that what it calls a microsecond is a nanosecond.
//
// ExecuTorch never switches that profiler on in its Python package. But its calls of XNNPACK go through the dynamic linker, and end
// here: while `profiling` is on, runtimes are made with the profiler, and those that ran while `fine` was on can be asked for their
// operators.
#define _GNU_SOURCE
#include <dlfcn.h>
#include <stdint.h>
#include <time.h>

enum { BASIC_PROFILING = 0x8, MAXIMUM_RUNTIMES = 4096 };  // XNN_FLAG_BASIC_PROFILING of xnnpack.h

static int fine, profiling;
static int (*real_clock)(clockid_t, struct timespec *);
static int (*real_create)(void *, void *, void *, void *, uint32_t, void **);
static int (*real_invoke)(void *);
static void *invoked[MAXIMUM_RUNTIMES];
static int invoked_count;

void fine_clock_set(int on) {
  if (on) invoked_count = 0;
  fine = on;
}

void fine_clock_profile(int on) { profiling = on; }

int fine_clock_invoked(void) { return invoked_count; }

void *fine_clock_runtime(int position) { return invoked[position]; }

// Names the library whose XNNPACK is meant, once it is loaded. Returns 0 if it has one.
int fine_clock_attach(const char *path) {
  void *library = dlopen(path, RTLD_NOW | RTLD_NOLOAD);
  if (!library) return 1;
  real_create = dlsym(library, "xnn_create_runtime_v4");
  real_invoke = dlsym(library, "xnn_invoke_runtime");
  return !(real_create && real_invoke);
}

int clock_gettime(clockid_t clock, struct timespec *now) {
  if (!real_clock) real_clock = dlsym(RTLD_NEXT, "clock_gettime");
  int status = real_clock(clock, now);
  if (fine && status == 0 && clock == CLOCK_MONOTONIC) {
    now->tv_sec = now->tv_sec * 1000 + now->tv_nsec / 1000000;
    now->tv_nsec = now->tv_nsec % 1000000 * 1000;
  }
  return status;
}

int xnn_create_runtime_v4(void *subgraph, void *weights_cache, void *workspace, void *threads, uint32_t flags, void **runtime) {
  if (!real_create) return 1;  // xnn_status_uninitialized
  return real_create(subgraph, weights_cache, workspace, threads, profiling ? flags | BASIC_PROFILING : flags, runtime);
}

int xnn_invoke_runtime(void *runtime) {
  if (!real_invoke) return 1;
  int status = real_invoke(runtime);
  if (fine && invoked_count < MAXIMUM_RUNTIMES) invoked[invoked_count++] = runtime;
  return status;
}
