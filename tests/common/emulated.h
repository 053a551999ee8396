// Runs a CUDA kernel on the CPU: the threads of a block as fibers, the blocks one after another.
//
// A barrier or shuffle hands over to the next thread; with `reversed` they take turns in
// the other order, which a missing barrier seldom survives. Shared memory starts as garbage.

#include <setjmp.h>
#include <ucontext.h>

#include <cmath>
#include <cstring>

#define __global__
#define __device__
#define __shared__ static
#define __launch_bounds__(n)

using std::exp;
using std::fabs;
using std::fmax;
using std::fmin;
using std::log;
using std::rint;

template <class T>
static T min(T a, T b) {
    return b < a ? b : a;
}

struct Index {
    unsigned int x;
};
static Index threadIdx, blockIdx, gridDim, blockDim;

static ucontext_t contexts[1024];  // where fibers start; setjmp, without system calls, goes on
static jmp_buf fibers[1024];
static bool started[1024], done[1024];
static char stacks[1024][1 << 15];
static ucontext_t start;
static jmp_buf scheduler;
static unsigned char exchanged[1024][16];
static const void* arguments;

// What some threads wait at until all of them are there.
struct Barrier {
    unsigned int arrived, turn;
};
static Barrier of_block, of_warp[32];
static unsigned long progress;

static void wait(Barrier& barrier, unsigned int threads) {
    unsigned int turn = barrier.turn;
    if (++barrier.arrived == threads) {
        barrier.arrived = 0;
        ++barrier.turn;
        ++progress;
    }
    while (barrier.turn == turn) {
        if (_setjmp(fibers[threadIdx.x]) == 0) _longjmp(scheduler, 1);
    }
}

static void __syncthreads() { wait(of_block, blockDim.x); }
static void __syncwarp() { wait(of_warp[threadIdx.x / 32], 32); }

template <class T>
static T from_lane(T value, unsigned int lane) {
    unsigned int me = threadIdx.x;
    std::memcpy(exchanged[me], &value, sizeof(T));
    __syncwarp();
    T other;
    std::memcpy(&other, exchanged[me / 32 * 32 + lane], sizeof(T));
    __syncwarp();
    return other;
}

template <class T>
static T __shfl_down_sync(unsigned int, T value, int reach) {
    unsigned int lane = threadIdx.x % 32;
    return from_lane(value, lane + reach < 32 ? lane + reach : lane);
}

static float __uint_as_float(unsigned int bits) {
    float x;
    std::memcpy(&x, &bits, sizeof(x));
    return x;
}

static unsigned int __float_as_uint(float x) {
    unsigned int bits;
    std::memcpy(&bits, &x, sizeof(bits));
    return bits;
}

static double __longlong_as_double(long long bits) {
    double x;
    std::memcpy(&x, &bits, sizeof(x));
    return x;
}

static float __saturatef(float x) { return std::fmin(std::fmax(x, 0.0f), 1.0f); }

template <class Argument>
static void call(void (*kernel)(const Argument)) {
    kernel(*static_cast<const Argument*>(arguments));
    done[threadIdx.x] = true;
    ++progress;
    _longjmp(scheduler, 1);
}

// Lets the thread in threadIdx run to its next barrier.
static void resume() {
    if (_setjmp(scheduler) != 0) return;
    if (started[threadIdx.x]) _longjmp(fibers[threadIdx.x], 1);
    started[threadIdx.x] = true;
    swapcontext(&start, &contexts[threadIdx.x]);
}

// Runs the blocks; false if some threads of a block wait at a barrier that others never reach.
static bool run_blocks(unsigned int blocks, unsigned int threads, bool reversed, void (*entry)()) {
    gridDim.x = blocks;
    blockDim.x = threads;
    for (blockIdx.x = 0; blockIdx.x < blocks; ++blockIdx.x) {
        for (unsigned int t = 0; t < threads; ++t) {
            started[t] = done[t] = false;
            getcontext(&contexts[t]);
            contexts[t].uc_stack.ss_sp = stacks[t];
            contexts[t].uc_stack.ss_size = sizeof(stacks[t]);
            makecontext(&contexts[t], entry, 0);
        }
        of_block = {};
        for (Barrier& barrier : of_warp) barrier = {};
        for (unsigned int finished = 0; finished < threads;) {
            unsigned long before = progress;
            for (unsigned int k = 0; k < threads; ++k) {
                threadIdx.x = reversed ? threads - 1 - k : k;
                if (done[threadIdx.x]) continue;
                resume();
                finished += done[threadIdx.x];
            }
            if (progress == before) return false;
        }
    }
    return true;
}

// Stands at the end of a source that was put behind this file.
#define EMULATE(KERNEL)                                                        \
    static void entry_of_thread() { call(KERNEL); }                            \
    extern "C" int run(unsigned int blocks, const void* from, int reversed) {  \
        arguments = from;                                                      \
        return run_blocks(blocks, THREADS, reversed, entry_of_thread) ? 0 : 1; \
    }
