// How many pairs reach each of LEVELS ascending thresholds: in x, in y, in both.
// `out` is i64 (3, LEVELS, rows, parts).

// The cells of [0, 1] that hold one threshold at most. In a cell the number of thresholds that a
// value reaches is `before`, and one more if it reaches the cell's own: a look-up and a comparison
// instead of LEVELS comparisons, for which there is no time at the memory's pace.
struct Cell {
    ACC threshold;
    int before;
};

struct Thresholds {
    Pairs pairs;
    Cell pred[CELLS + 1], target[CELLS + 1];
};

__device__ inline int cell_of(float x) {  // to the nearest: the low bits of a large float
    return __float_as_uint(__saturatef(x) * CELLS + 8388608.0f) & 0x7fffff;
}
__device__ inline int cell_of(double x) { return (int)rint(fmin(fmax(x, 0.0), 1.0) * CELLS); }

// Each thread counts for itself how often x reaches i and y reaches j thresholds. Both numbers give
// all three counts, so that a pair costs one increment. A thread's counters lie in one bank of the
// shared memory: no two threads wait for each other, and nothing depends on their order.
constexpr int SIDE = LEVELS + 1, BINS = SIDE * SIDE;

struct LevelCounts {
    const Cell *pred, *target;
    unsigned short* counter;

    __device__ static inline int at(int bin) { return (bin / 2) * 2 * THREADS + bin % 2; }

    __device__ inline void add(ACC x, ACC y) {
        Cell of_x = pred[cell_of(x)], of_y = target[cell_of(y)];
        unsigned int bin = of_x.before + (x >= of_x.threshold ? SIDE : 0);
        bin += of_y.before + (y >= of_y.threshold ? 1 : 0);
        ++counter[at(bin)];
    }

    __device__ inline void flush() {}
};

__device__ inline void add_threads(const unsigned short* counters, i64* total) {
    int lane = threadIdx.x % WARP;
    for (int bin = threadIdx.x / WARP; bin < BINS; bin += WARPS) {
        int sum = 0;
        for (int t = lane; t < THREADS; t += WARP) sum += counters[2 * t + LevelCounts::at(bin)];
        sum = warp_sum(sum);
        if (lane == 0) total[bin] = sum;
    }
}

extern "C" __global__ void __launch_bounds__(THREADS) threshold_sums(const Thresholds t) {
    __shared__ unsigned short counters[(BINS + 1) / 2 * 2 * THREADS];
    __shared__ Cell pred[CELLS + 1], target[CELLS + 1];
    __shared__ i64 total[BINS];
    const Pairs& p = t.pairs;
    i64 row = blockIdx.x % p.rows, part = blockIdx.x / p.rows;
    for (int c = threadIdx.x; c <= CELLS; c += THREADS) {
        pred[c] = t.pred[c];
        target[c] = t.target[c];
    }
    LevelCounts counts = {pred, target, counters + 2 * threadIdx.x};
    for (int bin = 0; bin < BINS; ++bin) counts.counter[counts.at(bin)] = 0;
    __syncthreads();
    visit_part(p, part, row_of(p, row), counts);
    __syncthreads();
    add_threads(counters, total);
    __syncthreads();
    for (int k = threadIdx.x; k < 3 * LEVELS; k += THREADS) {
        int side = k / LEVELS, level = k % LEVELS;
        i64 sum = 0;
        for (int i = side == 1 ? 0 : level + 1; i < SIDE; ++i) {
            for (int j = side == 0 ? 0 : level + 1; j < SIDE; ++j) sum += total[i * SIDE + j];
        }
        static_cast<i64*>(p.out)[(k * p.rows + row) * p.parts + part] = sum;
    }
}
